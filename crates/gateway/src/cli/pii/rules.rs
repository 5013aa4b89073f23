//! `haechi pii rules` and `haechi pii test`: what is looked for, and whether it holds.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_privacy::{RuleReport, RuleSummary, tagger, test_rules};
use serde_json::json;

use super::super::context::Context;
use super::super::failure::{Failure, NO, chain};
use super::super::table::{json as print_json, table, visible};
use super::{Wanted, compile};

/// The largest pattern file.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, Args)]
pub(in super::super) struct Rules {
    #[command(flatten)]
    wanted: Wanted,
    /// Only rules that find this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in super::super) struct Test {
    /// Pattern files, TOML or plain JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rules {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let settings = self.wanted.settings(context)?;
        let mut rules = compile(&settings)?.rules();
        if settings.names {
            let on = tagger::KINDS
                .into_iter()
                .filter(|kind| !settings.without.iter().any(|it| it == kind));
            rules.extend(on.map(|kind| RuleSummary {
                id: "tagger".into(),
                kind: kind.into(),
                pack: "names".into(),
                locale: "*".into(),
                scores: (settings.minimum_score, 1.0),
                validator: None,
            }));
        }
        let wanted = |rule: &RuleSummary| {
            self.kind.is_empty()
                || self.kind.iter().any(|kind| kind.eq_ignore_ascii_case(&rule.kind))
        };
        rules.retain(wanted);
        if self.json {
            print_json(out, &rules)?;
            return Ok(ExitCode::SUCCESS);
        }
        let heads = ["RULE", "KIND", "FOR", "SCORE", "CHECK", "PACK"];
        table(out, &heads, &rules.iter().map(cells).collect::<Vec<_>>())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cells(rule: &RuleSummary) -> Vec<String> {
    let (least, most) = rule.scores;
    let scores = if least < most { format!("{least:.2}-{most:.2}") } else { format!("{least:.2}") };
    let check = rule.validator.as_deref().unwrap_or_default();
    [&*rule.id, &*rule.kind, &*rule.locale, &scores, check, &*rule.pack].map(str::to_owned).to_vec()
}

impl Test {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let mut all_good = true;
        let mut told = Vec::new();
        for path in &self.files {
            let name = path.display().to_string();
            match test_rules(&name, &read(path)?) {
                Ok(report) => {
                    all_good &= report.failed.is_empty();
                    if self.json {
                        told.push(json!({"file": name, "report": report}));
                    } else {
                        tell(out, &name, &report)?;
                    }
                }
                Err(error) => {
                    all_good = false;
                    if self.json {
                        told.push(json!({"file": name, "problem": chain(&error)}));
                    } else {
                        writeln!(out, "FAILED  {}", visible(&chain(&error)))?;
                    }
                }
            }
        }
        if self.json {
            print_json(out, &told)?;
        }
        Ok(ExitCode::from(if all_good { 0 } else { NO }))
    }
}

fn tell(out: &mut dyn Write, name: &str, report: &RuleReport) -> Result<(), Failure> {
    for (rule, failed) in &report.failed {
        writeln!(out, "FAILED  {}: rule `{rule}`: {failed}", visible(name))?;
    }
    let word = if report.failed.is_empty() { "ok" } else { "FAILED" };
    let RuleReport { rules, examples, failed } = report;
    let failed = failed.len();
    writeln!(
        out,
        "{word:7} {}: {rules} rules, {examples} examples, {failed} failed",
        visible(name)
    )?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    let name = || visible(&path.display().to_string());
    let unreadable =
        |error: std::io::Error| Failure::unknown(format!("`{}` cannot be read: {error}", name()));
    let mut contents = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut contents).map_err(unreadable)?;
    if contents.len() as u64 > MAX_BYTES {
        return Err(Failure::unknown(format!("`{}` is larger than 4 MiB", name())));
    }
    Ok(contents)
}
