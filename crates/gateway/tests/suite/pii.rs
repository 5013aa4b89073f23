//! Personal data and secrets in files, by the command line.

use serde_json::Value;

use crate::home::{Home, Said};

const LETTER: &str = "Dear Ms Kim,\nwrite to jane.roe@mail-provider.net or call +1 415 555 2671.\n\
    주민번호는 900101-1234568 입니다. Again: jane.roe@mail-provider.net\n";
const VALUES: [&str; 2] = ["jane.roe@mail-provider.net", "900101-1234568"];

fn home() -> Home {
    let home = Home::empty();
    home.write("letter.txt", LETTER);
    home.write("clean.txt", "The meeting is about the colour of the bridge.\n");
    home
}

/// Each line of the output as JSON.
fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

fn part(text: &str, finding: &Value) -> String {
    let place = |name: &str| usize::try_from(finding[name].as_u64().unwrap()).unwrap();
    text.chars().skip(place("start")).take(place("end") - place("start")).collect()
}

#[test]
fn a_scan_tells_kinds_and_places_and_no_value() {
    let home = home();
    let said = home.run(&["pii", "scan", "letter.txt"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("EMAIL_ADDRESS") && said.out.contains("letter.txt:2:10"), "{said:?}");
    assert!(said.out.contains("KR_RRN") && said.out.contains("in 1 of 1 file"), "{said:?}");
    assert!(!VALUES.iter().any(|value| said.out.contains(value)), "{said:?}");
    let said = home.run(&["pii", "scan", "letter.txt", "--show", "--explain"]);
    assert!(VALUES.iter().all(|value| said.out.contains(value)), "{said:?}");
    assert!(said.out.contains("word \"주민번호\" near it"), "{said:?}");
    let said = home.good(&["pii", "scan", "clean.txt"]);
    assert_eq!(said.out, "nothing was found in 1 file\n");
}

#[test]
fn findings_count_in_code_points() {
    let home = home();
    let said = home.run(&["pii", "scan", "letter.txt", "--json", "--only", "kr_rrn", "--explain"]);
    let found = lines(&said);
    assert_eq!(kinds(&found), ["KR_RRN"], "{said:?}");
    assert_eq!(part(LETTER, &found[0]), "900101-1234568");
    assert_eq!((&found[0]["line"], &found[0]["file"]), (&3.into(), &"letter.txt".into()));
    assert_eq!(found[0]["evidence"]["context"], "주민번호");
    assert!(found[0].get("value").is_none());
}

#[test]
fn json_is_looked_through_leaf_by_leaf() {
    let home = Home::empty();
    let text = r#"{ "고객": {"note": "메일: jane.roe@mail-provider.net"}, "ssn": "078-05-1121",
        "jane.roe@mail-provider.net": [ 1 ] }"#;
    home.write("answer.json", text);
    let said = home.run(&["pii", "scan", "answer.json", "--json", "--no-names"]);
    let found = lines(&said);
    let places: Vec<(&str, bool)> = found
        .iter()
        .map(|it| (it["path"].as_str().unwrap(), it["in_name"].as_bool().unwrap_or_default()))
        .collect();
    assert!(places.contains(&("/고객/note", false)), "{said:?}");
    assert!(places.contains(&("/jane.roe@mail-provider.net", true)), "{said:?}");
    assert_eq!(part("메일: jane.roe@mail-provider.net", &found[0]), VALUES[0]);

    let redacted = home.good(&["pii", "redact", "answer.json", "--only", "EMAIL_ADDRESS"]);
    let expected = text.replace("jane.roe@mail-provider.net", "[EMAIL_ADDRESS_1]");
    assert_eq!(redacted.out, expected);
}

#[test]
fn documents_of_json_lines_come_out_as_scorers_read_them() {
    let home = Home::empty();
    home.write(
        "documents.jsonl",
        "{\"id\":\"a\",\"text\":\"메일 jane.roe@mail-provider.net\"}\n{\"id\":7,\"text\":\"nothing\"}\n",
    );
    let said = home.run(&["pii", "scan", "documents.jsonl", "--field", "text", "--id", "id"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let documents = lines(&said);
    assert_eq!(documents[0]["id"], "a");
    assert_eq!(documents[0]["spans"][0]["type"], "EMAIL_ADDRESS");
    assert_eq!(
        (&documents[0]["spans"][0]["start"], &documents[0]["spans"][0]["end"]),
        (&3.into(), &29.into())
    );
    assert_eq!(documents[1], serde_json::json!({"id": 7, "spans": []}));
    let counted = home.run(&["pii", "scan", "documents.jsonl", "--field", "text"]);
    assert_eq!(lines(&counted)[1]["id"], 2);
    let without = home.run(&["pii", "scan", "documents.jsonl", "--field", "body"]);
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(without.err.contains("line 1 is no object with a string `body`"), "{without:?}");
}

#[test]
fn lines_are_told_by_number_and_redacted_alike() {
    let home = Home::empty();
    let text = "{\"to\": \"jane.roe@mail-provider.net\"}\n\n{\"to\": \"john.doe@mail-provider.net\", \"n\": 1}\n\
        not JSON: jane.roe@mail-provider.net";
    let said = home.feed(&["pii", "scan", "--json", "--only", "EMAIL_ADDRESS"], text);
    let numbers: Vec<u64> = lines(&said).iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 3, 4], "{said:?}");
    let said = home.feed(&["pii", "redact", "-", "--only", "EMAIL_ADDRESS"], text);
    let expected = text
        .replace("jane.roe@mail-provider.net", "[EMAIL_ADDRESS_1]")
        .replace("john.doe@mail-provider.net", "[EMAIL_ADDRESS_2]");
    assert_eq!((said.code, said.out), (Some(0), expected));
}

#[test]
fn folders_are_looked_through_and_links_and_binaries_left_out() {
    let home = home();
    std::fs::create_dir_all(home.path("letters/old")).unwrap();
    home.write("letters/new.txt", LETTER);
    home.write("letters/old/one.json", r#"{"email": "jane.roe@mail-provider.net"}"#);
    std::fs::write(home.path("letters/picture"), b"\x89PNG\0jane.roe@mail-provider.net").unwrap();
    std::os::unix::fs::symlink(home.path("letter.txt"), home.path("letters/link.txt")).unwrap();
    let said = home.run(&["pii", "scan", "letters", "--json", "--only", "EMAIL_ADDRESS"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let files: Vec<Value> = lines(&said).into_iter().map(|it| it["file"].clone()).collect();
    assert_eq!(files, ["letters/new.txt", "letters/new.txt", "letters/old/one.json"], "{said:?}");
    assert!(said.err.contains("2 left out") && said.err.contains("letters/link.txt"), "{said:?}");

    let said = home.good(&["pii", "redact", "letters", "--output", "clean"]);
    let text = std::fs::read_to_string(home.path("clean/new.txt")).unwrap();
    assert!(text.contains("[EMAIL_ADDRESS_1]") && !text.contains("jane.roe"), "{text} {said:?}");
    let text = std::fs::read_to_string(home.path("clean/old/one.json")).unwrap();
    assert_eq!(text, r#"{"email": "[EMAIL_ADDRESS_1]"}"#);
    assert!(!home.path("clean/link.txt").exists());
    let again = home.run(&["pii", "redact", "letters", "--output", "clean"]);
    assert!(again.code == Some(2) && again.err.contains("is there already"), "{again:?}");
}

#[test]
fn what_cannot_be_read_is_no_clean_file() {
    let home = home();
    std::fs::write(home.path("latin.txt"), b"caf\xe9").unwrap();
    std::fs::write(home.path("binary"), b"\0\x01").unwrap();
    for name in ["latin.txt", "binary", "missing.txt"] {
        let said = home.run(&["pii", "scan", "clean.txt", name]);
        assert!(said.code == Some(2) && said.err.contains(name), "{said:?}");
        assert_eq!(home.run(&["pii", "scan", "letter.txt", name]).code, Some(1));
    }
    let said = home.run(&["pii", "scan", "letter.txt", "--format", "json"]);
    assert!(said.code == Some(2) && said.err.contains("it is not JSON"), "{said:?}");
}

#[test]
fn masks_need_no_keys_and_tokens_do() {
    let home = home();
    let masked =
        home.good(&["pii", "redact", "letter.txt", "--only", "KR_RRN", "--action", "mask:4"]);
    assert!(masked.out.contains("******-***4568"), "{masked:?}");
    for action in ["tokenize", "hash", "generalize:date-shift", "erase"] {
        let said = home.run(&["pii", "redact", "letter.txt", "--action", action]);
        assert!(said.code == Some(2) && said.out.is_empty(), "{said:?}");
    }
}

#[test]
fn rules_are_listed_and_own_patterns_are_run() {
    let home = Home::empty();
    let rules = home.good(&["pii", "rules", "--kind", "KR_RRN", "--json"]).json();
    assert!(rules[0]["kind"] == "KR_RRN" && rules[0]["locale"] == "KR", "{rules}");
    let abroad =
        home.good(&["pii", "rules", "--kind", "KR_RRN", "--json", "--locale", "us"]).json();
    assert_eq!(abroad.as_array().map(Vec::len), Some(0), "{abroad}");

    let pattern = "[pack]\nname = \"ours\"\nlocale = \"*\"\n[[rule]]\nid = \"badge\"\nkind = \"BADGE\"\n\
        patterns = ['BDG-\\d{4}']\nscore = 0.9\npositive = [\"badge {{BDG-1234}}\"]\n";
    home.write("good.toml", pattern);
    home.write("bad.toml", &pattern.replace("{{BDG-1234}}", "{{BDG}}-1234"));
    home.write("plain.json", r#"{"BADGE_NUMBER": ["BDG-[0-9]{4}"]}"#);
    let said = home.good(&["pii", "test", "good.toml", "plain.json"]);
    assert!(said.out.contains("1 rules, 1 examples, 0 failed"), "{said:?}");
    let said = home.run(&["pii", "test", "good.toml", "bad.toml"]);
    assert!(said.code == Some(1) && said.out.contains("rule `badge`"), "{said:?}");
    let found =
        home.feed(&["pii", "scan", "--patterns", "good.toml", "--json"], "It was BDG-0042.");
    assert_eq!(kinds(&lines(&found)), ["BADGE"], "{found:?}");
}
