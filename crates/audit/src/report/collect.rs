//! Entries in, figures out.

use std::collections::VecDeque;
use std::time::Duration;

use haechi_core::{Sealed, Sid, Timestamp};

use super::{LogSummary, MOST_SPANS, Newest, Period, Report, SILENCE, Silence, Span, Told};
use crate::entry;
use crate::index::Sketch;
use crate::reader::ReadError;

/// Told one by one of each kind, the newest.
const MOST_TOLD: usize = 200;
const MOST_SILENCES: usize = 10;
/// Acts whose families are told one by one: they change what is protected, and how.
const CHANGES: [&str; 12] = [
    "key", "vault", "policy", "settings", "stop", "lift", "audit", "client", "api-key", "subject",
    "grant", "root",
];
/// Lengths of a span that people think in.
const SPANS_SECS: [u64; 10] =
    [60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400];

/// Counts the entries of one log after the other.
pub(super) struct Collector {
    period: Period,
    report: Report,
    changes: VecDeque<Told>,
    writers: VecDeque<Told>,
    log: String,
    /// The last entry that was met, whether or not it is within the period.
    last: Option<Timestamp>,
    stopped: bool,
}

impl Collector {
    pub(super) fn new(period: Period) -> Self {
        let length = period.to.since(period.from);
        let fits = |secs: &u64| length.as_secs().div_ceil(*secs) <= MOST_SPANS as u64;
        let secs = SPANS_SECS.into_iter().find(fits).unwrap_or(3640 * 86_400);
        // A length that people think in begins where they think it does: at midnight, at the hour.
        let mut from =
            Timestamp::from_secs(period.from.as_secs() / secs.min(86_400) * secs.min(86_400));
        let mut spans = Vec::new();
        while from < period.to && spans.len() <= MOST_SPANS {
            spans.push(Span { from, ..Span::default() });
            from = from.after(Duration::from_secs(secs));
        }
        let report = Report { spans, span: Duration::from_secs(secs), ..Report::default() };
        Self {
            period,
            report,
            changes: VecDeque::new(),
            writers: VecDeque::new(),
            log: String::new(),
            last: None,
            stopped: false,
        }
    }

    pub(super) const fn period(&self) -> Period {
        self.period
    }

    /// From here on entries are those of `log`.
    pub(super) fn begin(&mut self, log: &str) {
        log.clone_into(&mut self.log);
        self.last = None;
        self.stopped = false;
        self.report.logs.push(LogSummary {
            name: log.to_owned(),
            entries: 0,
            numbers: None,
            set_back: 0,
            set_back_most: Duration::ZERO,
        });
    }

    /// The log that is read ends here: a writer that never came back is a silence too.
    pub(super) fn end(&mut self) {
        if let Some(last) = self.last {
            self.pass_silence(last, self.period.to);
        }
    }

    /// The log that is read ends here, because of `error`.
    pub(super) fn fail(&mut self, log: &str, error: ReadError) {
        self.report.problems.push((log.to_owned(), error));
    }

    pub(super) fn close(mut self) -> Report {
        self.report.changes.told = self.changes.into();
        self.report.writers.told = self.writers.into();
        self.report
            .silences
            .sort_by_key(|silence| std::cmp::Reverse(silence.to.since(silence.from)));
        self.report.silences.truncate(MOST_SILENCES);
        self.report
    }

    /// Counts an entry; answers when it was written.
    pub(super) fn add(&mut self, sequence: u64, bytes: &[u8]) -> Option<Timestamp> {
        let Some(sketch) = Sketch::parse(bytes) else {
            self.report.unknown += 1;
            return None;
        };
        let at = Timestamp(sketch.at_ms);
        let within = self.period.from <= at && at < self.period.to;
        self.pass_time(at, within);
        self.stopped = sketch.event.0 == "log" && sketch.state.0 == "stopped";
        if within {
            self.count(sequence, at, &sketch);
        }
        Some(at)
    }

    fn pass_time(&mut self, at: Timestamp, within: bool) {
        let before = self.last.replace(at);
        let Some(before) = before else { return };
        if at < before
            && within
            && let Some(log) = self.report.logs.last_mut()
        {
            log.set_back += 1;
            log.set_back_most = log.set_back_most.max(before.since(at));
        }
        self.pass_silence(before, at);
    }

    fn pass_silence(&mut self, from: Timestamp, to: Timestamp) {
        let touches = to >= self.period.from && from < self.period.to;
        if touches && to.since(from) > SILENCE {
            self.report.silent += 1;
            let (log, stopped) = (self.log.clone(), self.stopped);
            self.report.silences.push(Silence { log, from, to, stopped });
            if self.report.silences.len() > 4 * MOST_SILENCES {
                self.report.silences.sort_by_key(|s| std::cmp::Reverse(s.to.since(s.from)));
                self.report.silences.truncate(MOST_SILENCES);
            }
        }
    }

    fn count(&mut self, sequence: u64, at: Timestamp, sketch: &Sketch<'_>) {
        let report = &mut self.report;
        report.entries += 1;
        report.truncated += u64::from(sketch.truncated);
        if let Some(log) = report.logs.last_mut() {
            log.entries += 1;
            log.numbers = Some((log.numbers.map_or(sequence, |(first, _)| first), sequence));
        }
        let permitted = sketch.is_intent() && sketch.decision.0 == "permit";
        if let Some(span) = span(report, at) {
            match (sketch.is_intent(), permitted) {
                (true, true) => span.permitted += 1,
                (true, false) => span.denied += 1,
                (false, _) => span.others += 1,
            }
        }
        for found in &sketch.findings {
            report.findings.add(&format!("{} {}", found.kind.0, found.action.0), found.count);
        }
        match &*sketch.event.0 {
            "intent" => self.count_call(sketch, permitted),
            "outcome" => self.count_outcome(sketch),
            "session" => report.sessions.add(&sketch.kind.0, 1),
            "sign-in" => self.count_sign_in(sketch),
            "administration" => self.count_act(sequence, at, sketch),
            "reveal" => {
                let word = sketch.reason.as_ref().map_or("shown", |reason| &reason.0);
                report.reveals.add(&format!("{} · {word}", sketch.purpose.0), 1);
            }
            "token" => report.tokens.add(&sketch.act.0, 1),
            "refusal-count" => {
                let reason = sketch.reason.as_ref().map_or("", |reason| &reason.0);
                report.unknown_callers.add(reason, sketch.count);
            }
            "log" => self.count_writer(sequence, at, sketch),
            _ => report.unknown += 1,
        }
    }

    fn count_call(&mut self, sketch: &Sketch<'_>, permitted: bool) {
        let report = &mut self.report;
        let sensitive = u64::from(permitted && sketch.sensitive);
        report.permitted += u64::from(permitted);
        report.denied += u64::from(!permitted);
        report.sensitive += sensitive;
        let (upstream, name) = (&sketch.upstream.0, &sketch.name.0);
        let tool = if name.is_empty() {
            format!("{upstream} {}", sketch.method.0)
        } else {
            format!("{upstream}:{name}")
        };
        report.tools.add(&tool, 1);
        if !permitted {
            match &sketch.stage {
                Some(stage) => report.refusals.add(&stage.0, 1),
                None if sketch.rules.is_empty() => report.refusals.add("", 1),
                None => sketch.rules.iter().for_each(|rule| report.refusals.add(&rule.0, 1)),
            }
        }
        let sid = sketch.sid.as_ref().map_or("", |sid| &sid.0);
        if let Some(person) = report.persons.at(sid) {
            person.calls += 1;
            person.denied += u64::from(!permitted);
            person.sensitive += sensitive;
            if person.who.is_none() {
                person.who = sketch.who.as_ref().map(|who| Sealed(who.0.to_string()));
            }
        }
    }

    fn count_outcome(&mut self, sketch: &Sketch<'_>) {
        let word = &*sketch.completion.0;
        self.report.completions.add(word, 1);
        if matches!(word, "interrupted" | "outcome-unknown") {
            self.report.interrupted += 1;
        }
    }

    fn count_sign_in(&mut self, sketch: &Sketch<'_>) {
        if sketch.success == Some(true) {
            self.report.sign_ins += 1;
            return;
        }
        let reason = sketch.reason.as_ref().map_or("", |reason| &reason.0);
        self.report.sign_in_failures.add(reason, 1);
        self.report.tried.add(sketch.sid.as_ref().map_or("", |sid| &sid.0), 1);
    }

    /// An act has an entry when it is asked for and one when it is done: the second counts.
    fn count_act(&mut self, sequence: u64, at: Timestamp, sketch: &Sketch<'_>) {
        let word = sketch.detail.first().map_or("", |word| &*word.0);
        if word == "asked" {
            self.report.asked += 1;
            return;
        }
        self.report.concluded += u64::from(matches!(word, "done" | "not-done"));
        let act = &*sketch.act.0;
        match word {
            "not-done" => self.report.acts.add(&format!("{act} (not done)"), 1),
            _ => self.report.acts.add(act, 1),
        }
        if CHANGES.contains(&act.split('.').next().unwrap_or_default()) {
            let told = self.tell(sequence, at, sketch, act);
            keep(&mut self.changes, &mut self.report.changes, told);
        }
    }

    fn count_writer(&mut self, sequence: u64, at: Timestamp, sketch: &Sketch<'_>) {
        if sketch.state.0 == "alive" {
            self.report.alive += 1;
            return;
        }
        let mut told = self.tell(sequence, at, sketch, &sketch.state.0);
        told.object = sketch.version.0.to_string();
        keep(&mut self.writers, &mut self.report.writers, told);
    }

    fn tell(&self, sequence: u64, at: Timestamp, sketch: &Sketch<'_>, what: &str) -> Told {
        Told {
            at,
            entry: entry::id(&sketch.node.0, sequence),
            sid: sketch.sid.as_ref().map(|sid| Sid(sid.0.as_ref().into())),
            what: what.to_owned(),
            object: sketch.object.0.to_string(),
            detail: sketch.detail.iter().map(|text| text.0.to_string()).collect(),
        }
    }
}

fn span(report: &mut Report, at: Timestamp) -> Option<&mut Span> {
    let begin = report.spans.first()?.from;
    let number = at.since(begin).as_millis() / report.span.as_millis().max(1);
    report.spans.get_mut(usize::try_from(number).ok()?)
}

fn keep(told: &mut VecDeque<Told>, counted: &mut Newest, one: Told) {
    counted.count += 1;
    told.push_back(one);
    if told.len() > MOST_TOLD {
        told.pop_front();
    }
}
