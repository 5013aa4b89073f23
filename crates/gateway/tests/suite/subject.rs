//! `haechi subject` and `haechi reveal`: what people ask for, while the gateway runs.

use serde_json::Value;

use crate::home::{Home, Said};

const PASSWORD: &str = "correct horse battery";
const RULES: &str = r#"
[roles.user]
allow = ["sample:*"]
[roles.admin]
allow = ["sample:*"]

[privacy]
arguments = { default = "allow" }
results = { default = "tokenize" }

[[privacy.open]]
roles = ["user"]
tools = ["sample:customerData"]

[[privacy.subject]]
tools = ["sample:customerData"]
argument = "/customer_id"

[privacy.reveal]
roles = ["admin"]
per_minute = 3
"#;

struct Stand(Home);

impl Stand {
    fn new() -> Self {
        let mut home = Home::with_sample(RULES);
        home.add_user("kim", "user", PASSWORD);
        home.add_user("lee", "admin", PASSWORD);
        home.serve();
        home.login("kim", PASSWORD);
        home.login("lee", PASSWORD);
        Self(home)
    }

    /// What the model gets of a customer.
    fn customer(&self, id: &str) -> Value {
        let (url, ask) = (self.0.url("/sample/mcp"), format!(r#"{{"customer_id":"{id}"}}"#));
        let call = ["call", &url, "customerData", &ask, "--token-file", "kim.token", "--json"];
        self.0.good(&call).json()["result"]["structuredContent"].clone()
    }

    fn reveal(&self, who: &str, token: &str, purpose: &str) -> Said {
        let (url, file) = (self.0.url("/sample/mcp"), format!("{who}.token"));
        self.0.run(&[
            "reveal",
            token,
            "--url",
            &url,
            "--purpose",
            purpose,
            "--note",
            "ticket 7",
            "--token-file",
            &file,
        ])
    }

    fn entries(&self, kind: &str) -> Vec<Value> {
        let told = self.0.good(&["audit", "query", "--event", kind, "--json"]);
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The token of the customer's e-mail address.
fn token(customer: &Value) -> String {
    let email = customer["email"].as_str().unwrap_or_default();
    assert!(email.starts_with("tok_EMAIL_ADDRESS_"), "{customer}");
    email.to_owned()
}

#[test]
fn a_token_is_shown_to_who_may_see_it_and_every_try_is_recorded() {
    let stand = Stand::new();
    let token = token(&stand.customer("C-1001"));
    let shown = stand.reveal("lee", &token, "support");
    assert!(shown.code == Some(0) && shown.out == "minseo.kim@example.com\n", "{shown:?}");
    let refused = stand.reveal("kim", &token, "support");
    assert!(refused.code == Some(1) && refused.out.is_empty(), "{refused:?}");
    let curious = stand.reveal("lee", &token, "curiosity");
    assert!(curious.code == Some(1) && curious.err.contains("support"), "{curious:?}");
    for _ in 0..2 {
        assert_eq!(stand.reveal("lee", &token, "support").code, Some(0));
    }
    let paced = stand.reveal("lee", &token, "support");
    assert!(paced.code == Some(1) && paced.err.contains("429"), "{paced:?}");
    let entries = stand.entries("reveal");
    let reasons: Vec<&str> = entries.iter().map(|it| it["reason"].as_str().unwrap_or("")).collect();
    assert_eq!(reasons, ["", "no-role", "unknown-purpose", "", "", "too-many"]);
    let text = format!("{entries:?}");
    for hidden in [token.as_str(), "minseo.kim", "curiosity", "ticket 7"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let nobody = stand.0.run(&[
        "reveal",
        &token,
        "--url",
        &stand.0.url("/sample/mcp"),
        "--purpose",
        "support",
        "--token-file",
        "haechi.toml",
    ]);
    assert_ne!(nobody.code, Some(0));
}

#[test]
fn a_person_gets_everything_and_is_erased_while_the_gateway_runs() {
    let stand = Stand::new();
    let home = &stand.0;
    let mine = token(&stand.customer("C-1001"));
    let other = token(&stand.customer("C-1002"));
    let export = home.good(&["subject", "export", "C-1001"]).json();
    assert!(export["values"].to_string().contains("minseo.kim@example.com"), "{export}");
    let csv = home.good(&["subject", "export", "C-1001", "--format", "csv", "-o", "c.csv"]);
    assert!(csv.out.is_empty());
    let text = std::fs::read_to_string(home.path("c.csv")).unwrap();
    assert!(text.starts_with("record,") && text.contains("minseo.kim@example.com"));
    let kim = home.good(&["subject", "export", "kim"]).json();
    let intent = kim["entries"].as_array().unwrap().iter().find(|it| it["event"] == "intent");
    assert_eq!(intent.unwrap()["entry"]["who"]["username"], "kim", "{kim}");

    home.good(&["vault", "backup", "backup"]);
    let erase = ["subject", "erase", "C-1001", "--ground", "request 1", "--backup", "backup"];
    assert_eq!(home.run(&erase).code, Some(2), "nobody was asked");
    home.good(&["subject", "hold", "C-1001", "--id", "case-7", "--reason", "claim"]);
    let held = home.run(&[&erase[..], &["--yes"]].concat());
    assert!(held.code == Some(1) && held.err.contains("case-7"), "{held:?}");
    home.good(&["subject", "release", "C-1001", "--id", "case-7"]);
    let erased = home.good(&[&erase[..], &["--yes", "--json"]].concat()).json();
    assert_eq!(erased["verdict"], "erased", "{erased}");
    let sid = erased["sid"].as_str().unwrap();
    let note = std::fs::read_to_string(home.path(&format!("erasure-{sid}.note"))).unwrap();
    assert!(note.starts_with("localhost/audit/gateway/erasure\n{"), "{note}");
    assert!(note.contains(&format!("\"sid\": \"{sid}\"")) && note.contains("\n\n— localhost/"));

    assert_eq!(stand.reveal("lee", &mine, "support").code, Some(1), "at once");
    assert_eq!(stand.reveal("lee", &other, "support").out, "laura.becker@example.org\n");
    assert_eq!(home.run(&["subject", "export", "C-1001"]).code, Some(1));
    assert!(home.good(&["subject", "list"]).out.contains("erased"));
    let acts = format!("{:?}", stand.entries("administration"));
    for act in
        ["subject.export", "subject.hold", "subject.release", "subject.erase", "subject.certify"]
    {
        assert!(acts.contains(act), "{act}");
    }
    assert!(!acts.contains("C-1001"));
}

#[test]
fn a_restricted_person_s_tokens_rest_until_it_is_lifted() {
    let stand = Stand::new();
    let token = token(&stand.customer("C-1001"));
    stand.0.good(&["subject", "restrict", "C-1001"]);
    assert_eq!(stand.reveal("lee", &token, "support").code, Some(1));
    stand.0.good(&["subject", "restrict", "C-1001", "--lift"]);
    assert_eq!(stand.reveal("lee", &token, "support").code, Some(0));
    stand.0.good(&["subject", "name", "C-1001", "data-subject", "minseo"]);
    let found = stand.0.good(&["subject", "list", "--name", "data-subject", "minseo", "--json"]);
    assert_eq!(found.json().as_array().unwrap().len(), 1, "{found:?}");
}

#[test]
fn tokens_are_sealed_anew_under_newer_keys_while_the_gateway_runs() {
    let stand = Stand::new();
    let token = token(&stand.customer("C-1001"));
    stand.0.good(&["vault", "rotate", "--purpose", "token"]);
    let before = stand.0.good(&["vault", "rewrap", "--dry-run", "--json"]).json();
    assert!(before["older"].as_u64().unwrap() > 0, "{before}");
    let done = stand.0.good(&["vault", "rewrap", "--json"]).json();
    assert_eq!(done["renewed"], before["older"], "{done}");
    let after = stand.0.good(&["vault", "rewrap", "--dry-run", "--json"]).json();
    assert_eq!(after["older"], 0, "{after}");
    assert_eq!(stand.reveal("lee", &token, "support").code, Some(0));
    assert!(!stand.0.path("data/rewrap.cursor").exists());
}
