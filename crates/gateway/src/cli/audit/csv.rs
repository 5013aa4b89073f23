//! Entries as lines of a CSV file (RFC 4180) that a spreadsheet may open.

use std::collections::{HashMap, VecDeque};
use std::io::Write;

use haechi_audit::{EventKind, Record};
use haechi_core::{Conclusion, Event, FindingCount, Intent};

use super::names::Names;
use super::rows::{completion, other};
use crate::cli::failure::Failure;
use crate::cli::table::visible;

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

/// Lines that wait for the other half of their call.
const MOST_WAITING: usize = 10_000;

/// Makes one line for each call, and one for each other entry. A call's line waits for its other half;
/// when more than [`MOST_WAITING`] others wait behind it, it goes without, and the other half gets a
/// line of its own: so much is kept in memory, and no more.
#[derive(Debug)]
pub(super) struct Lines {
    /// Whether the newest entry comes first, and so the end of a call before its beginning.
    newest_first: bool,
    waiting: VecDeque<Line>,
    /// How many lines have gone.
    gone: u64,
    /// Where the first half of a call waits, by its log and intent.
    halves: HashMap<(String, u64), u64>,
}

#[derive(Debug)]
struct Line {
    /// None where it went into another line.
    record: Option<Record>,
    end: Option<Conclusion>,
    /// The call whose other half it waits for.
    waits: Option<(String, u64)>,
}

impl Line {
    const fn of(record: Record) -> Self {
        Self { record: Some(record), end: None, waits: None }
    }
}

impl Lines {
    pub(super) fn new(newest_first: bool) -> Self {
        let (waiting, halves) = (VecDeque::new(), HashMap::new());
        Self { newest_first, waiting, gone: 0, halves }
    }

    /// Takes the next entry.
    pub(super) fn add(&mut self, record: Record) {
        match (&record.entry.event, self.newest_first) {
            (Event::Intent(_), false) => {
                let call = (record.log.clone(), record.entry.sequence);
                self.wait(record, call);
            }
            (Event::Outcome(end), true) => {
                let call = (record.log.clone(), end.intent);
                self.wait(record, call);
            }
            (Event::Intent(_), true) => {
                let half = self.half(&(record.log.clone(), record.entry.sequence));
                let end = match half.and_then(|line| line.record.take()).map(|it| it.entry.event) {
                    Some(Event::Outcome(end)) => Some(end),
                    _ => None,
                };
                self.waiting.push_back(Line { end, ..Line::of(record) });
            }
            (Event::Outcome(end), false) => match self.half(&(record.log.clone(), end.intent)) {
                Some(line) => line.end = Some(end.clone()),
                None => self.waiting.push_back(Line::of(record)),
            },
            _ => self.waiting.push_back(Line::of(record)),
        }
    }

    fn wait(&mut self, record: Record, call: (String, u64)) {
        self.halves.insert(call.clone(), self.gone + self.waiting.len() as u64);
        self.waiting.push_back(Line { waits: Some(call), ..Line::of(record) });
    }

    /// The line that waits for this half of a call; it waits no more.
    fn half(&mut self, call: &(String, u64)) -> Option<&mut Line> {
        let place = self.halves.remove(call)?.checked_sub(self.gone)?;
        let line = self.waiting.get_mut(usize::try_from(place).ok()?)?;
        line.waits = None;
        Some(line)
    }

    /// The next line that is whole; also the others, when nothing comes any more.
    fn next(&mut self, all: bool) -> Option<Line> {
        let waits = self.waiting.front()?.waits.as_ref();
        if waits.is_some() && !all && self.waiting.len() <= MOST_WAITING {
            return None;
        }
        let line = self.waiting.pop_front()?;
        self.gone += 1;
        line.waits.iter().for_each(|call| {
            self.halves.remove(call);
        });
        Some(line)
    }

    /// Writes what is whole; everything, when nothing comes any more.
    pub(super) async fn write(
        &mut self,
        out: &mut dyn Write,
        names: &mut Names<'_>,
        all: bool,
    ) -> Result<(), Failure> {
        let mut csv = csv::Writer::from_writer(out);
        while let Some(Line { record, end, .. }) = self.next(all) {
            let Some(record) = record else { continue };
            let cells = match &record.entry.event {
                Event::Intent(intent) => {
                    let open = names.are_open();
                    let name = if open { names.of(intent).await } else { String::new() };
                    call(intent, end.as_ref(), name)
                }
                event => rest(event),
            };
            let kind = EventKind::of(&record.entry.event).as_str().to_owned();
            let head = [record.entry.at.to_string(), record.entry.id(), record.log, kind];
            csv.write_record(head.into_iter().chain(cells).map(harmless)).map_err(failure)?;
        }
        csv.flush()?;
        Ok(())
    }
}

/// Writes the heads of the columns.
pub(super) fn heads(out: &mut dyn Write) -> Result<(), Failure> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADS).map_err(failure)?;
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

/// A cell that no spreadsheet takes for a formula, and no terminal for commands: what begins like a
/// formula is text, also behind what separates cells elsewhere, and numbers are numbers.
fn harmless(cell: String) -> String {
    const BEGINNINGS: [char; 8] =
        ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if cell.parse::<i64>().is_ok() {
        return cell;
    }
    let mut out = String::with_capacity(cell.len());
    let mut begins = true;
    for c in visible(&cell).chars() {
        if begins && BEGINNINGS.contains(&c) {
            out.push('\'');
        }
        // Where `;` separates cells, a quoted cell ends at one too.
        begins = matches!(c, ';' | ',' | '|' | '"' | '\u{fffd}') || (begins && c.is_whitespace());
        out.push(c);
    }
    out
}

fn failure(error: csv::Error) -> Failure {
    std::io::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use haechi_audit::Entry;
    use haechi_core::{Action, Completion, Era, Means, Sid, Timestamp};

    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_text_and_a_number_is_a_number() {
        for formula in ["=1+1", "+A1", "-A1", "@SUM(A1)", "\u{ff1d}1+1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        for (formula, text) in [
            ("\t=1", "\u{fffd}'=1"),
            ("\r\n=1", "\u{fffd}\u{fffd}'=1"),
            (" =1", " '=1"),
            ("tool;=1+1", "tool;'=1+1"),
            ("a\";=1", "a\";'=1"),
            ("a;\t-1", "a;\u{fffd}'-1"),
            ("\u{1b}[2J", "\u{fffd}[2J"),
        ] {
            assert_eq!(harmless(formula.to_owned()), text);
        }
        for plain in
            ["", "-32601", "12", "crm", "a=1", "files:read", "역할 관리자", "1 KIND mask; 2"]
        {
            assert_eq!(harmless(plain.to_owned()), plain);
        }
    }

    fn record(log: &str, sequence: u64, event: Event) -> Record {
        let (at, node) = (Timestamp(1), "n".to_owned());
        let entry = Entry { v: 1, sequence, at, node, truncated: false, event };
        Record { log: log.to_owned(), entry }
    }

    fn intent(log: &str, sequence: u64) -> Record {
        let call = Intent {
            sid: Sid("a".into()),
            who: None,
            means: Means::OwnToken,
            credential: None,
            roles: Vec::new(),
            address: None,
            client: None,
            client_id: None,
            route: String::new(),
            era: Era::Modern,
            upstream: "u".to_owned(),
            action: Action::CallTool,
            method: "tools/call".to_owned(),
            name: "t".to_owned(),
            sensitive: false,
            parameters: Vec::new(),
            decision: "permit".to_owned(),
            rules: Vec::new(),
            stage: None,
            findings: Vec::new(),
            policy_epoch: 1,
            request_bytes: 1,
            trace_id: None,
        };
        record(log, sequence, Event::Intent(call))
    }

    fn outcome(log: &str, sequence: u64, intent: u64) -> Record {
        let end = Conclusion {
            intent,
            completion: Completion::Answered,
            error_code: None,
            duration_us: 5,
            response_bytes: 1,
            messages: 1,
            findings: Vec::new(),
            result: None,
        };
        record(log, sequence, Event::Outcome(end))
    }

    /// Each line's entry, and whether it has the end of its call.
    fn lines(newest_first: bool, records: Vec<Record>, least: usize) -> Vec<(String, bool)> {
        let mut lines = Lines::new(newest_first);
        let mut made = Vec::new();
        let shown = |line: Line| Some((line.record?.entry.id(), line.end.is_some()));
        for record in records {
            lines.add(record);
            assert!(
                lines.waiting.len() <= MOST_WAITING + 1 && lines.halves.len() <= MOST_WAITING + 1
            );
            while let Some(line) = lines.next(false) {
                made.extend(shown(line));
            }
        }
        assert!(made.len() >= least, "{} lines before the end", made.len());
        while let Some(line) = lines.next(true) {
            made.extend(shown(line));
        }
        made
    }

    fn named(lines: &[(&str, bool)]) -> Vec<(String, bool)> {
        lines.iter().map(|(id, whole)| ((*id).to_owned(), *whole)).collect()
    }

    #[test]
    fn a_call_is_one_line_wherever_it_is_begun_to_be_read() {
        let records = || {
            vec![
                intent("a", 0),
                intent("b", 0),
                intent("a", 1),
                outcome("a", 2, 1),
                outcome("a", 3, 0),
                outcome("a", 4, 77),
            ]
        };
        let expected = named(&[("n-0", true), ("n-0", false), ("n-1", true), ("n-4", false)]);
        assert_eq!(lines(false, records(), 1), expected);
        let mut backwards = records();
        backwards.reverse();
        let mut newest = lines(true, backwards, 0);
        newest.reverse();
        assert_eq!(newest, expected);
    }

    #[test]
    fn a_call_that_lasts_keeps_no_more_than_so_many_others_waiting() {
        let count = 3 * MOST_WAITING as u64;
        let mut records = vec![intent("a", 0)];
        for n in 0..count {
            records.extend([intent("a", 2 * n + 1), outcome("a", 2 * n + 2, 2 * n + 1)]);
        }
        records.push(outcome("a", 2 * count + 1, 0));
        let made = lines(false, records, MOST_WAITING);
        assert_eq!(made.len() as u64, count + 2, "its end is a line of its own");
        assert_eq!(made[0], ("n-0".to_owned(), false));
        assert!(made[1..made.len() - 1].iter().all(|(_, whole)| *whole));
    }
}
