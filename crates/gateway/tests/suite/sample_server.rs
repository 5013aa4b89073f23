//! The sample server alone: over HTTP with users of its own, and behind a gateway with a record of
//! its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::home::{Home, end};

const PASSWORD: &str = "correct horse battery";

/// `haechi sample-server --http`, with its data where the home's commands have theirs.
struct Alone {
    child: Child,
    url: String,
}

impl Alone {
    fn serve(home: &Home, more: &[&str]) -> Self {
        let arguments = [&["sample-server", "--http", "127.0.0.1:0"], more].concat();
        let mut command = home.command(&arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim_end().to_owned() }
    }

    fn base(&self) -> &str {
        self.url.strip_suffix("/mcp").unwrap()
    }

    fn login(&self, home: &Home, name: &str) {
        let file = format!("{name}.token");
        let arguments =
            ["login", self.base(), "--username", name, "--password-file", "-", "-o", &file];
        let said = home.feed(&arguments, &format!("{PASSWORD}\n"));
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    fn call(&self, home: &Home, name: &str, tool: &str, arguments: &str) -> Option<i32> {
        let file = format!("{name}.token");
        home.run(&["call", &self.url, tool, arguments, "--token-file", &file]).code
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn alone_over_http_it_has_users_of_its_own() {
    let home = Home::empty();
    home.add_user("ada", "admin", PASSWORD);
    home.add_user("uma", "user", PASSWORD);
    home.add_user("gus", "guest", PASSWORD);
    let mut alone = Alone::serve(&home, &[]);
    let stranger = home.run(&["call", &alone.url, "get_weather", r#"{"city":"Seoul"}"#]);
    assert!(stranger.code == Some(1) && stranger.err.contains("401"), "{stranger:?}");
    for name in ["ada", "uma", "gus"] {
        alone.login(&home, name);
    }
    let cases = [
        ("get_weather", r#"{"city":"Seoul"}"#, [0, 0, 1]),
        ("admin_system_status", "{}", [0, 1, 1]),
        ("delete_user_data", r#"{"user_id":"u-1002"}"#, [0, 1, 1]),
        ("customerData", r#"{"customer_id":"C-1002"}"#, [0, 0, 1]),
        ("secure_data_access", r#"{"query":"backup"}"#, [0, 0, 0]),
    ];
    for (tool, arguments, codes) in cases {
        for (name, code) in ["ada", "uma", "gus"].into_iter().zip(codes) {
            let said = alone.call(&home, name, tool, arguments);
            assert_eq!(said, Some(code), "{name} {tool}");
        }
    }
    home.add_user("late", "user", PASSWORD);
    alone.login(&home, "late");
    assert_eq!(alone.call(&home, "late", "get_weather", r#"{"city":"Seoul"}"#), Some(0));
    home.good(&["user", "disable", "late"]);
    assert_eq!(alone.call(&home, "late", "get_weather", r#"{"city":"Seoul"}"#), Some(1));
    assert_eq!(end(&mut alone.child), Some(0));
    let log = home.good(&["audit", "query", "--tool", "sample:customerData", "--names"]).out;
    assert!(log.contains("uma") && log.contains("permit") && log.contains("deny"), "{log}");
}

#[test]
fn behind_a_gateway_it_keeps_a_record_of_its_own() {
    let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:*\"]\n");
    let own = home.path("own");
    let settings = std::fs::read_to_string(home.path("haechi.toml")).unwrap();
    let folder = format!("\"sample-server\", \"--data-dir\", {:?}", own.to_str().unwrap());
    home.write("haechi.toml", &settings.replace("\"sample-server\"", &folder));
    home.add_user("kim", "user", PASSWORD);
    home.serve();
    home.login("kim", PASSWORD);
    let url = home.url("/sample/mcp");
    let call = |tool: &str, arguments: &str| {
        home.run(&["call", &url, tool, arguments, "--token-file", "kim.token"]).code
    };
    assert_eq!(call("customerData", r#"{"customer_id":"C-1001"}"#), Some(0));
    // The gateway permits what the tool's own rule does not.
    assert_eq!(call("admin_system_status", "{}"), Some(1));
    assert_eq!(home.end(), Some(0));
    let own = own.to_str().unwrap();
    let log = home.good(&["audit", "query", "--data-dir", own]).out;
    for word in ["sample:customerData", "permit", "sample:admin_system_status", "deny"] {
        assert!(log.contains(word), "{word}: {log}");
    }
}
