//! `haechi audit export` and `haechi audit exports`: entries for other programs, and how far those
//! are that get them all the time.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::settings::ExportSettings;
use haechi_assembly::{SystemClock, file_text, open_lines};
use haechi_audit::export::{
    Batch, Cursor, CursorError, CursorLock, Encoder, Format, Gatherer, LogLag, Selection,
    cursor_path, lags,
};
use haechi_core::Clock as _;
use serde_json::json;

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure, chain};
use super::super::table::{json as print_json, table};
use super::query::{report, report_problems, unlisted};
use super::when::moment;

/// Which entries, and in which form.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The form of a record
    #[arg(long, default_value = "json", value_parser = ["json", "ocsf", "ecs", "cef", "syslog", "otlp"])]
    format: String,
    /// From this moment on: `2h` ago, `2026-11-01`, or seconds since 1970-01-01T00:00:00Z
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
        // One run at a time goes on by a cursor, and none by that of an export which is at work.
        let _lock = self.cursor.as_deref().map(CursorLock::take).transpose().map_err(unusable)?;
        let cursor = self.cursor.as_deref().map(Cursor::load).transpose().map_err(unusable)?;
        let cursor = cursor.unwrap_or_default();
        let mut gatherer = Gatherer::new(directory.path(), selection, encoder, cursor);
        let mut output = self.output()?;
        let mut whole = true;
        loop {
            let batch = gatherer.next_batch(SystemClock.now());
            let batch = batch.map_err(|error| unlisted(context, &error))?;
            whole &= batch.troubles.is_empty();
            tell(context, &batch);
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
        let mut options = OpenOptions::new();
        let opened = if self.cursor.is_some() {
            // A line that a kill cut off was not confirmed, and comes again.
            open_lines(path)
        } else {
            options.create(true).write(true).truncate(true).mode(0o600).open(path)
        };
        opened.map(Some).map_err(|error| {
            Failure::unknown(format!("`{}` cannot be written: {error}", path.display()))
        })
    }
}

/// Says what is odd about a batch.
fn tell(context: &Context, batch: &Batch) {
    for (log, trouble) in &batch.troubles {
        let why = chain(trouble);
        report(&context.say(
            &format!("`{log}` is not exported to its end: {why}"),
            &format!("`{log}` 로그를 끝까지 내보내지 못했습니다: {why}"),
        ));
    }
    if batch.pruned > 0 {
        let count = batch.pruned;
        report(&context.say(
            &format!("{count} entries were pruned before they were exported"),
            &format!("항목 {count}개는 내보내기 전에 정리되었습니다"),
        ));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unusable(error: CursorError) -> Failure {
    Failure::of(&error).help(error.help())
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
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for export in &settings.exports {
            let cursor = cursor_path(directory.path(), &export.name);
            let cursor = Cursor::load(&cursor).map_err(unusable)?;
            let lags = lags(directory.path(), &cursor);
            let (lags, problems) = lags.map_err(|error| unlisted(context, &error))?;
            // The logs are the same for each.
            unread = problems;
            found.push((export, lags));
        }
        report_problems(context, &unread);
        let code = ExitCode::from(if unread.is_empty() { 0 } else { COULD_NOT_TELL });
        if self.json {
            let exports: Vec<_> = found.iter().map(|(export, lags)| shown(export, lags)).collect();
            print_json(out, &exports)?;
            return Ok(code);
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
        Ok(code)
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
