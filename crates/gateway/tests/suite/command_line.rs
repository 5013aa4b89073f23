//! What people type, and what comes of it.

use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, eventually};

const PASSWORD: &str = "correct horse battery";

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_newcomer_comes_from_nothing_to_a_recorded_call() {
    let mut home = Home::empty();
    let made = home.feed(&["init", "--username", "ada", "--password-file", "-"], PASSWORD);
    assert_eq!(made.code, Some(0), "{made:?}");
    let again = home.feed(&["init", "--username", "ada", "--password-file", "-"], PASSWORD);
    assert_eq!(again.code, Some(1), "{again:?}");
    let written = std::fs::read_to_string(home.path("haechi.toml")).unwrap();
    let program = serde_json::Value::from(crate::home::HAECHI).to_string();
    let upstream =
        format!("\n[[upstream]]\nname = \"sample\"\ncommand = [{program}, \"sample-server\"]\n");
    let listen = format!("address = \"{}\"", home.address);
    home.write(
        "haechi.toml",
        &(written.replace("address = \"127.0.0.1:8787\"", &listen) + &upstream),
    );

    let checked = home.good(&["check", "--json"]).json();
    assert_eq!(checked["upstreams"][0]["tools"], 5, "{checked}");
    assert_eq!(checked["ok"], true);
    home.serve();
    home.login("ada", PASSWORD);
    assert_eq!(mode(&home.path("ada.token")), 0o600);
    let call = home.good(&[
        "call",
        &home.url("/sample/mcp"),
        "get_weather",
        r#"{"city":"Seoul"}"#,
        "--token-file",
        "ada.token",
    ]);
    assert!(call.out.contains("Seoul"), "{call:?}");
    assert_eq!(home.end(), Some(0));
    let log = home.good(&["audit", "query", "--tool", "sample:get_weather", "--names"]);
    assert!(log.out.contains("ada") && log.out.contains("permit") && log.out.contains("answered"));
    let opened = home.good(&["audit", "query", "--event", "administration"]);
    assert!(opened.out.contains("audit.names"), "{opened:?}");
}

#[test]
fn a_client_is_added_shown_recorded_and_removed_with_and_without_a_gateway() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    let add = ["client", "add", "Claude Code", "--redirect-uri", "http://127.0.0.1/callback"];
    let public = home.good(&[&add[..], &["--client-id", "claude", "--json"]].concat()).json();
    assert_eq!(public["client_id"], "claude");
    assert_eq!(public["metadata"]["token_endpoint_auth_method"], "none");
    assert!(public.get("client_secret").is_none(), "{public}");
    assert_eq!(home.run(&[&add[..], &["--client-id", "claude"]].concat()).code, Some(1));

    home.serve();
    let report = ["client", "add", "Night report", "--confidential", "--role", "reporter"];
    let made = home.good(&[&report[..], &["--json", "--output", "report.secret"]].concat());
    let client_id = made.json()["client_id"].as_str().unwrap().to_owned();
    let secret = std::fs::read_to_string(home.path("report.secret")).unwrap();
    assert!(secret.starts_with("hcs_") && secret.trim().len() == 68);
    assert!(!made.out.contains(secret.trim()));
    assert_eq!(mode(&home.path("report.secret")), 0o600);

    let listed = home.good(&["client", "list"]).out;
    assert!(listed.contains("claude") && listed.contains(&client_id), "{listed}");
    let shown = home.good(&["client", "show", &client_id]).out;
    assert!(shown.contains("client_credentials") && shown.contains("reporter"), "{shown}");
    assert!(!shown.contains(secret.trim()));
    home.good(&["client", "remove", &client_id]);
    assert_eq!(home.run(&["client", "remove", &client_id]).code, Some(1));
    assert_eq!(home.run(&["client", "show", &client_id]).code, Some(1));

    let log = home.good(&["audit", "query", "--event", "administration", "--json"]).out;
    assert!(log.contains("client.add") && log.contains("client.remove"), "{log}");
    assert!(log.contains(&client_id) && !log.contains(secret.trim()));
}

#[test]
fn a_client_that_could_be_misused_is_not_added() {
    let home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    let good = ["client", "add", "App", "--redirect-uri", "https://app.example/cb"];
    home.good(&good);
    let bad: [&[&str]; 6] = [
        &["client", "add", "App", "--redirect-uri", "http://app.example/cb"],
        &["client", "add", "App", "--redirect-uri", "https://*.example/cb"],
        &["client", "add", "App", "--redirect-uri", "javascript:alert(1)"],
        &["client", "add", "A\u{202e}pp", "--redirect-uri", "https://app.example/cb"],
        &["client", "add", "App"],
        &["client", "add", "App", "--confidential", "--client-id", "https://app.example/x"],
    ];
    for arguments in bad {
        let answer = home.run(arguments);
        assert_eq!(answer.code, Some(1), "{arguments:?} {answer:?}");
        assert!(answer.err.contains("next:"), "{answer:?}");
    }
    assert_eq!(home.good(&["client", "list", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn a_call_is_permitted_refused_stopped_and_let_go_on() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    home.add_user("kim", "user", PASSWORD);
    home.serve();
    home.login("kim", PASSWORD);
    let url = home.url("/sample/mcp");
    let weather = |era: &str| {
        let arguments = [
            "call",
            &url,
            "get_weather",
            r#"{"city":"Seoul"}"#,
            "--token-file",
            "kim.token",
            "--era",
            era,
        ];
        home.run(&arguments)
    };
    for era in ["auto", "modern", "legacy"] {
        assert_eq!(weather(era).code, Some(0), "{era}");
    }
    let listed = home.good(&["call", &url, "--list", "--token-file", "kim.token"]);
    assert!(listed.out.contains("get_weather") && !listed.out.contains("delete_user_data"));
    let refused = home.run(&["call", &url, "admin_system_status", "--token-file", "kim.token"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let entry = refused.err.split("audit show ").nth(1).unwrap().split('`').next().unwrap();
    let shown = home.good(&["audit", "show", entry]);
    assert!(shown.out.contains("\"deny\"") && shown.out.contains("\"refused\""), "{shown:?}");
    let failed = home.run(&[
        "call",
        &url,
        "get_weather",
        r#"{"city":"Atlantis"}"#,
        "--token-file",
        "kim.token",
    ]);
    assert_eq!(failed.code, Some(1), "the tool reports an error: {failed:?}");

    home.good(&["stop", "--tool", "sample:get_weather"]);
    let stopped = weather("auto");
    assert!(stopped.code == Some(1) && stopped.err.contains("stopped"), "{stopped:?}");
    assert!(home.good(&["stop", "list"]).out.contains("sample:get_weather"));
    home.good(&["stop", "--tool", "sample:get_weather", "--lift"]);
    assert_eq!(home.run(&["stop", "--tool", "sample:get_weather", "--lift"]).code, Some(1));
    assert_eq!(weather("auto").code, Some(0));
    let without = home.run(&["call", &url, "get_weather"]);
    assert!(without.code == Some(1) && without.err.contains("401"), "{without:?}");
}

#[test]
fn credentials_end_when_they_are_revoked() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    home.add_user("kim", "user", PASSWORD);
    home.serve();
    let url = home.url("/sample/mcp");
    let code = |file: &str| {
        let arguments = ["call", &url, "get_weather", r#"{"city":"Seoul"}"#, "--token-file", file];
        home.run(&arguments).code
    };
    home.login("kim", PASSWORD);
    let shown = home.good(&["token", "show", "kim.token", "--json"]).json();
    assert_eq!(shown["claims"]["preferred_username"], "kim", "{shown}");
    assert_eq!(code("kim.token"), Some(0));
    home.good(&["token", "revoke", "--token-file", "kim.token"]);
    assert_eq!(code("kim.token"), Some(1));

    let made = home.good(&[
        "api-key",
        "add",
        "kim",
        "--tools",
        "sample:get_*",
        "--expires-in",
        "1h",
        "--output",
        "kim.key",
        "--json",
    ]);
    let key_id = made.json()["key_id"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(home.path("kim.key")).unwrap();
    assert!(text.starts_with("hk_") && !made.out.contains(text.trim()));
    assert_eq!(mode(&home.path("kim.key")), 0o600);
    assert_eq!(code("kim.key"), Some(0));
    assert!(home.good(&["api-key", "list", "--user", "kim"]).out.contains(&key_id));
    home.good(&["api-key", "revoke", &key_id]);
    assert_eq!(code("kim.key"), Some(1));
    assert_eq!(home.run(&["api-key", "revoke", &key_id]).code, Some(1));

    home.login("kim", PASSWORD);
    home.good(&["key", "rotate"]);
    assert_eq!(code("kim.token"), Some(0), "the old key verifies on");
    let keys = home.good(&["key", "list", "--json"]).json();
    let retiring = keys.as_array().unwrap().iter().find(|key| key["state"] == "retiring").unwrap();
    home.good(&["key", "retire", retiring["key_id"].as_str().unwrap()]);
    assert_eq!(code("kim.token"), Some(1));
    home.login("kim", PASSWORD);
    assert_eq!(code("kim.token"), Some(0));
    home.feed(&["user", "passwd", "kim", "--password-file", "-"], "another horse battery\n");
    assert_eq!(code("kim.token"), Some(1));
}

#[test]
fn the_caller_reaches_the_tool_also_after_the_keys_were_rotated() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:*\"]\n");
    home.add_user("kim", "user", PASSWORD);
    home.serve();
    home.login("kim", PASSWORD);
    let url = home.url("/sample/mcp");
    let asked = || {
        home.run(&[
            "call",
            &url,
            "secure_data_access",
            r#"{"query":"backup"}"#,
            "--token-file",
            "kim.token",
        ])
    };
    let said = asked();
    assert_eq!(said.code, Some(0), "{said:?}");
    home.good(&["key", "rotate"]);
    assert!(eventually(|| asked().code == Some(0)), "{:?}", asked());
}

#[test]
fn changed_settings_are_in_force_at_once_and_broken_ones_are_not() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:get_*\"]\n");
    home.add_user("kim", "user", PASSWORD);
    home.serve();
    home.login("kim", PASSWORD);
    let url = home.url("/sample/mcp");
    let documents = r#"{"query":"backup"}"#;
    let status = || {
        let asked = ["call", &url, "secure_data_access", documents, "--token-file", "kim.token"];
        home.run(&asked).code
    };
    assert_eq!(status(), Some(1));
    let before = std::fs::read_to_string(home.path("haechi.toml")).unwrap();
    home.write("haechi.toml", &before.replace("sample:get_*", "sample:*"));
    assert!(eventually(|| status() == Some(0)), "{}", home.log());
    home.write("haechi.toml", &before.replace("sample:get_*", "nowhere:*"));
    assert!(eventually(|| home.log().contains("stay in force")), "{}", home.log());
    assert_eq!(status(), Some(0), "the old version stays");
    home.write("haechi.toml", &before);
    assert!(eventually(|| status() == Some(1)), "{}", home.log());
    let acts = home.good(&["audit", "query", "--event", "administration", "--json"]).out;
    let reloads: Vec<&str> = acts.lines().filter(|line| line.contains("settings.reload")).collect();
    assert!(reloads.iter().any(|line| line.contains("not-done")), "{reloads:?}");
    assert!(reloads.len() >= 3, "{reloads:?}");
}

#[test]
fn users_are_shown_changed_and_removed() {
    let home = Home::empty();
    home.add_user("kim", "user,auditor", PASSWORD);
    let said = home.feed(&["user", "add", "kim", "--password-file", "-"], PASSWORD);
    assert!(said.code == Some(1) && said.err.contains("exists already"), "{said:?}");
    let shown = home.good(&["user", "show", "kim", "--json"]).json();
    assert_eq!(shown["roles"], serde_json::json!(["auditor", "user"]));
    home.good(&["user", "roles", "kim", "admin"]);
    home.good(&["user", "disable", "kim"]);
    let list = home.good(&["user", "list"]).out;
    assert!(list.contains("admin") && list.contains("no"), "{list}");
    home.good(&["user", "enable", "kim"]);
    home.good(&["user", "remove", "kim"]);
    let gone = home.run(&["user", "show", "kim"]);
    assert!(gone.code == Some(1) && gone.err.contains("user list"), "{gone:?}");
}

#[test]
fn policies_are_explained_tested_and_shown() {
    let rules = "[roles.user]\nallow = [\"sample:get_*\", { tool = \"sample:secure_data_access\", arguments = { query = \"public*\" } }]\n";
    let home = Home::with_sample(rules);
    home.add_user("kim", "user", PASSWORD);
    let explain = |tool: &str, arguments: &str| {
        home.run(&["policy", "explain", "--user", "kim", "--tool", tool, "--args", arguments])
    };
    let yes = explain("sample:secure_data_access", r#"{"query":"public plan"}"#);
    assert!(yes.code == Some(0) && yes.out.contains("role user allow"), "{yes:?}");
    let no = explain("sample:secure_data_access", r#"{"query":"secret"}"#);
    assert!(no.code == Some(1) && no.out.contains("came close"), "{no:?}");
    assert_eq!(explain("sample:delete_user_data", "{}").code, Some(1));
    let matrix = home.good(&["policy", "matrix", "--people"]).out;
    assert!(matrix.contains("kim") && matrix.contains("depends"), "{matrix}");
    home.write(
        "cases.toml",
        "[[case]]\nuser = \"kim\"\ntool = \"sample:get_weather\"\nexpect = \"permit\"\n",
    );
    home.good(&["policy", "test", "cases.toml"]);
    home.write(
        "cases.toml",
        "[[case]]\nroles = []\ntool = \"sample:get_weather\"\nexpect = \"permit\"\n",
    );
    let failed = home.run(&["policy", "test", "cases.toml"]);
    assert!(failed.code == Some(1) && failed.out.contains("1 failed"), "{failed:?}");
    assert!(home.good(&["policy", "show"]).out.contains("permit("));
    assert!(home.good(&["policy", "show", "--schema"]).out.contains("namespace Haechi"));
}

#[test]
fn check_tells_everything_at_once() {
    let home = Home::empty();
    home.write(
        "haechi.toml",
        "[listen]\naddress = \"0.0.0.0:1\"\n[[upstream]]\nname = \"A\"\ncommand = [\"x\"]\n[token]\nalgorithm = \"none\"\n",
    );
    let said = home.run(&["check", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.json()["problems"].as_array().unwrap().len(), 3, "{said:?}");

    home.write_settings(
        "[[upstream]]\nname = \"gone\"\ncommand = [\"/no/such/program\"]\n[[upstream]]\nname = \"far\"\nurl = \"http://127.0.0.1:9/mcp\"\n[roles.user]\nallow = [\"gone:*\"]\n[roles.anonymous]\nallow = [\"far:*\"]\n",
    );
    let said = home.run(&["check", "--json"]);
    let found = said.json();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(found["problems"].as_array().unwrap().len(), 2, "{found}");
    assert!(found["warnings"].to_string().contains("anonymous"), "{found}");
    assert_eq!(home.run(&["check", "--offline"]).code, Some(0));
    assert_eq!(home.run(&["serve", "--config", "none.toml"]).code, Some(2));
}

#[test]
fn a_command_line_that_makes_no_sense_could_not_tell() {
    let home = Home::empty();
    for arguments in [
        &["nonsense"][..],
        &["user", "add"],
        &["call", "http://127.0.0.1:9/mcp", "tool"],
        &["call", "http://127.0.0.1:9/mcp", "tool", "[]"],
        &["audit", "query", "--since", "yesterday"],
        &["serve"],
        &["run"],
        &["run", "--name", "No", "--", "x"],
        &["user", "add", "kim"],
    ] {
        let said = home.run(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
    let clear = home.run(&["login", "http://gateway.example", "--username", "kim"]);
    assert_eq!(clear.code, Some(1), "{clear:?}");
}

#[test]
fn messages_come_in_korean_too() {
    let home = Home::empty();
    let said = home.run(&["--lang", "ko", "serve"]);
    assert!(said.err.contains("설정 파일이 없습니다"), "{said:?}");
    let mut command = home.command(&["user", "show", "kim"]);
    let said = crate::home::Said::of(&command.env("LANG", "ko_KR.UTF-8").output().unwrap());
    assert!(said.err.contains("오류"), "{said:?}");
}

#[test]
fn no_password_is_said_back() {
    let home = Home::empty();
    home.add_user("kim", "user", PASSWORD);
    let short = home.feed(&["user", "passwd", "kim", "--password-file", "-"], "hunter2\n");
    assert_eq!(short.code, Some(1), "{short:?}");
    assert!(!format!("{short:?}").contains("hunter2"));
    for file in ["audit", "haechi.db", "haechi.db-wal"] {
        let mut bytes = Vec::new();
        read_all(&home.path("data").join(file), &mut bytes);
        let found = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        assert!(!found, "{file}");
    }
}

fn read_all(path: &std::path::Path, bytes: &mut Vec<u8>) {
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| read_all(&entry.unwrap().path(), bytes));
    } else if path.is_file() {
        bytes.extend(std::fs::read(path).unwrap());
    }
}

#[test]
fn helpers_for_shells_and_editors_are_made() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.good(&["completions", shell]).out.contains("haechi"), "{shell}");
    }
    home.good(&["man", "pages"]);
    assert!(home.path("pages/haechi-audit-query.1").exists());
    assert!(home.good(&["config", "schema"]).json()["properties"]["upstream"].is_object());
    assert!(home.good(&["config", "show"]).out.contains("127.0.0.1:8787"));
}
