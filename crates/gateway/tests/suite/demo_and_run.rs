//! First contact, and the guard inside a client's settings.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::home::{HAECHI, Home, Said, children_of, end, eventually};

/// A printed command, pasted into another terminal.
fn paste(command: &str) -> Said {
    Said::of(&Command::new("sh").args(["-c", command]).env("LANG", "C.UTF-8").output().unwrap())
}

#[test]
fn the_demo_s_three_commands_do_what_they_say() {
    let home = Home::empty();
    let folder = home.path("a folder");
    let folder = folder.to_str().unwrap();
    let mut command =
        home.command(&["demo", "--json", "--address", "127.0.0.1:0", "--dir", folder]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    let mut reader = BufReader::new(demo.stdout.take().unwrap());
    let mut text = String::new();
    let told: Value = loop {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "{text}");
        if let Ok(told) = serde_json::from_str(&text) {
            break told;
        }
    };
    let commands: Vec<&str> = told["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["command"].as_str().unwrap())
        .collect();
    let permitted = paste(commands[0]);
    assert!(permitted.code == Some(0) && permitted.out.contains("Seoul"), "{permitted:?}");
    let refused = paste(commands[1]);
    assert!(refused.code == Some(1) && refused.err.contains("no rule permits"), "{refused:?}");
    let record = paste(commands[2]);
    for word in ["sample:get_weather", "permit", "sample:admin_system_status", "deny"] {
        assert!(record.out.contains(word), "{record:?}");
    }
    let fresh = |person: &str, tool: &str| {
        let file = format!("{folder}/{person}.token");
        let url = told["url"].as_str().unwrap();
        home.run(&["call", url, tool, r#"{"user_id":"u-1002"}"#, "--token-file", &file]).code
    };
    assert_eq!(fresh("admin", "delete_user_data"), Some(0));
    assert_eq!(fresh("guest", "delete_user_data"), Some(1));
    let pid = demo.id();
    assert!(!children_of(pid).is_empty(), "the sample is a real child");
    assert_eq!(end(&mut demo), Some(0));
    assert!(home.path("a folder/haechi.toml").exists());
}

#[test]
fn the_demo_s_text_names_people_commands_and_clients() {
    let home = Home::empty();
    let mut command = home.command(&["demo", "--address", "127.0.0.1:0", "--lang", "ko"]);
    command.env("TMPDIR", home.folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
    }
    for word in ["admin", "user", "guest", "Claude Desktop", "VS Code", "Inspector", "해치"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(end(&mut demo), Some(0));
    let left: Vec<_> = std::fs::read_dir(home.folder.path()).unwrap().collect();
    assert!(left.is_empty(), "the temporary folder is gone: {left:?}");
}

/// Speaks lines with `haechi run` and reads as many answers as there are requests.
fn converse(
    home: &Home,
    arguments: &[&str],
    environment: &[(&str, &str)],
    lines: &[&str],
) -> Vec<Value> {
    let mut command = home.command(arguments);
    command.envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    let wanted = lines.iter().filter(|line| line.contains("\"id\"")).count();
    let output = BufReader::new(child.stdout.take().unwrap());
    let messages =
        output.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let answers: Vec<Value> =
        messages.filter(|message| message.get("id").is_some()).take(wanted).collect();
    drop(input);
    let ended = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(ended.success(), "{err}");
    assert!(eventually(|| children_of(child.id()).is_empty()));
    answers
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const WEATHER: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Seoul"}}}"#;

#[test]
fn run_without_settings_is_owned_and_recorded() {
    let home = Home::empty();
    let answers =
        converse(&home, &["run", "--", HAECHI, "sample-server"], &[], &[HELLO, READY, WEATHER]);
    assert!(answers[1]["result"]["content"].is_array(), "{answers:?}");
    let log = home.good(&["audit", "query", "--tool", "get_weather"]).out;
    assert!(log.contains("run-haechi-") && log.contains("role owner allow"), "{log}");
    assert!(home.good(&["run", "--print-policy"]).out.contains("owner"));
}

#[test]
fn a_log_of_run_that_was_changed_is_repaired_by_its_name() {
    let home = Home::empty();
    let arguments = ["run", "--", HAECHI, "sample-server"];
    converse(&home, &arguments, &[], &[HELLO, READY, WEATHER]);
    let segment = home.path("data/run/haechi/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(11).position(|window| window == b"get_weather").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    // Settings that lie in the present folder are the gateway's, and not this log's.
    home.write_settings("[audit]\norigin = \"other.example/audit\"\n");
    let refused = home.run(&arguments);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let command = "haechi audit repair --log run/haechi --accept-loss";
    assert!(refused.err.contains(command), "{refused:?}");
    let looked = home.run(&["audit", "repair", "--log", "run/haechi"]);
    assert!(looked.code == Some(1) && looked.out.contains(command), "{looked:?}");
    assert_eq!(home.run(&["audit", "repair", "--log", "run/other"]).code, Some(2));
    home.good(&["audit", "repair", "--log", "run/haechi", "--accept-loss"]);
    let verified = home.good(&["audit", "verify", "--log", "run/haechi"]).out;
    assert!(verified.contains("lost entries (generation:1"), "{verified}");
    let again = converse(&home, &arguments, &[], &[HELLO, READY, WEATHER]);
    assert!(again[1]["result"].is_object(), "{again:?}");
}

#[test]
fn run_with_settings_permits_what_they_say() {
    let home = Home::with_sample("[roles.owner]\nallow = [\"sample:secure_*\"]\n");
    let arguments = ["run", "--config", "haechi.toml", "--name", "sample"];
    let answers = converse(&home, &arguments, &[], &[HELLO, READY, WEATHER]);
    assert!(answers[1]["error"].is_object(), "no rule means no: {answers:?}");
}

#[test]
fn run_with_a_token_is_whoever_it_says() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    home.add_user("kim", "user", "correct horse battery");
    home.serve();
    home.login("kim", "correct horse battery");
    let token = std::fs::read_to_string(home.path("kim.token")).unwrap();
    let arguments =
        ["run", "--config", "haechi.toml", "--name", "sample", "--token-env", "MY_TOKEN"];
    let lines = [HELLO, READY, WEATHER];
    let answers = converse(&home, &arguments, &[("MY_TOKEN", token.trim())], &lines);
    assert!(answers[1]["result"].is_object(), "{answers:?}");
    home.good(&["user", "disable", "kim"]);
    let answers = converse(&home, &arguments, &[("MY_TOKEN", token.trim())], &[HELLO]);
    assert!(answers[0]["error"].is_object(), "{answers:?}");
}
