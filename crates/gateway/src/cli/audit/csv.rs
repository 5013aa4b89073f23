//! Entries as lines of a CSV file (RFC 4180) that a spreadsheet may open.

use std::io::Write;

use haechi_audit::{EventKind, Record};
use haechi_core::{Conclusion, Event, FindingCount, Intent};

use super::names::Names;
use super::rows::{begun, completion, ends, other};
use crate::cli::failure::Failure;

const HEADS: [&str; 20] = [
    "time",
    "entry",
    "log",
    "event",
    "person",
    "name",
    "upstream",
    "method",
    "tool",
    "sensitive",
    "decision",
    "rules",
    "stage",
    "outcome",
    "error_code",
    "duration_ms",
    "request_bytes",
    "response_bytes",
    "findings",
    "detail",
];

/// Writes one line for each call, with its outcome where that is among the records, and for each
/// other entry; `heads` first where they are wanted.
pub(super) async fn write(
    out: &mut dyn Write,
    records: &[Record],
    names: &mut Names<'_>,
    heads: bool,
) -> Result<(), Failure> {
    let mut csv = csv::Writer::from_writer(out);
    if heads {
        csv.write_record(HEADS).map_err(failure)?;
    }
    let (ends, begun) = (ends(records), begun(records));
    for record in records {
        let log = record.log.as_str();
        let cells = match &record.entry.event {
            Event::Intent(intent) => {
                let name = if names.are_open() { names.of(intent).await } else { String::new() };
                call(intent, ends.get(&(log, record.entry.sequence)).copied(), name)
            }
            Event::Outcome(end) if begun.contains(&(log, end.intent)) => continue,
            event => rest(event),
        };
        let kind = EventKind::of(&record.entry.event).as_str();
        let head =
            [record.entry.at.to_string(), record.entry.id(), log.to_owned(), kind.to_owned()];
        let line = head.into_iter().chain(cells).map(harmless);
        csv.write_record(line).map_err(failure)?;
    }
    csv.flush()?;
    Ok(())
}

fn call(intent: &Intent, end: Option<&Conclusion>, name: String) -> [String; 16] {
    let of_end = |text: &dyn Fn(&Conclusion) -> String| end.map(text).unwrap_or_default();
    let found = intent.findings.iter().chain(end.iter().flat_map(|end| &end.findings));
    [
        intent.sid.0.to_string(),
        name,
        intent.upstream.clone(),
        intent.method.clone(),
        intent.name.clone(),
        intent.sensitive.to_string(),
        intent.decision.clone(),
        intent.rules.join("; "),
        intent.stage.clone().unwrap_or_default(),
        of_end(&|end| completion(end.completion)),
        of_end(&|end| end.error_code.map(|code| code.to_string()).unwrap_or_default()),
        of_end(&|end| (end.duration_us / 1000).to_string()),
        intent.request_bytes.to_string(),
        of_end(&|end| end.response_bytes.to_string()),
        found.map(finding).collect::<Vec<_>>().join("; "),
        String::new(),
    ]
}

fn finding(found: &FindingCount) -> String {
    format!("{} {} {}", found.count, found.kind, found.action)
}

/// What is no call, or the end of one whose intent is not among the records.
fn rest(event: &Event) -> [String; 16] {
    let [_, what, _, _, outcome] = other(event);
    let mut cells: [String; 16] = Default::default();
    let sid = match event {
        Event::Session(opening) => Some(&opening.sid),
        Event::SignIn(sign_in) => Some(&sign_in.sid),
        Event::Administration(act) => Some(&act.sid),
        Event::Reveal(reveal) => Some(&reveal.sid),
        Event::Token(act) => Some(&act.sid),
        Event::Intent(_) | Event::Outcome(_) | Event::RefusalCount { .. } | Event::Log { .. } => {
            None
        }
    };
    let [person, .., ended, _, _, _, _, _, detail] = &mut cells;
    *person = sid.map(|sid| sid.0.to_string()).unwrap_or_default();
    *ended = outcome;
    *detail = what;
    cells
}

/// A cell that no spreadsheet takes for a formula: what begins like one is text, and numbers are
/// numbers.
fn harmless(cell: String) -> String {
    const BEGINNINGS: [char; 11] =
        ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if cell.starts_with(BEGINNINGS) && cell.parse::<i64>().is_err() {
        return format!("'{cell}");
    }
    cell
}

fn failure(error: csv::Error) -> Failure {
    std::io::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_begins_like_a_formula_is_text_and_a_number_is_a_number() {
        for formula in ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\u{ff1d}1+1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        for plain in ["", "-32601", "12", "crm", "a=1", "files:read", "역할 관리자"] {
            assert_eq!(harmless(plain.to_owned()), plain);
        }
    }
}
