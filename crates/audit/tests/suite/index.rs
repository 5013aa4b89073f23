//! Indexes leave out and never invent: with them, without them and with damaged ones, every answer
//! is that of reading everything.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_audit::{AuditLog, Entry, EventKind, Keep, Query};
use haechi_core::{
    Administration, Completion, Conclusion, Entropy, Event, FindingCount, Intent, ManualClock,
    SeededEntropy, SignIn, Timestamp,
};

use crate::support::{NOW, end, entries, intent, open_at, person};

const TOOLS: [&str; 4] = ["read", "write", "send \"now\"", "지우다"];
const KINDS: [&str; 3] = ["EMAIL_ADDRESS", "KR_RRN", "PHONE_NUMBER"];

struct Dice(SeededEntropy);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        let mut byte = [0];
        self.0.fill(&mut byte).unwrap();
        byte[0] % sides
    }
}

fn finding(kind: &str) -> FindingCount {
    FindingCount { kind: kind.into(), path: "/a".to_owned(), count: 2, action: "mask".into() }
}

/// A log of some segments with everything in it; calls end late, so that many do in a later segment.
async fn log_of_everything(data: &Path, seed: u64) -> (AuditLog, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = open_at(&data.join("audit"), Arc::clone(&clock));
    let mut dice = Dice(SeededEntropy::new(seed));
    let mut open = Vec::new();
    for n in 0..2200_u32 {
        clock.advance(Duration::from_secs(u64::from(dice.roll(20))));
        let call = Intent {
            sid: person(dice.roll(6)),
            upstream: ["files", "crm"][usize::from(dice.roll(2))].to_owned(),
            rules: vec![format!("rule {}", dice.roll(3))],
            findings: if dice.roll(9) == 0 { vec![finding(KINDS[0])] } else { Vec::new() },
            ..intent(TOOLS[usize::from(dice.roll(4))])
        };
        match dice.roll(8) {
            0 => {
                let call = Intent { decision: "deny".to_owned(), ..call };
                log.refuse(call, end(Completion::Refused)).await.unwrap();
            }
            1 => {
                let event = Event::Administration(Administration {
                    sid: person(dice.roll(6)),
                    act: ["user.add", "key.rotate", "user.remove"][usize::from(dice.roll(3))]
                        .to_owned(),
                    object: n.to_string(),
                    detail: Vec::new(),
                });
                log.note(event).await.unwrap();
            }
            2 => {
                let success = dice.roll(2) == 0;
                let reason = (!success).then(|| "wrong-password".to_owned());
                let sid = person(dice.roll(6));
                let sign_in = SignIn { sid, success, reason, address: None };
                log.note(Event::SignIn(sign_in)).await.unwrap();
            }
            _ => open.push(log.intend(call).await.unwrap().1),
        }
        if open.len() > 40 {
            let call = open.remove(usize::from(dice.roll(20)));
            let found = usize::from(dice.roll(12));
            let findings = KINDS.get(found).map(|kind| finding(kind)).into_iter().collect();
            let completion = [Completion::Answered, Completion::ToolError][usize::from(n % 7 == 0)];
            call.conclude(Conclusion { findings, ..end(completion) }).unwrap();
        }
    }
    drop(open);
    (log, clock)
}

/// What should be answered, by the words of the question alone.
fn expected(all: &[Entry], query: &Query) -> Vec<Entry> {
    let mut halves: HashMap<u64, (Option<&Intent>, Option<&Conclusion>)> = HashMap::new();
    for entry in all {
        match &entry.event {
            Event::Intent(intent) => halves.entry(entry.sequence).or_default().0 = Some(intent),
            Event::Outcome(end) => halves.entry(end.intent).or_default().1 = Some(end),
            _ => {}
        }
    }
    let matches = |entry: &&Entry| {
        let whom = match &entry.event {
            Event::Intent(_) => call_matches(halves[&entry.sequence], query),
            Event::Outcome(end) => call_matches(halves[&end.intent], query),
            event => other_matches(event, query),
        };
        whom && query.since.is_none_or(|since| entry.at >= since)
            && query.until.is_none_or(|until| entry.at < until)
            && (query.kinds.is_empty() || query.kinds.contains(&EventKind::of(&entry.event)))
    };
    let mut found: Vec<Entry> = all.iter().filter(matches).cloned().collect();
    match query.keep {
        Keep::Newest => drop(found.drain(..found.len().saturating_sub(query.limit))),
        Keep::Oldest => found.truncate(query.limit),
    }
    found
}

fn any<T: PartialEq>(wanted: &[T], are: &[T]) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| are.contains(one))
}

fn call_matches((intent, end): (Option<&Intent>, Option<&Conclusion>), query: &Query) -> bool {
    let intent = intent.unwrap();
    let text = |text: &str| text.to_owned();
    let found = intent.findings.iter().chain(end.iter().flat_map(|end| &end.findings));
    let found: Vec<String> = found
        .flat_map(|found| [text(&found.kind), format!("{}:{}", found.kind, found.action)])
        .collect();
    let completion = end.map(|end| serde_json::to_value(end.completion).unwrap());
    let completion: Vec<String> =
        completion.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    any(&query.persons, std::slice::from_ref(&intent.sid))
        && any(&query.upstreams, std::slice::from_ref(&intent.upstream))
        && any(&query.tools, &[intent.name.clone(), format!("{}:{}", intent.upstream, intent.name)])
        && any(&query.decisions, std::slice::from_ref(&intent.decision))
        && any(&query.rules, &intent.rules)
        && any(&query.findings, &found)
        && any(&query.completions, &completion)
        && query.acts.is_empty()
        && query.sign_ins.is_empty()
}

fn other_matches(event: &Event, query: &Query) -> bool {
    let calls = [&query.upstreams, &query.tools, &query.decisions, &query.rules];
    let calls = calls.iter().all(|list| list.is_empty());
    let about_calls = !calls || !query.findings.is_empty() || !query.completions.is_empty();
    let (sid, acts, sign_ins) = match event {
        Event::Administration(act) => {
            let family = act.act.split('.').next().unwrap().to_owned();
            (Some(&act.sid), vec![act.act.clone(), family], Vec::new())
        }
        Event::SignIn(sign_in) => {
            let word = if sign_in.success { "success" } else { "failure" };
            let words = sign_in.reason.iter().cloned().chain([word.to_owned()]).collect();
            (Some(&sign_in.sid), Vec::new(), words)
        }
        _ => (None, Vec::new(), Vec::new()),
    };
    let sid: Vec<_> = sid.into_iter().cloned().collect();
    !about_calls
        && any(&query.persons, &sid)
        && any(&query.acts, &acts)
        && any(&query.sign_ins, &sign_ins)
}

fn questions() -> Vec<(String, Query)> {
    let all = || Query { limit: usize::MAX, ..Query::default() };
    let text = |text: &str| vec![text.to_owned()];
    let at = |seconds| Some(NOW.after(Duration::from_secs(seconds)));
    let mut questions = vec![
        ("everything", all()),
        ("person", Query { persons: vec![person(2)], ..all() }),
        ("two persons", Query { persons: vec![person(2), person(4)], ..all() }),
        ("nobody", Query { persons: vec![person(77)], ..all() }),
        ("tool", Query { tools: text("지우다"), ..all() }),
        ("escaped tool", Query { tools: text("send \"now\""), ..all() }),
        ("tool of an upstream", Query { tools: text("crm:read"), ..all() }),
        ("upstream", Query { upstreams: text("crm"), ..all() }),
        ("denied", Query { decisions: text("deny"), ..all() }),
        ("rule", Query { rules: text("rule 1"), ..all() }),
        ("finding", Query { findings: text("KR_RRN"), ..all() }),
        ("finding and action", Query { findings: text("EMAIL_ADDRESS:mask"), ..all() }),
        (
            "ends with findings",
            Query { findings: text("PHONE_NUMBER"), kinds: vec![EventKind::Outcome], ..all() },
        ),
        (
            "begins with findings",
            Query { findings: text("PHONE_NUMBER"), kinds: vec![EventKind::Intent], ..all() },
        ),
        ("completion", Query { completions: text("tool-error"), ..all() }),
        ("act", Query { acts: text("key.rotate"), ..all() }),
        ("family of acts", Query { acts: text("user"), persons: vec![person(1)], ..all() }),
        ("failed sign-in", Query { sign_ins: text("failure"), ..all() }),
        ("reason", Query { sign_ins: text("wrong-password"), persons: vec![person(3)], ..all() }),
        ("kinds", Query { kinds: vec![EventKind::SignIn, EventKind::Log], ..all() }),
        ("period", Query { since: at(4_000), until: at(5_500), ..all() }),
        (
            "period of findings",
            Query { since: at(4_000), until: at(5_500), findings: text("KR_RRN"), ..all() },
        ),
        (
            "together",
            Query {
                persons: vec![person(1)],
                upstreams: text("files"),
                findings: vec!["EMAIL_ADDRESS".to_owned(), "KR_RRN".to_owned()],
                since: at(5_000),
                ..all()
            },
        ),
    ];
    let narrow: Vec<_> = questions.clone();
    questions.extend(narrow.iter().map(|(name, q)| (*name, Query { limit: 7, ..q.clone() })));
    let newest: Vec<(String, Query)> =
        questions.into_iter().map(|(name, query)| (name.to_owned(), query)).collect();
    let oldest = newest.iter().map(|(name, query)| {
        (format!("oldest {name}"), Query { keep: Keep::Oldest, ..query.clone() })
    });
    newest.iter().cloned().chain(oldest).collect()
}

fn check(data: &Path, why: &str) {
    let all = entries(&data.join("audit"));
    for (number, (name, query)) in questions().into_iter().enumerate() {
        let answer = query.run(data).unwrap();
        assert!(answer.problems.is_empty(), "{why}: {name}: {:?}", answer.problems);
        let found: Vec<Entry> = answer.records.into_iter().map(|record| record.entry).collect();
        let expected = expected(&all, &query);
        let places = |entries: &[Entry]| -> Vec<u64> {
            entries.iter().map(|entry| entry.sequence).collect()
        };
        assert_eq!(places(&found), places(&expected), "{why}: {name}, at most {}", query.limit);
        assert_eq!(found, expected, "{why}: {name}");
        let by_index = number % 2 == 0;
        let found = streamed(data, &Query { by_index, ..query });
        assert_eq!(places(&found), places(&expected), "{why}: {name}, by index: {by_index}");
    }
}

/// The same answer piece by piece, oldest first.
fn streamed(data: &Path, query: &Query) -> Vec<Entry> {
    let mut stream = query.stream(data).unwrap();
    let mut found = Vec::new();
    loop {
        let piece = stream.next_piece(97);
        assert!(piece.len() <= 97);
        if piece.is_empty() {
            break;
        }
        found.extend(piece.into_iter().map(|record| record.entry));
    }
    let problems = stream.take_problems();
    assert!(problems.is_empty(), "{problems:?}");
    if query.keep == Keep::Newest {
        found.reverse();
    }
    found
}

fn indexes(data: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(data.join("audit/index")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn segments(data: &Path) -> usize {
    fs::read_dir(data.join("audit/segments"))
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "seg"))
        .count()
}

#[tokio::test]
async fn every_question_is_answered_as_by_reading_everything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, _) = log_of_everything(data, 7).await;
    check(data, "beside a writer");
    assert!(segments(data) >= 4, "{}", segments(data));
    log.close().await;
    check(data, "with indexes");
    fs::remove_dir_all(data.join("audit/index")).unwrap();
    check(data, "without");
    assert_eq!(indexes(data).len(), segments(data) - 1, "made by whoever needs them first");
    // Nothing can be written where a file stands in the directory's place.
    fs::remove_dir_all(data.join("audit/index")).unwrap();
    fs::write(data.join("audit/index"), "").unwrap();
    check(data, "where none can be kept");
}

#[tokio::test]
async fn a_damaged_index_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, _) = log_of_everything(data, 7).await;
    log.close().await;
    let everything = Query { limit: usize::MAX, ..Query::default() };
    everything.run(data).unwrap();
    let questions = questions();
    let (all, files) = (entries(&data.join("audit")), indexes(data));
    let mut dice = Dice(SeededEntropy::new(11));
    for turn in 0..100_usize {
        let file = &files[usize::from(dice.roll(u8::try_from(files.len()).unwrap()))];
        let mut bytes = fs::read(file).unwrap();
        let place = (usize::from(dice.roll(255)) << 8 | usize::from(dice.roll(255))) % bytes.len();
        match turn % 4 {
            0 => bytes.truncate(place),
            1 => bytes.extend_from_slice(&[0; 3]),
            _ => bytes[place] ^= 1 << dice.roll(8),
        }
        fs::write(file, bytes).unwrap();
        let (name, query) = &questions[(turn * 7) % questions.len()];
        let answer = query.run(data).unwrap();
        assert!(answer.problems.is_empty(), "{name}: {:?}", answer.problems);
        let found: Vec<Entry> = answer.records.into_iter().map(|record| record.entry).collect();
        assert_eq!(found, expected(&all, query), "{name} after damage {turn}");
        assert_eq!(streamed(data, query), found, "{name}, piece by piece, after damage {turn}");
    }
}

#[tokio::test]
async fn the_index_of_another_segment_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, _) = log_of_everything(data, 7).await;
    log.close().await;
    check(data, "first");
    let files = indexes(data);
    fs::copy(&files[1], &files[0]).unwrap();
    check(data, "with the index of the next one");
    // The same numbers, other entries: what another log's index says of this one is nothing.
    let other = tempfile::tempdir().unwrap();
    let (log, _) = log_of_everything(other.path(), 8).await;
    log.close().await;
    check(other.path(), "another log");
    fs::copy(&indexes(other.path())[0], &files[0]).unwrap();
    check(data, "with the indexes of another log");
}

#[tokio::test]
async fn a_damaged_segment_is_reported_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, _) = log_of_everything(data, 7).await;
    log.close().await;
    let all = entries(&data.join("audit"));
    let mut paths: Vec<_> =
        fs::read_dir(data.join("audit/segments")).unwrap().map(|f| f.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    paths.sort();
    let mut bytes = fs::read(&paths[1]).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&paths[1], bytes).unwrap();
    let _ = fs::remove_dir_all(data.join("audit/index"));
    let everything = Query { limit: usize::MAX, ..Query::default() };
    let answer = everything.run(data).unwrap();
    assert_eq!(answer.problems.len(), 1, "{:?}", answer.problems);
    assert!(answer.problems[0].1.to_string().contains("is damaged at byte"));
    let sequences: Vec<u64> = answer.records.iter().map(|record| record.entry.sequence).collect();
    assert!(sequences.contains(&0) && sequences.contains(&all.last().unwrap().sequence));
    assert!(sequences.len() < all.len());
    for by_index in [true, false] {
        let mut stream = Query { by_index, ..everything.clone() }.stream(data).unwrap();
        let count = std::iter::from_fn(|| Some(stream.next_piece(100)).filter(|it| !it.is_empty()));
        assert_eq!(count.map(|piece| piece.len()).sum::<usize>(), sequences.len());
        assert_eq!(stream.take_problems().len(), 1);
    }
    assert!(indexes(data).iter().all(|file| file.file_stem() != paths[1].file_stem()));
}

#[tokio::test]
async fn the_writer_makes_the_indexes_of_full_segments() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, _) = log_of_everything(data, 7).await;
    let begun = Instant::now();
    while indexes(data).len() + 1 < segments(data) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", indexes(data));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    log.close().await;
    // Of a segment that is gone nothing stays.
    let stray = data.join("audit/index/00000000000099999999.idx");
    fs::write(&stray, "x").unwrap();
    let (log, _) = open_at(&data.join("audit"), Arc::new(ManualClock::at(Timestamp(NOW.0 * 2))));
    let begun = Instant::now();
    while stray.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    log.close().await;
}

#[tokio::test]
async fn an_end_that_matches_brings_its_intent_along_when_followed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = open_at(&data.join("audit"), clock);
    let (_, before) = log.intend(intent("before")).await.unwrap();
    let query = Query { findings: vec!["KR_RRN".to_owned()], ..Query::default() };
    let mut follow = query.follow(data);
    assert!(follow.next_batch().unwrap().records.is_empty());
    let (_, after) = log.intend(intent("after")).await.unwrap();
    assert!(follow.next_batch().unwrap().records.is_empty());
    for call in [before, after] {
        let findings = vec![finding("KR_RRN")];
        call.conclude(Conclusion { findings, ..end(Completion::Answered) }).unwrap();
        let records = follow.next_batch().unwrap().records;
        let kinds: Vec<_> = records.iter().map(|r| EventKind::of(&r.entry.event)).collect();
        assert_eq!(kinds, [EventKind::Intent, EventKind::Outcome]);
    }
}
