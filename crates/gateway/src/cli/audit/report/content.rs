//! What a report says, in the reader's language.

use std::collections::HashMap;

use haechi_audit::report::{Newest, Period, Report, Silence, Told, Top};
use haechi_audit::view::{Report as Verified, Verdict};
use haechi_core::{Sealed, Timestamp};
use haechi_face::Language;

use super::document::{Cell, Columns, Document, Mood, Part, Section, Table, grouped};
use super::state::State;
use super::{MOST, minute, say};

/// Findings of a verification that are told one by one.
const MOST_FINDINGS: usize = 50;

/// Everything a report is made of.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) language: Language,
    pub(super) period: Period,
    pub(super) at: Timestamp,
    pub(super) report: Report,
    pub(super) states: Vec<State>,
    /// Names of persons, by their random names.
    pub(super) names: HashMap<String, String>,
}

/// The persons that a report names, with their sealed names.
pub(super) fn named(report: &Report) -> Vec<(&str, &Sealed)> {
    let (callers, _) = report.persons.heaviest(MOST);
    let (tried, _) = report.tried.heaviest(MOST);
    let told = report.changes.told.iter().filter_map(|told| told.sid.as_ref());
    let mut sids: Vec<&str> = callers.iter().map(|(sid, _)| *sid).collect();
    sids.extend(tried.iter().map(|(sid, _)| *sid));
    sids.extend(told.map(|sid| &*sid.0));
    sids.sort_unstable();
    sids.dedup();
    let who = |sid: &'_ str| report.persons.of(sid)?.who.as_ref();
    sids.into_iter().filter_map(|sid| Some((sid, who(sid)?))).collect()
}

impl Content {
    pub(super) fn document(&self) -> Document {
        let sections = vec![
            self.summary(),
            self.integrity(),
            self.volume(),
            self.refusals(),
            self.people(),
            self.findings(),
            self.sign_ins(),
            self.changes(),
            self.acts(),
            self.gaps(),
        ];
        let language = if self.language == Language::Korean { "ko" } else { "en" };
        Document { language, title: self.say("Audit report", "감사 보고서"), sections }
    }

    fn say(&self, english: &str, korean: &str) -> String {
        say(self.language, english, korean)
    }

    fn section(&self, english: &str, korean: &str, parts: Vec<Part>) -> Section {
        Section { heading: self.say(english, korean), parts }
    }

    fn fact(&self, english: &str, korean: &str, value: impl Into<String>) -> (String, String) {
        (self.say(english, korean), value.into())
    }

    fn count(&self, english: &str, korean: &str, number: u64) -> (String, String) {
        self.fact(english, korean, grouped(number))
    }

    fn summary(&self) -> Section {
        let report = &self.report;
        let period = format!("{} – {}", minute(self.period.from), minute(self.period.to));
        let mut facts = vec![
            self.fact("Period", "기간", period),
            self.fact("Made", "작성 시각", minute(self.at)),
            self.fact("Program", "프로그램", concat!("haechi ", env!("CARGO_PKG_VERSION"))),
            self.count("Entries", "기록", report.entries),
            self.count("Calls permitted", "허용된 호출", report.permitted),
            self.count("Calls denied", "거부된 호출", report.denied),
            self.count("Sensitive calls", "민감 호출", report.sensitive),
            self.count("People", "사람", report.persons.names() as u64),
            self.count("Values found", "발견된 값", report.findings.total()),
            self.count("Sign-ins", "로그인 성공", report.sign_ins),
            self.count("Failed sign-ins", "로그인 실패", report.sign_in_failures.total()),
            self.count("Values shown", "값 열람 요청", report.reveals.total()),
        ];
        let numbers = |log: &haechi_audit::report::LogSummary| match log.numbers {
            Some((first, last)) => {
                format!("{} ({}–{})", grouped(log.entries), grouped(first), grouped(last))
            }
            None => grouped(0),
        };
        for log in &report.logs {
            let name = format!("{} `{}`", self.say("Entries of", "로그"), log.name);
            facts.push((name, numbers(log)));
        }
        self.section("At a glance", "한눈에 보기", vec![Part::Facts(facts)])
    }

    fn integrity(&self) -> Section {
        let mut parts = Vec::new();
        if self.states.is_empty() {
            let text = self.say(
                "The log was not verified for this report.",
                "이 보고서를 만들 때 로그를 검증하지 않았습니다.",
            );
            parts.push(Part::Verdict(Mood::Open, text));
        }
        for state in &self.states {
            parts.push(Part::Head(state.log.clone()));
            match &state.found {
                Ok(verified) => self.verified(state, verified, &mut parts),
                Err(why) => {
                    let text = self.say("It could not be verified", "검증할 수 없었습니다");
                    parts.push(Part::Verdict(Mood::Open, format!("{text}: {why}")));
                }
            }
        }
        self.section("Is the log whole?", "로그는 온전한가", parts)
    }

    fn verified(&self, state: &State, verified: &Verified, parts: &mut Vec<Part>) {
        let (mood, text) = match verified.verdict() {
            Verdict::Whole => (
                Mood::Good,
                self.say(
                    "Every entry is the one that was signed.",
                    "모든 기록이 서명된 그대로입니다.",
                ),
            ),
            Verdict::Changed => {
                (Mood::Bad, self.say("The log was changed.", "로그가 변경되었습니다."))
            }
            Verdict::Open => (
                Mood::Open,
                self.say("Not everything could be told.", "전부 확인하지는 못했습니다."),
            ),
        };
        parts.push(Part::Verdict(mood, text));
        let mut facts = vec![self.count("Entries verified", "검증한 기록", verified.entries)];
        if let Some(checkpoint) = &verified.checkpoint {
            let checkpoint = checkpoint.checkpoint();
            facts.push(self.fact("Log", "로그 이름", checkpoint.origin()));
            facts.push(self.count("Checkpoint: entries", "체크포인트: 기록 수", checkpoint.size()));
            let root = checkpoint.root().to_string();
            facts.push(self.fact("Checkpoint: root hash", "체크포인트: 루트 해시", root));
        }
        facts.push(self.count("Not covered yet", "아직 서명되지 않은 기록", verified.uncovered));
        if verified.minimum > 0 {
            facts.push(self.count("Pruned below entry", "정리된 기록의 경계", verified.minimum));
        }
        if let Some(key) = &state.key {
            facts.push(self.fact("Verifier key", "검증 키", key.to_string()));
        }
        parts.push(Part::Facts(facts));
        if !state.key_is_given {
            let text = self.say(
                "The key stood beside the log. Compare it with the one you were given on another way, or name that one with --key.",
                "이 키는 로그 옆에서 읽은 것입니다. 다른 경로로 받은 키와 대조하거나 --key로 지정하십시오.",
            );
            parts.push(Part::Text(text));
        }
        let findings = verified.findings.iter().take(MOST_FINDINGS);
        let rows: Vec<_> = findings.map(|found| vec![Cell::Text(found.to_string())]).collect();
        if !rows.is_empty() {
            parts.push(self.table(("What was found", "확인된 사항"), &[("Finding", "내용")], rows));
        }
    }

    fn volume(&self) -> Section {
        let report = &self.report;
        let days = report.span.as_secs() >= 86_400;
        let when = |at: Timestamp| {
            let text = minute(at);
            if days { text.get(..10).unwrap_or(&text).to_owned() } else { text }
        };
        let spans = report.spans.iter();
        let figures = spans.map(|span| (when(span.from), span.permitted, span.denied)).collect();
        let (permitted, denied) = (self.say("Permitted", "허용"), self.say("Denied", "거부"));
        let columns = Columns {
            caption: self.say("Calls over time (UTC)", "시간에 따른 호출 (UTC)"),
            legend: [permitted.clone(), denied.clone()],
            heads: [self.say("From", "시작"), permitted, denied],
            most: self.say("highest:", "최고:"),
            figures,
            numbers: self.say("The figures", "수치"),
        };
        let parts = vec![
            Part::Columns(columns),
            self.top(("Calls by tool", "도구별 호출"), ("Tool", "도구"), &report.tools),
            self.top(("How calls ended", "호출의 결과"), ("Outcome", "결과"), &report.completions),
            self.top(
                ("Sessions and streams", "세션과 스트림"),
                ("Event", "사건"),
                &report.sessions,
            ),
        ];
        self.section("Volume", "호출량", parts)
    }

    fn refusals(&self) -> Section {
        let report = &self.report;
        let parts = vec![
            self.top(
                ("Denied calls by rule or stage", "규칙·단계별 거부"),
                ("Rule or stage", "규칙 또는 단계"),
                &report.refusals,
            ),
            self.top(
                ("Refused before anybody was known", "신원이 확인되기 전의 거부"),
                ("Reason", "이유"),
                &report.unknown_callers,
            ),
        ];
        self.section("Refusals", "거부", parts)
    }

    fn people(&self) -> Section {
        let (people, left) = self.report.persons.heaviest(MOST);
        let most = people.first().map_or(0, |(_, person)| person.sensitive);
        let mut rows: Vec<_> = people
            .into_iter()
            .map(|(sid, person)| {
                vec![
                    self.person(sid),
                    Cell::Bar(person.sensitive, most),
                    Cell::Number(person.calls),
                    Cell::Number(person.denied),
                ]
            })
            .collect();
        if left > 0 {
            let (text, none) = (self.say("all others", "그 밖의 사람"), String::new);
            rows.push(vec![
                Cell::Text(text),
                Cell::Bar(left, most.max(left)),
                Cell::Text(none()),
                Cell::Text(none()),
            ]);
        }
        let heads = [
            ("Person", "사람"),
            ("Sensitive calls", "민감 호출"),
            ("All calls", "전체 호출"),
            ("Denied", "거부"),
        ];
        let mut parts = Vec::new();
        if self.names.is_empty() {
            parts.push(Part::Text(self.say(
                "Persons stand here by the random names that the log has for them.",
                "사람은 로그가 붙인 무작위 이름으로 표시됩니다.",
            )));
        }
        parts.push(self.table(
            ("People by sensitive calls", "민감 호출이 많은 사람"),
            &heads,
            rows,
        ));
        self.section("People", "사람", parts)
    }

    fn person(&self, sid: &str) -> Cell {
        match self.names.get(sid) {
            Some(name) => Cell::Text(format!("{name} ({})", sid.get(..12).unwrap_or(sid))),
            None => Cell::Code(sid.get(..12).unwrap_or(sid).to_owned()),
        }
    }

    fn findings(&self) -> Section {
        let found = &self.report.findings;
        let heads = ("Kind and what was done", "종류와 처리");
        let parts = vec![self.top(("Values found", "발견된 값"), heads, found)];
        self.section("Personal data and secrets", "개인정보와 비밀", parts)
    }

    fn sign_ins(&self) -> Section {
        let report = &self.report;
        let (tried, _) = report.tried.heaviest(MOST);
        let most = tried.first().map_or(0, |(_, count)| **count);
        let rows = tried.into_iter().map(|(sid, n)| vec![self.person(sid), Cell::Bar(*n, most)]);
        let failures = ("Failed sign-ins by reason", "이유별 로그인 실패");
        let heads = [("Person", "사람"), ("Failures", "실패")];
        let tried =
            self.table(("Failed sign-ins by person", "사람별 로그인 실패"), &heads, rows.collect());
        let parts = vec![
            Part::Facts(vec![
                self.count("Succeeded", "성공", report.sign_ins),
                self.count("Failed", "실패", report.sign_in_failures.total()),
            ]),
            self.top(failures, ("Reason", "이유"), &report.sign_in_failures),
            tried,
            self.top(("Tokens", "토큰"), ("Act", "행위"), &report.tokens),
            self.top(
                ("Requests to see protected values", "보호된 값의 열람 요청"),
                ("Purpose · result", "목적 · 결과"),
                &report.reveals,
            ),
        ];
        self.section("Sign-ins, tokens and values shown", "로그인, 토큰, 값 열람", parts)
    }

    fn changes(&self) -> Section {
        let parts = self.told(
            ("Changes, newest last", "변경, 최신이 마지막"),
            ("Act", "행위"),
            &self.report.changes,
        );
        self.section("Changes of keys, policies and settings", "키·정책·설정의 변경", parts)
    }

    fn acts(&self) -> Section {
        let report = &self.report;
        let mut parts =
            vec![self.top(("Administrative acts", "관리 행위"), ("Act", "행위"), &report.acts)];
        if report.asked > report.concluded {
            let count = grouped(report.asked - report.concluded);
            parts.push(Part::Text(format!(
                "{} {count}",
                self.say("Asked for, without a known end:", "요청되었으나 결과가 기록되지 않음:"),
            )));
        }
        self.section("Administration", "관리", parts)
    }

    fn gaps(&self) -> Section {
        let report = &self.report;
        let mut parts: Vec<Part> = Vec::new();
        for (log, error) in &report.problems {
            let text = self.say("was not read to its end", "끝까지 읽지 못했습니다");
            let why = crate::cli::failure::chain(error);
            parts.push(Part::Verdict(Mood::Bad, format!("{log} {text}: {why}")));
        }
        let set_back = report.logs.iter().map(|log| log.set_back).sum();
        let most = report.logs.iter().map(|log| log.set_back_most).max().unwrap_or_default();
        let mut facts = vec![
            self.count(
                "Calls whose end is not known",
                "결과를 알 수 없는 호출",
                report.interrupted,
            ),
            self.count("Entries that were cut", "일부가 잘린 기록", report.truncated),
            self.count("Entries of unknown kinds", "알 수 없는 종류의 기록", report.unknown),
            self.count("Times the clock was set back", "시계가 되돌려진 횟수", set_back),
            self.count("Silences of over three minutes", "3분이 넘는 공백", report.silent),
            self.count("Signs of life", "동작 신호", report.alive),
        ];
        if set_back > 0 {
            let text = format!("{:.3} s", most.as_secs_f64());
            facts.push(self.fact("Set back at most by", "최대로 되돌려진 시간", text));
        }
        parts.push(Part::Facts(facts));
        parts.extend(self.told(
            (
                "Writers that started, stopped, recovered or lost something",
                "로그 기록기의 시작·정지·복구·손실",
            ),
            ("What", "내용"),
            &report.writers,
        ));
        let rows = report.silences.iter().map(|silence| self.silence(silence)).collect();
        let heads = [("Log", "로그"), ("From", "시작"), ("To", "끝"), ("Writer", "기록기")];
        let caption = (
            "The longest silences; a log whose writer runs has a sign of life each minute",
            "가장 긴 공백. 기록기가 동작하는 로그에는 매분 동작 신호가 남습니다",
        );
        parts.push(self.table(caption, &heads, rows));
        self.section("Gaps", "공백", parts)
    }

    fn silence(&self, silence: &Silence) -> Vec<Cell> {
        let writer = if silence.stopped {
            self.say("stopped", "정지됨")
        } else {
            self.say("not known to have stopped", "정지 기록 없음")
        };
        vec![
            Cell::Code(silence.log.clone()),
            Cell::Text(minute(silence.from)),
            Cell::Text(minute(silence.to)),
            Cell::Text(writer),
        ]
    }

    /// What is told one by one, and how many there are besides.
    fn told(&self, caption: (&str, &str), what: (&str, &str), newest: &Newest) -> Vec<Part> {
        let heads = [
            ("When", "시각"),
            what,
            ("Who", "누가"),
            ("Of", "대상"),
            ("More", "상세"),
            ("Entry", "기록"),
        ];
        let row = |told: &Told| {
            vec![
                Cell::Text(minute(told.at)),
                Cell::Code(told.what.clone()),
                told.sid.as_ref().map_or(Cell::Text(String::new()), |sid| self.person(&sid.0)),
                Cell::Code(told.object.clone()),
                Cell::Text(told.detail.join(" ")),
                Cell::Code(told.entry.clone()),
            ]
        };
        let mut parts = vec![self.table(caption, &heads, newest.told.iter().map(row).collect())];
        let left = newest.count.saturating_sub(newest.told.len() as u64);
        if left > 0 {
            let text = self.say("Older ones that are not listed:", "목록에 없는 이전 항목:");
            parts.push(Part::Text(format!("{text} {}", grouped(left))));
        }
        parts
    }

    fn top(&self, caption: (&str, &str), what: (&str, &str), top: &Top<u64>) -> Part {
        let (heaviest, left) = top.heaviest(MOST);
        let most = heaviest.first().map_or(0, |(_, count)| **count).max(left);
        let word = |name: &str| match name {
            "" => Cell::Text(self.say("none named", "지정되지 않음")),
            name => Cell::Code(name.to_owned()),
        };
        let mut rows: Vec<Vec<Cell>> = heaviest
            .into_iter()
            .map(|(name, count)| vec![word(name), Cell::Bar(*count, most)])
            .collect();
        if left > 0 {
            let others = self.say("all others", "그 밖의 전부");
            rows.push(vec![Cell::Text(others), Cell::Bar(left, most)]);
        }
        self.table(caption, &[what, ("Count", "횟수")], rows)
    }

    fn table(&self, caption: (&str, &str), heads: &[(&str, &str)], rows: Vec<Vec<Cell>>) -> Part {
        let caption = self.say(caption.0, caption.1);
        if rows.is_empty() {
            return Part::Text(format!("{caption}: {}", self.say("none", "없음")));
        }
        let heads = heads.iter().map(|(english, korean)| self.say(english, korean)).collect();
        Part::Table(Table { caption, heads, rows })
    }
}
