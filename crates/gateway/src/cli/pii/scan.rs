//! `haechi pii scan`: what is found, and where.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_core::json::Kind;
use haechi_privacy::{Finding, code_points};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure, NO};
use super::super::table::table;
use super::Looking;
use super::find::Finder;
use super::progress::Progress;
use super::show::{Shown, Telling, heads, rounded, shown};
use super::source::{Format, Piece, Source, Troubles, Unread, Visited, sources};

/// Rows of one table: what is found is shown before the last of very many files is read.
const ROWS: usize = 5_000;

#[derive(Debug, Args)]
pub(in super::super) struct Scan {
    #[command(flatten)]
    looking: Looking,
    /// Print one JSON object for each finding, on a line of its own
    #[arg(long)]
    json: bool,
    /// Say why: which rule, which word near it, which checksum
    #[arg(long)]
    explain: bool,
    /// Show the values
    #[arg(long)]
    show: bool,
    /// Of JSON lines, look at this member only, and print the findings of each line together
    #[arg(long, value_name = "NAME", conflicts_with_all = ["json", "explain", "show"])]
    field: Option<String>,
    /// The member that names a line; without it, lines are counted from 1
    #[arg(long, value_name = "NAME", requires = "field")]
    id: Option<String>,
}

/// What was found in one line, as scorers read it.
#[derive(Serialize)]
struct Document<'f> {
    id: Value,
    spans: Vec<Span<'f>>,
}

/// In code points.
#[derive(Serialize)]
struct Span<'f> {
    start: usize,
    end: usize,
    r#type: &'f str,
    score: f64,
    rule: &'f str,
}

impl<'f> Span<'f> {
    fn of((finding, place): (&'f Finding, Range<usize>)) -> Self {
        let Range { start, end } = place;
        Self {
            start,
            end,
            r#type: &finding.kind,
            score: rounded(finding.score),
            rule: &finding.rule,
        }
    }
}

/// One scan under way.
struct Work<'w> {
    scan: &'w Scan,
    finder: Finder,
    progress: Progress,
    out: &'w mut dyn Write,
    rows: Vec<Shown>,
    findings: usize,
}

impl Scan {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let finder = Finder::new(self.looking.wanted.detector(context)?, self.looking.only());
        let mut troubles = Troubles::default();
        let sources = sources(&self.looking.inputs, &mut troubles);
        let progress = Progress::over(&sources);
        let mut work = Work { scan: &self, finder, progress, out, rows: Vec::new(), findings: 0 };
        let (mut read, mut with) = (0_usize, 0_usize);
        for source in &sources {
            let before = work.findings;
            match work.source(source)? {
                Ok(()) => read += 1,
                Err(why) => work.progress.aside(|| troubles.note(source, &why)),
            }
            with += usize::from(work.findings > before);
        }
        work.flush()?;
        let findings = work.findings;
        drop(work);
        troubles.close();
        if self.field.is_none() && !self.json {
            summary(out, findings, with, read)?;
        }
        Ok(ExitCode::from(match (findings, troubles.any) {
            (0, false) => 0,
            (0, true) => COULD_NOT_TELL,
            _ => NO,
        }))
    }
}

fn summary(out: &mut dyn Write, findings: usize, with: usize, read: usize) -> Result<(), Failure> {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let files = format!("{read} file{}", plural(read));
    if findings == 0 {
        writeln!(out, "nothing was found in {files}")?;
    } else {
        writeln!(out, "{findings} finding{} in {with} of {files}", plural(findings))?;
    }
    Ok(())
}

impl Work<'_> {
    fn source(&mut self, source: &Source) -> Visited {
        let file: Arc<str> = source.name.as_str().into();
        let of_lines = self.scan.field.is_some();
        let format = if of_lines { Format::Lines } else { self.scan.looking.format };
        source.each(format, &mut |piece, _| {
            let done = match &self.scan.field {
                Some(field) => self.document(field, &piece)?,
                None => self.piece(&file, &piece).map(Ok)?,
            };
            self.progress.add(piece.text.len() + usize::from(piece.line.is_some()));
            Ok(done)
        })
    }

    fn piece(&mut self, file: &Arc<str>, piece: &Piece<'_>) -> Result<(), Failure> {
        let telling = Telling { values: self.scan.show, why: self.scan.explain };
        for leaf in self.finder.in_piece(piece) {
            self.findings += leaf.findings.len();
            self.rows.extend(shown(file, piece.line, &leaf, telling));
        }
        if self.rows.len() >= ROWS || self.scan.json {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let telling = Telling { values: self.scan.show, why: self.scan.explain };
        let out = &mut *self.out;
        self.progress.aside(|| {
            if self.scan.json {
                for row in &rows {
                    serde_json::to_writer(&mut *out, row)?;
                    writeln!(out)?;
                }
                return Ok(());
            }
            let cells: Vec<Vec<String>> = rows.iter().map(Shown::cells).collect();
            Ok(table(out, &heads(telling), &cells)?)
        })
    }

    /// One line as a document of its own.
    fn document(&mut self, field: &str, piece: &Piece<'_>) -> Visited {
        let line = piece.line.unwrap_or(1);
        if piece.text.trim().is_empty() {
            return Ok(Ok(()));
        }
        let member = |name: &str| piece.json.and_then(|json| json.member(name));
        let Some(text) = member(field).filter(|it| it.kind() == Kind::String) else {
            return Ok(Err(Unread::NoField { line, field: field.to_owned() }));
        };
        let text = text.string().unwrap_or_default();
        let findings = self.finder.in_text(&text);
        let places = code_points(&text, &findings);
        let spans: Vec<Span<'_>> = findings.iter().zip(places).map(Span::of).collect();
        self.findings += spans.len();
        let id = match &self.scan.id {
            Some(name) => member(name).map_or(Value::Null, |id| id.to_value()),
            None => json!(line),
        };
        let document = serde_json::to_string(&Document { id, spans })?;
        let out = &mut *self.out;
        self.progress.aside(|| writeln!(out, "{document}"))?;
        Ok(Ok(()))
    }
}
