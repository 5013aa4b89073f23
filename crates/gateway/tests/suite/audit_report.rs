//! Asking the log and reporting on it, from outside.

use std::os::unix::fs::PermissionsExt;

use crate::home::Home;

const PASSWORD: &str = "correct horse battery";
const RULES: &str = "[roles.user]\nallow = [\"sample:get_*\"]\n\n\
                     [privacy]\nenabled = true\narguments = { default = \"mask\" }\n";

/// A gateway that saw permitted calls, one with an address in it, and a denied one, and was stopped.
fn used() -> Home {
    let mut home = Home::with_sample(RULES);
    home.add_user("ada", "user", PASSWORD);
    home.serve();
    home.login("ada", PASSWORD);
    let call = |tool: &str, arguments: &str| {
        let url = home.url("/sample/mcp");
        home.run(&["call", &url, tool, arguments, "--token-file", "ada.token"])
    };
    let permitted = call("get_weather", r#"{"city":"Seoul"}"#);
    assert_eq!(permitted.code, Some(0), "{permitted:?}");
    call("get_weather", r#"{"city":"kim@example.com"}"#);
    let denied = call("customerData", "{}");
    assert_ne!(denied.code, Some(0), "{denied:?}");
    assert_eq!(home.end(), Some(0));
    home
}

#[test]
fn every_condition_finds_what_was_done_and_nothing_else() {
    let home = used();
    let lines = |conditions: &[&str]| {
        let told = home.good(&[&["audit", "query", "--json"], conditions].concat()).out;
        let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        told.lines().map(read).collect::<Vec<_>>()
    };
    let calls = |conditions: &[&str]| {
        let names = lines(conditions).into_iter().filter(|entry| entry["event"] == "intent");
        names.map(|entry| entry["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(calls(&["--decision", "deny"]), ["customerData"]);
    assert_eq!(calls(&["--tool", "sample:get_weather", "--user", "ada"]), ["get_weather"; 2]);
    assert_eq!(calls(&["--tool", "get_weather", "--tool", "customerData"]).len(), 3);
    assert_eq!(calls(&["--outcome", "refused"]), ["customerData"]);
    assert_eq!(calls(&["--method", "tools/call", "--oldest", "--limit", "1"]), ["get_weather"]);
    assert_eq!(calls(&["--finding", "EMAIL_ADDRESS"]), ["get_weather"]);
    assert_eq!(calls(&["--finding", "EMAIL_ADDRESS:mask", "--user", "ada"]), ["get_weather"]);
    assert!(calls(&["--finding", "KR_RRN"]).is_empty());
    assert!(calls(&["--until", "1970-01-02"]).is_empty());
    assert!(!lines(&["--act", "user.add"]).is_empty());
    assert!(lines(&["--act", "user"]).len() >= lines(&["--act", "user.add"]).len());
    assert!(lines(&["--sign-in", "success"]).iter().all(|entry| entry["event"] == "sign-in"));
    // Oldest and newest first.
    let times = |conditions: &[&str]| {
        lines(conditions).iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let mut reversed = times(&[]);
    reversed.reverse();
    assert_eq!(times(&["--newest"]), reversed);
}

#[test]
fn a_table_says_when_there_is_more_and_csv_opens_anywhere() {
    let home = used();
    let cut = home.good(&["audit", "query", "--limit", "2"]);
    assert!(cut.err.contains("the newest 2 entries; `--limit` shows more"), "{cut:?}");
    let whole = home.good(&["audit", "query"]);
    assert!(!whole.err.contains("--limit"), "{whole:?}");
    let korean = home.good(&["--lang", "ko", "audit", "query", "--limit", "2"]);
    assert!(korean.err.contains("가장 새로운 2건"), "{korean:?}");

    home.good(&["audit", "query", "--csv", "--names", "--output", "log.csv"]);
    let mode = std::fs::metadata(home.path("log.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = home.run(&["audit", "query", "--csv", "--output", "log.csv"]);
    assert_eq!(again.code, Some(2), "nothing is written over: {again:?}");
    let text = std::fs::read_to_string(home.path("log.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let heads = csv.headers().unwrap().clone();
    assert_eq!(heads.get(0), Some("time"));
    let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let row = rows.iter().find(|row| row.get(column("tool")) == Some("get_weather")).unwrap();
    assert_eq!(row.get(column("name")), Some("ada"));
    assert_eq!(row.get(column("outcome")), Some("answered"));
    for cell in rows.iter().flatten().filter(|cell| cell.parse::<i64>().is_err()) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
}

#[test]
fn a_report_says_what_happened_in_both_languages_and_opens_names_only_when_asked() {
    let home = used();
    let month = ["audit", "report", "--from", "30d"];
    let html = home.good(&[&month[..], &["-o", "report.html"]].concat());
    assert!(html.out.is_empty(), "{html:?}");
    let html = std::fs::read_to_string(home.path("report.html")).unwrap();
    for part in
        ["<svg", "sample:get_weather", "refused", "EMAIL_ADDRESS mask", "user.add", "Verifier key"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains("Every entry is the one that was signed."), "{html}");
    for never in ["<script", "http://", "https://", "src=", "@import"] {
        assert!(!html.contains(never), "{never}");
    }
    // As a word: digests in hexadecimal may well have these letters.
    assert!(!html.split(|char: char| !char.is_alphanumeric()).any(|word| word == "ada"));
    let korean = home.good(&[&["--lang", "ko"], &month[..]].concat()).out;
    assert!(korean.contains("<html lang=\"ko\">") && korean.contains("감사 보고서"));
    let named = home.good(&[&month[..], &["--format", "markdown", "--names"]].concat()).out;
    assert!(named.starts_with("# Audit report") && named.contains("ada"), "{named}");
    let acts = home.good(&["audit", "query", "--act", "audit.names", "--json"]).out;
    assert_eq!(acts.lines().count(), 2, "asked and done: {acts}");

    let backwards = home.run(&["audit", "report", "--from", "1h", "--to", "2h"]);
    assert_eq!(backwards.code, Some(2), "{backwards:?}");
    // A changed entry is named, and the exit code says so.
    let segment = home.path("data/audit/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(11).position(|window| window == b"get_weather").unwrap();
    bytes[place] = b'G';
    std::fs::write(&segment, bytes).unwrap();
    let changed = home.run(&month);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.out.contains("The log was changed."));
}
