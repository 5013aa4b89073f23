//! Entries as they leave: whatever stands in an entry, the record reads back with a reader of its
//! own here, and nothing breaks out of its field.

use std::collections::BTreeMap;

use haechi_audit::Entry;
use haechi_audit::export::{Encoder, Format, Head, Line, Outgoing, otlp_request};
use haechi_core::{
    Administration, Commitment, Completion, Event, FindingCount, Opening, OpeningKind,
    ParameterName, Reveal, Sealed, SignIn, TokenAct, TokenActKind,
};
use haechi_core::{Era, Means};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{NOW, end, intent, person};

const ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// Text that tries to leave its field.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        Just("|".to_owned()),
        Just("\\".to_owned()),
        Just("=".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("\u{85}".to_owned()),
        Just("\u{0}\u{1b}[2J".to_owned()),
        Just("\"".to_owned()),
        Just("]".to_owned()),
        Just(" act=permit".to_owned()),
        Just("] [evil@1 a=\"b\"".to_owned()),
        Just("\nCEF:0|a|b|c|d|e|1|x=y".to_owned()),
        Just("한국어".to_owned()),
        Just("\\\" ]\\=".to_owned()),
    ];
    vec(pieces, 0..5).prop_map(|pieces| pieces.concat())
}

fn findings() -> impl Strategy<Value = Vec<FindingCount>> {
    let one = (text(), text(), any::<u32>(), text()).prop_map(|(kind, path, count, action)| {
        FindingCount { kind: kind.into(), path, count, action: action.into() }
    });
    vec(one, 0..3)
}

fn event() -> impl Strategy<Value = Event> {
    let calls = (vec(text(), 10), vec(text(), 0..3), findings(), any::<bool>(), any::<u64>());
    let call = calls.prop_map(|(texts, rules, findings, permit, number)| {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        let mut call = intent(&next());
        call.method = next();
        call.upstream = next();
        call.route = next();
        call.decision = if permit { "permit".to_owned() } else { next() };
        call.stage = Some(next());
        call.client_id = Some(next());
        call.trace_id = Some(next());
        call.who = Some(Sealed("c2VhbGVk-who".to_owned()));
        call.address = Some(Sealed("c2VhbGVk-address".to_owned()));
        call.client = Some(Sealed("c2VhbGVk-client".to_owned()));
        let commitment = Some(Commitment("Y29tbWl0bWVudA".to_owned()));
        call.parameters = vec![ParameterName { name: next(), commitment }];
        call.rules = rules.clone();
        call.roles = rules;
        call.findings = findings;
        call.request_bytes = number;
        Event::Intent(call)
    });
    let outcome =
        (findings(), any::<i64>(), any::<u64>()).prop_map(|(findings, code, duration_us)| {
            let mut end = end(Completion::Error);
            (end.findings, end.error_code, end.duration_us) = (findings, Some(code), duration_us);
            Event::Outcome(end)
        });
    let act = (text(), text(), vec(text(), 0..3)).prop_map(|(act, object, detail)| {
        Event::Administration(Administration { sid: person(2), act, object, detail })
    });
    let reveal =
        (text(), text(), text(), any::<bool>()).prop_map(|(kind, purpose, reason, success)| {
            Event::Reveal(Reveal {
                sid: person(3),
                kind: kind.into(),
                text: Commitment("Y29tbWl0bWVudA".to_owned()),
                subject: Some(person(4)),
                purpose,
                note: Some(Sealed("c2VhbGVk-note".to_owned())),
                success,
                reason: Some(reason),
            })
        });
    let token = (text(), text(), vec(text(), 0..3), vec(text(), 0..3)).prop_map(
        |(client_id, grant_type, scopes, resources)| {
            Event::Token(TokenAct {
                sid: person(5),
                act: TokenActKind::Issued,
                client_id,
                grant_type,
                scopes,
                resources,
                reason: None,
            })
        },
    );
    let refusals = (text(), text(), any::<u64>()).prop_map(|(route, reason, count)| {
        let prefix = Some("192.0.2.0".parse().unwrap());
        Event::RefusalCount { prefix, route, reason, count, second: 7 }
    });
    let session = text().prop_map(|upstream| {
        Event::Session(Opening {
            kind: OpeningKind::StreamOpened,
            upstream: upstream.into(),
            sid: person(6),
            means: Means::ApiKey,
            era: Era::Legacy,
            address: Some(Sealed("c2VhbGVk-address".to_owned())),
            client: None,
        })
    });
    let sign_in = (text(), any::<bool>()).prop_map(|(reason, success)| {
        let address = Some(Sealed("c2VhbGVk-address".to_owned()));
        Event::SignIn(SignIn { sid: person(7), success, reason: Some(reason), address })
    });
    prop_oneof![4 => call, 1 => outcome, 1 => act, 1 => reveal, 1 => token, 1 => refusals, 1 => session, 1 => sign_in]
}

prop_compose! {
    fn entry()(event in event(), sequence in any::<u32>(), truncated in any::<bool>()) -> Entry {
        let sequence = u64::from(sequence);
        Entry { v: 1, sequence, at: NOW, node: "node.of-1".to_owned(), truncated, event }
    }
}

fn head() -> Head {
    Head { size: 1 << 33, root: ROOT.to_owned() }
}

fn encode(encoder: Encoder, entry: &Entry) -> Vec<String> {
    let (mut lines, head) = (Vec::new(), head());
    let outgoing = Outgoing { log: "run/crm", entry, head: Some(&head) };
    encoder.encode(&outgoing, &mut lines);
    lines.into_iter().map(|line| line.text).collect()
}

fn only(format: Format, entry: &Entry) -> String {
    let mut lines = encode(Encoder::new(format, "1.2.3"), entry);
    assert_eq!(lines.len(), 1);
    lines.pop().unwrap()
}

/// As the formats with short fields write it: without what ends lines.
fn plain(text: &str) -> String {
    let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.replace(ends, "\u{fffd}")
}

/// Reads CEF by its rules: seven fields of a header, then keys and values.
fn read_cef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut header, mut field, mut rest) = (Vec::new(), String::new(), line.chars());
    while header.len() < 7 {
        match rest.next().expect("a header of seven fields") {
            '\\' => field.push(rest.next().unwrap()),
            '|' => header.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    // A key is what stands before an `=` that is not escaped, back to the last space.
    let extension: String = rest.collect();
    let (mut parts, mut part, mut chars) = (Vec::new(), String::new(), extension.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().unwrap() {
                'n' => part.push('\n'),
                'r' => part.push('\r'),
                other => part.push(other),
            },
            '=' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    let mut fields = BTreeMap::new();
    let mut key = parts.remove(0);
    let last = parts.len() - 1;
    for (at, part) in parts.into_iter().enumerate() {
        let (value, next) =
            if at == last { (&*part, "") } else { part.rsplit_once(' ').unwrap_or(("", &part)) };
        assert!(!key.contains(' '), "a key `{key}`");
        assert!(fields.insert(key, value.to_owned()).is_none(), "a key twice");
        key = next.to_owned();
    }
    (header, fields)
}

/// Reads RFC 5424: header, the parameters of the one element, the message.
fn read_syslog(line: &str) -> (Vec<String>, BTreeMap<String, String>, String) {
    let mut parts = line.splitn(7, ' ');
    let header: Vec<String> = parts.by_ref().take(6).map(str::to_owned).collect();
    let rest = parts.next().unwrap();
    let mut chars = rest.strip_prefix("[haechi@32473").unwrap().chars();
    let mut parameters = BTreeMap::new();
    loop {
        match chars.next().unwrap() {
            ']' => break,
            ' ' => {}
            other => panic!("`{other}` between parameters"),
        }
        let name: String = chars.by_ref().take_while(|c| *c != '=').collect();
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ' ' | ']' | '"');
        assert!((1..=32).contains(&name.len()) && name.chars().all(allowed), "{name}");
        assert_eq!(chars.next(), Some('"'));
        let mut value = String::new();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => value.push(chars.next().unwrap()),
                ']' => panic!("a bracket that is not escaped"),
                c => value.push(c),
            }
        }
        assert!(parameters.insert(name, value).is_none());
    }
    assert_eq!(chars.next(), Some(' '));
    (header, parameters, chars.collect())
}

fn no_line_break(line: &str) {
    assert!(!line.contains(['\n', '\r', '\0']), "{line}");
}

/// What an entry has sealed is in no format that says in its own words what an entry says.
fn nothing_sealed(line: &str) {
    assert!(!line.contains("c2VhbGVk"), "{line}");
}

proptest! {
    #[test]
    fn a_json_line_is_the_entry_as_it_was_written_and_what_a_copy_needs(entry in entry()) {
        let line = only(Format::Json, &entry);
        no_line_break(&line);
        let written = serde_json::to_string(&entry).unwrap();
        let start = written.strip_suffix('}').unwrap();
        let added = line.strip_prefix(start).unwrap();
        prop_assert_eq!(added, format!(
            r#","log":"run/crm","id":"{}","checkpoint_size":8589934592,"checkpoint_root":"{ROOT}"}}"#,
            entry.id(),
        ));
        let read: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&read["seq"], entry.sequence);
        prop_assert_eq!(serde_json::from_value::<Entry>(read).unwrap(), entry);
    }

    #[test]
    fn cef_reads_back_and_nothing_breaks_out(entry in entry()) {
        let line = only(Format::Cef, &entry);
        no_line_break(&line);
        nothing_sealed(&line);
        let (header, fields) = read_cef(&line);
        prop_assert_eq!(&header[..4], ["CEF:0", "Haechi", "Haechi", "1.2.3"]);
        prop_assert!(header[6].parse::<u8>().unwrap() <= 10);
        prop_assert_eq!(&fields["cn1"], &entry.sequence.to_string());
        prop_assert_eq!(&fields["cn2"], "8589934592");
        prop_assert_eq!(&fields["externalId"], &entry.id());
        prop_assert_eq!(&fields["rt"], &NOW.as_millis().to_string());
        prop_assert_eq!(&fields["haechiLog"], "run/crm");
        if let Event::Intent(call) = &entry.event {
            let kept = |text: &str| {
                let ends = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
                text.replace(ends, "\u{fffd}").replace(['\u{2028}', '\u{2029}'], "\u{fffd}")
            };
            let texts = [
                ("cs1", &call.upstream), ("cs2", &call.name), ("requestMethod", &call.method),
                ("request", &call.route),
            ];
            for (key, text) in texts {
                // What is empty is left out, or another field of the entry stands there.
                if !text.is_empty() {
                    prop_assert_eq!(&fields[key], &kept(text));
                }
            }
        }
    }

    #[test]
    fn syslog_reads_back_and_nothing_breaks_out(entry in entry()) {
        for (inside, format) in [(Format::Json, Format::Json), (Format::Cef, Format::Cef)] {
            let lines = encode(Encoder::syslog(inside, "1.2.3"), &entry);
            prop_assert_eq!(lines.len(), 1);
            no_line_break(&lines[0]);
            let (header, parameters, message) = read_syslog(&lines[0]);
            let priority = header[0].strip_prefix('<').unwrap().strip_suffix(">1").unwrap();
            let priority: u8 = priority.parse().unwrap();
            prop_assert_eq!(priority / 8, 13);
            prop_assert_eq!(&header[1], &NOW.to_string());
            prop_assert_eq!(&header[2..5], ["node.of-1", "haechi", "-"]);
            prop_assert_eq!(&parameters["seq"], &entry.sequence.to_string());
            prop_assert_eq!(&parameters["checkpoint_size"], "8589934592");
            prop_assert_eq!(&parameters["checkpoint_root"], ROOT);
            if let Event::Intent(call) = &entry.event {
                let stated = |key: &str| parameters.get(key).cloned().unwrap_or_default();
                prop_assert_eq!(stated("upstream"), plain(&call.upstream));
                prop_assert_eq!(stated("tool"), plain(&call.name));
            }
            prop_assert_eq!(message, only(format, &entry));
        }
    }

    #[test]
    fn ocsf_has_what_every_class_requires(entry in entry()) {
        let lines = encode(Encoder::new(Format::Ocsf, "1.2.3"), &entry);
        let found = match &entry.event {
            Event::Intent(call) => !call.findings.is_empty(),
            Event::Outcome(end) => !end.findings.is_empty(),
            _ => false,
        };
        prop_assert_eq!(lines.len(), 1 + usize::from(found));
        for line in &lines {
            no_line_break(line);
            nothing_sealed(line);
            let event: Value = serde_json::from_str(line).unwrap();
            let number = |name: &str| event[name].as_u64().unwrap();
            prop_assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
            prop_assert_eq!(number("category_uid"), number("class_uid") / 1000);
            prop_assert_eq!(number("time"), NOW.as_millis());
            prop_assert_eq!(&event["metadata"]["sequence"], entry.sequence);
            prop_assert_eq!(&event["unmapped"]["checkpoint_size"], 1_u64 << 33);
        }
        if found {
            let uids: Vec<Value> = lines
                .iter()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["uid"].clone())
                .collect();
            prop_assert_ne!(&uids[0], &uids[1]);
        }
    }

    #[test]
    fn ecs_reads_back(entry in entry()) {
        let line = only(Format::Ecs, &entry);
        no_line_break(&line);
        nothing_sealed(&line);
        let read: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&read["event"]["sequence"], entry.sequence);
        prop_assert_eq!(&read["event"]["id"], &entry.id());
        prop_assert_eq!(&read["haechi"]["checkpoint"]["size"], 1_u64 << 33);
        prop_assert_eq!(&read["@timestamp"], &NOW.to_string());
    }

    #[test]
    fn otlp_records_become_one_request(first in entry(), second in entry()) {
        let records: Vec<Line> = [&first, &second]
            .map(|entry| Line { text: only(Format::Otlp, entry), at: NOW })
            .into();
        let request: Value = serde_json::from_str(&otlp_request(&records, "1.2.3")).unwrap();
        let read = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
        prop_assert_eq!(read.len(), 2);
        for (record, entry) in read.iter().zip([&first, &second]) {
            prop_assert_eq!(&record["body"]["stringValue"], &only(Format::Json, entry));
            let nanos = (NOW.as_millis() * 1_000_000).to_string();
            prop_assert_eq!(&record["timeUnixNano"], &nanos);
        }
    }
}

#[test]
fn what_tries_to_break_out_of_its_field_stays_in_it() {
    let attacks = [
        ("a line break", "crm\nCEF:0|Other|Other|1|x|forged|10|act=permit"),
        ("a key of the extension", "crm act=permit suid=root"),
        ("a bar", "crm|10|act=permit"),
        ("a backslash at the end", "crm\\"),
        ("the end of an element", "crm\"] [forged@1 outcome=\"success\""),
        ("a terminal's command", "crm\u{1b}[2J\u{7}"),
        ("a separator of lines", "crm\u{2028}forged"),
    ];
    for (attack, name) in attacks {
        for (name, attacked) in [("crm", false), (name, true)] {
            let event = Event::Intent(intent(name));
            let entry = Entry {
                v: 1,
                sequence: 7,
                at: NOW,
                node: "test".to_owned(),
                truncated: false,
                event,
            };
            let (_, fields) = read_cef(&only(Format::Cef, &entry));
            assert_eq!(fields["act"], "permit", "{attack}");
            assert_eq!(fields["suid"], person(1).to_string(), "{attack}");
            assert_eq!(fields["cs2"] == "crm", !attacked, "{attack}");
            let wrapped = encode(Encoder::new(Format::Syslog, "1.2.3"), &entry);
            let (_, parameters, _) = read_syslog(&wrapped[0]);
            assert_eq!(parameters["tool"], plain(name), "{attack}");
            assert_eq!(parameters["outcome"], "success", "{attack}");
        }
    }
}
