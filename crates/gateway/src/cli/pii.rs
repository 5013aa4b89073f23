//! `haechi pii`: what must stay unseen, looked for in files.

mod find;
mod progress;
mod redact;
mod rules;
mod scan;
mod show;
mod source;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::compile_detector;
use haechi_assembly::settings::PrivacySettings;
use haechi_privacy::Detector;

use super::context::Context;
use super::failure::Failure;
use source::Format;

#[derive(Debug, Subcommand)]
pub(super) enum Pii {
    /// Look for personal data and secrets in texts, JSON, JSON lines and folders
    #[command(after_long_help = "Examples:\n  $ haechi pii scan letters/ --locale KR\n  \
        $ cat answer.json | haechi pii scan --explain\n  \
        $ haechi pii scan documents.jsonl --field text --id id > spans.jsonl\n\n\
        Nothing is sent or kept. Values are not shown without `--show`; places are code points of the \
        text, or of the JSON string. With settings, it looks for what their `[privacy]` looks for.\n\n\
        Exit status: 0 nothing was found, 1 something was, 2 nothing was, and not all could be read.")]
    Scan(scan::Scan),
    /// Write texts anew without what is found
    #[command(after_long_help = "Examples:\n  $ haechi pii redact letter.txt\n  \
        $ haechi pii redact calls.jsonl --action mask:4 --output masked.jsonl\n  \
        $ haechi pii redact letters/ --output redacted/\n\n\
        Equal values of one file get equal placeholders, such as `[EMAIL_ADDRESS_1]`. No file that is \
        there is written over.\n\nExit status: 0 all is written, 2 something could not be.")]
    Redact(redact::Redact),
    /// List what is looked for
    #[command(
        after_long_help = "Example:\n  $ haechi pii rules --kind KR_RRN --kind EMAIL_ADDRESS"
    )]
    Rules(rules::Rules),
    /// Run the examples of pattern files
    #[command(after_long_help = "Example:\n  $ haechi pii test patterns.toml\n\n\
        Exit status: 0 all came out as expected, 1 some did not, or a file is not taken.")]
    Test(rules::Test),
}

/// What is looked for.
#[derive(Debug, Args)]
struct Wanted {
    /// Countries (ISO 3166-1) whose rules are on besides the general ones, with `,` between them; all by
    /// default
    #[arg(long, value_name = "KR,US", value_delimiter = ',')]
    locale: Vec<String>,
    /// Leave names, places and organisations in free text alone
    #[arg(long)]
    no_names: bool,
    /// From 0 to 1: findings that are less sure are none; 0.5 by default
    #[arg(long, value_name = "SCORE", value_parser = score)]
    minimum_score: Option<f32>,
    /// A pattern file of your own; may be given several times
    #[arg(long, value_name = "FILE")]
    patterns: Vec<PathBuf>,
}

/// What is looked for, and where.
#[derive(Debug, Args)]
struct Looking {
    /// Files and folders; `-` is standard input, which is also taken when nothing is named
    #[arg(value_name = "FILE|DIR|-")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
    /// Only findings of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    only: Vec<String>,
    /// What the files hold; `auto` goes by their names and contents
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn score(text: &str) -> Result<f32, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "a number from 0 to 1 is expected".to_owned())
}

impl Wanted {
    /// What the settings look for, as far as the command line does not say otherwise.
    fn settings(&self, context: &Context) -> Result<PrivacySettings, Failure> {
        let mut settings = context.settings()?.privacy.unwrap_or_else(PrivacySettings::owned);
        if let Some(bad) = self.locale.iter().find(|it| !is_country(it)) {
            let message = format!("`{}` is no country code", super::table::visible(bad));
            return Err(Failure::unknown(message).help("write two letters, as in `--locale KR,US`"));
        }
        if !self.locale.is_empty() {
            settings.locales = self.locale.iter().map(|it| it.to_ascii_uppercase()).collect();
        }
        settings.names &= !self.no_names;
        settings.minimum_score = self.minimum_score.unwrap_or(settings.minimum_score);
        settings.patterns.extend(self.patterns.iter().cloned());
        Ok(settings)
    }

    fn detector(&self, context: &Context) -> Result<Detector, Failure> {
        compile(&self.settings(context)?)
    }
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn compile(settings: &PrivacySettings) -> Result<Detector, Failure> {
    compile_detector(settings).map_err(|error| {
        Failure::of(&error).help("`haechi pii test FILE` says which examples of a file fail")
    })
}

impl Looking {
    /// Kinds that are told; none means all.
    fn only(&self) -> BTreeSet<String> {
        self.only.iter().map(|kind| kind.to_ascii_uppercase()).collect()
    }
}

impl Pii {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        match self {
            Self::Scan(scan) => scan.run(context, out),
            Self::Redact(redact) => redact.run(context, out),
            Self::Rules(rules) => rules.run(context, out),
            Self::Test(test) => test.run(out),
        }
    }
}
