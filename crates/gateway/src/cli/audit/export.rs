//! `haechi audit export` and `haechi audit exports`: entries for other programs, and how far those
//! are that get them all the time.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::settings::ExportSettings;
use haechi_assembly::{SystemClock, file_text};
use haechi_audit::export::{
    Cursor, CursorError, Encoder, Format, Gatherer, LogLag, Selection, cursor_path, lags,
};
use haechi_core::Clock as _;
use serde_json::json;

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure, chain};
use super::super::table::{json as print_json, table, visible};
use super::when::moment;

/// Which entries, and in which form.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The form of a record
    #[arg(long, default_value = "json", value_parser = ["json", "ocsf", "ecs", "cef", "syslog", "otlp"])]
    format: String,
    /// From this moment on: `2h` ago, or seconds since 1970-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Of this log alone: `audit`, or `run/NAME`
    #[arg(long, value_name = "NAME")]
    log: Option<String>,
    /// Write to this file: at its end with a cursor, else in its place
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on where the run before with this file ended, and remember it there
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
}

impl Export {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let format = Format::parse(&self.format).unwrap_or(Format::Json);
        let encoder = Encoder::new(format, env!("CARGO_PKG_VERSION"));
        let since = self.since.as_deref().map(moment).transpose()?;
        let selection = Selection { log: self.log.clone(), since, ..Selection::default() };
        let cursor = self.cursor.as_deref().map(Cursor::load).transpose().map_err(unusable)?;
        let cursor = cursor.unwrap_or_default();
        let mut gatherer = Gatherer::new(directory.path(), selection, encoder, cursor);
        let mut output = self.output()?;
        let mut whole = true;
        loop {
            let batch = gatherer
                .next_batch(SystemClock.now())
                .map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
            for (log, trouble) in &batch.troubles {
                whole = false;
                report(&format!("`{log}` is not exported to its end: {}", chain(trouble)));
            }
            if batch.pruned > 0 {
                report(&format!("{} entries were pruned before they were exported", batch.pruned));
            }
            if batch.is_empty() {
                break;
            }
            if !batch.lines.is_empty() {
                let text = file_text(&batch.lines, format);
                match &mut output {
                    Some(file) => file.write_all(text.as_bytes())?,
                    None => out.write_all(text.as_bytes())?,
                }
            }
            // Only what is certain to be out is not written again.
            if let Some(cursor) = &self.cursor {
                match &output {
                    Some(file) => file.sync_all()?,
                    None => out.flush()?,
                }
                batch.next.store(cursor).map_err(unusable)?;
            }
        }
        Ok(ExitCode::from(if whole { 0 } else { COULD_NOT_TELL }))
    }

    fn output(&self) -> Result<Option<std::fs::File>, Failure> {
        let Some(path) = &self.output else { return Ok(None) };
        let goes_on = self.cursor.is_some();
        let mut options = OpenOptions::new();
        let options = options.create(true).append(goes_on).write(true).truncate(!goes_on);
        let opened = options.mode(0o600).open(path);
        opened.map(Some).map_err(|error| {
            Failure::unknown(format!("`{}` cannot be written: {error}", path.display()))
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unusable(error: CursorError) -> Failure {
    Failure::of(&error).help(error.help())
}

fn report(text: &str) {
    let _unheard = writeln!(std::io::stderr(), "haechi: {}", visible(text));
}

/// How to show it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Exports {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Exports {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let mut found = Vec::new();
        for export in &settings.exports {
            let cursor = cursor_path(directory.path(), &export.name);
            let cursor = Cursor::load(&cursor).map_err(unusable)?;
            let lags = lags(directory.path(), &cursor).map_err(|error| Failure::of(&error))?;
            found.push((export, lags));
        }
        if self.json {
            let exports: Vec<_> = found.iter().map(|(export, lags)| shown(export, lags)).collect();
            print_json(out, &exports)?;
            return Ok(ExitCode::SUCCESS);
        }
        if found.is_empty() {
            let none = context.say(
                "the settings name no export (`[[audit.export]]`)",
                "설정에 내보내기가 없습니다 (`[[audit.export]]`)",
            );
            writeln!(out, "{none}")?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> =
            found.iter().flat_map(|(export, lags)| rows(export, lags)).collect();
        table(out, &["EXPORT", "TO", "FORMAT", "LOG", "CONFIRMED", "BEHIND", "OLDEST"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(export: &ExportSettings, lags: &[LogLag]) -> serde_json::Value {
    let log = |lag: &LogLag| {
        json!({
            "log": lag.log, "confirmed": lag.next, "entries": lag.entries, "behind": behind(lag),
            "oldest_at_ms": lag.oldest.map(|oldest| oldest.as_millis()),
        })
    };
    json!({
        "name": export.name, "to": export.to.to_string(), "format": export.format.as_str(),
        "logs": lags.iter().map(log).collect::<Vec<_>>(),
    })
}

fn rows<'a>(
    export: &'a ExportSettings,
    lags: &'a [LogLag],
) -> impl Iterator<Item = Vec<String>> + 'a {
    lags.iter().map(|lag| {
        vec![
            export.name.clone(),
            export.to.to_string(),
            export.format.as_str().to_owned(),
            lag.log.clone(),
            lag.next.to_string(),
            behind(lag).to_string(),
            lag.oldest.map(|oldest| oldest.to_string()).unwrap_or_default(),
        ]
    })
}

const fn behind(lag: &LogLag) -> u64 {
    lag.entries.saturating_sub(lag.next)
}
