//! What a program that embeds the guard adds to its settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haechi_assembly::settings::Carrier;
use haechi_assembly::{Assembly, DataDirectory, Extras, Log, Settings};
use haechi_core::json::{Checked, Limits};
use haechi_core::{
    Clock, Credentials, Era, ManualClock, Origin, Principal, Timestamp, UpstreamName,
};
use haechi_guard::interceptor::Interceptor;
use haechi_guard::{
    Answer, Call, GovernedCall, Incoming, IncomingBody, Outgoing, Proofs, Refusal, SessionPass,
    Upstream, UpstreamFailure,
};
use haechi_identity::{Audience, KeyLocation};
use haechi_policy::CedarFile;

const SMALL: &str = "[audit]\nsegment_size = \"256 KiB\"\nreserve = \"64 KiB\"\n";

fn desk() -> UpstreamName {
    UpstreamName::parse("desk").unwrap()
}

fn settings(text: &str) -> Settings {
    let text = format!("{SMALL}{text}");
    let mut settings = Settings::embedded(&desk(), &text, Path::new("/base")).unwrap();
    settings.owner = true;
    settings
}

async fn open(folder: &tempfile::TempDir, settings: &Settings, extras: Extras) -> Assembly {
    let directory = DataDirectory::open(&folder.path().join("data")).unwrap();
    Assembly::open_with(settings, directory, &Log::Gateway, extras).await.unwrap()
}

/// Refuses the tool `closed`.
#[derive(Debug)]
struct Closed;

#[async_trait]
impl Interceptor for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    async fn on_call(&self, _: &Principal, call: &mut GovernedCall) -> Result<(), Refusal> {
        if &*call.resource().name != "closed" {
            return Ok(());
        }
        Err(Refusal::Intercepted { stage: self.name(), reason: "it is closed", entry: None })
    }
}

/// Answers everything with nothing.
#[derive(Debug)]
struct Desk(UpstreamName);

#[async_trait]
impl Upstream for Desk {
    fn name(&self) -> &UpstreamName {
        &self.0
    }

    async fn forward(&self, _: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let body = IncomingBody::Message(Checked::new(answer.into(), &Limits::WIRE).unwrap());
        Ok(Incoming { status: 200, headers: Vec::new(), body })
    }

    async fn relay(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(UpstreamFailure::Busy(self.0.clone()))
    }

    async fn open_stream(
        &self,
        outgoing: Outgoing,
        pass: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.relay(outgoing, pass).await
    }

    async fn end_session(&self, _: &str) {}
}

async fn call(assembly: &Assembly, tool: &str) -> Result<Answer, Refusal> {
    let owner = Credentials::OperatingSystemUser { uid: 7, username: None };
    let (audience, origin) = (Audience::default(), Origin::default());
    let principal = assembly.guard.authenticate(&owner, &audience, &origin).await?;
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
    let call = Call {
        upstream: desk(),
        era: Era::Modern,
        protocol_version: None,
        body: Checked::new(body.into(), &Limits::WIRE).unwrap(),
        session: None,
        headers: Vec::new(),
        origin,
    };
    let upstream: Arc<dyn Upstream> = Arc::new(Desk(desk()));
    assembly.guard.handle(&principal, call, &upstream).await
}

#[tokio::test]
async fn an_interceptor_of_the_program_outlives_every_change_of_settings() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings("");
    let extras = Extras { interceptors: vec![Arc::new(Closed)], ..Extras::default() };
    let assembly = open(&folder, &settings, extras).await;
    let holds = async || {
        let refused = call(&assembly, "closed").await;
        assert!(matches!(refused, Err(Refusal::Intercepted { stage: "closed", .. })));
        assert!(call(&assembly, "open").await.is_ok());
    };
    holds().await;
    assembly.recompile(&settings).unwrap();
    holds().await;
    assembly.reload(&settings).unwrap();
    holds().await;
}

#[tokio::test]
async fn a_cedar_text_of_the_program_is_in_force_like_a_file_and_after_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("");
    let forbid = "forbid(principal, action, resource == Haechi::Tool::\"desk:closed\");";
    let inline = |text: &str| CedarFile { name: "in the program".into(), text: text.into() };
    settings.policy.inline = vec![inline(forbid)];
    let assembly = open(&folder, &settings, Extras::default()).await;
    let holds = async || {
        assert!(matches!(call(&assembly, "closed").await, Err(Refusal::Denied { .. })));
        assert!(call(&assembly, "open").await.is_ok());
    };
    holds().await;
    assembly.recompile(&settings).unwrap();
    holds().await;
    assembly.reload(&settings).unwrap();
    holds().await;
    settings.policy.inline = vec![inline("forbid(principal, action, resource) when { x };")];
    let refused = assembly.reload(&settings).unwrap_err().to_string();
    assert!(refused.contains("in the program"), "{refused}");
    holds().await;
}

#[tokio::test]
async fn time_is_what_the_program_s_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
    let extras = Extras { clock: Some(clock.clone()), ..Extras::default() };
    let assembly = open(&folder, &settings("[limits]\nrate = \"1/h\""), extras).await;
    assert_eq!(assembly.rooms.clock.now(), clock.now());
    assert!(call(&assembly, "open").await.is_ok());
    assert!(matches!(call(&assembly, "open").await, Err(Refusal::TooMany { .. })));
    clock.advance(Duration::from_secs(3600));
    assert!(call(&assembly, "open").await.is_ok());
}

#[test]
fn a_program_needs_to_say_nothing_and_may_say_what_concerns_its_server() {
    let silent = Settings::embedded(&desk(), "", Path::new("/base")).unwrap();
    let [server] = &*silent.upstreams else { panic!("one server") };
    assert_eq!(server.name, desk());
    assert!(matches!(server.carrier, Carrier::Embedded));
    assert_eq!(server.rules.limits.default, silent.limits.calls);

    let text = r#"
        data = "data"
        [listen]
        public_url = "https://desk.example"
        allowed_hosts = ["desk.example"]
        allowed_origins = ["https://app.example"]
        dangerous_allow_anonymous = true
        [limits]
        timeout = "9s"
        [[upstream]]
        name = "desk"
        concurrency = 3
        scopes = ["desk"]
        breaker = { failures = 2 }
        tools."get_*" = { timeout = "1s", audit = "none" }
        [roles.user]
        allow = ["desk:get_*"]
        [privacy]
        [vault]
        [token]
        lifetime = "1h"
        [[issuer]]
        issuer = "https://login.example"
        jwks = "https://login.example/keys"
        [password]
        [lockout]
        [api_key]
        [storage]
        path = "desk.db"
        [log]
        level = "warn"
        [outbound]
        connect_timeout = "9s"
    "#;
    let settings = Settings::embedded(&desk(), text, Path::new("/base")).unwrap();
    let [server] = &*settings.upstreams else { panic!("one server") };
    let of = |tool| server.rules.limits.of(tool).1.clone();
    assert_eq!(
        (of("get_a").timeout, of("x").timeout),
        (Duration::from_secs(1), Duration::from_secs(9))
    );
    assert_eq!((of("x").concurrency, server.rules.breaker.failures), (3, 2));
    assert_eq!(server.scopes, ["desk"]);
    haechi_assembly::compile_policy(&settings, Vec::new(), 1).unwrap();
}

#[test]
fn what_only_a_gateway_has_is_refused_by_its_key() {
    let cases = [
        ("[[upstream]]\nname = \"crm\"", "upstream.crm", "guards `desk` alone"),
        (
            "[[upstream]]\nname = \"crm\"\nurl = \"https://x.example\"",
            "upstream.crm",
            "another server",
        ),
        ("[[upstream]]\nconcurrency = 1", "upstream[0].name", "is needed"),
        (
            "[[upstream]]\nname = \"desk\"\ncommand = [\"x\"]",
            "upstream.desk.command",
            "in this process",
        ),
        (
            "[[upstream]]\nname = \"desk\"\nurl = \"https://x.example\"",
            "upstream.desk.url",
            "in this process",
        ),
        ("[[upstream]]\nname = \"desk\"\nper = \"shared\"", "upstream.desk.per", "in this process"),
        (
            "[[upstream]]\nname = \"desk\"\ncaller = \"signed\"",
            "upstream.desk.caller",
            "in this process",
        ),
        (
            "[[upstream]]\nname = \"desk\"\nrlimits = { open_files = 99 }",
            "upstream.desk.rlimits",
            "in this process",
        ),
        ("[[upstream]]\nname = \"desk\"\n[[upstream]]\nname = \"desk\"", "upstream.desk", "twice"),
        ("[listen]\naddress = \"127.0.0.1:1\"", "listen.address", "the program itself"),
        (
            "[listen]\ntls = { certificate = \"c\", key = \"k\" }",
            "listen.tls",
            "the program itself",
        ),
        ("[listen.limits]\nheaders = 50", "listen.limits", "the program itself"),
        ("[metrics]\nenabled = true", "metrics", "the gateway's"),
        ("[telemetry]\nendpoint = \"http://127.0.0.1:1\"", "telemetry", "the gateway's"),
        ("x = 1", "x", "unknown field"),
        ("[roles.r]\nallow = [1]", "roles.r.allow[0]", "a text or a table"),
    ];
    for (text, key, what) in cases {
        let found = Settings::embedded(&desk(), text, Path::new("/base")).unwrap_err();
        let fits = found.iter().any(|problem| problem.key == key && problem.what.contains(what));
        assert!(fits, "{text}\n{found}");
    }
    let elsewhere =
        Settings::embedded(&desk(), "[roles.r]\nallow = [\"crm:*\"]", Path::new("/base"));
    assert!(haechi_assembly::compile_policy(&elsewhere.unwrap(), Vec::new(), 1).is_err());
}

#[test]
fn a_program_may_keep_its_settings_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.toml");
    std::fs::write(&file, "data = \"kept\"\n[roles.r]\nallow = [\"desk:x\"]").unwrap();
    let settings = Settings::load_embedded(&desk(), &file).unwrap();
    assert_eq!(settings.data, Some(folder.path().join("kept")));
    assert_eq!(settings.files(), [file]);
    assert!(Settings::load_embedded(&desk(), &folder.path().join("none")).is_err());
}

#[test]
fn a_program_behind_a_gateway_names_its_keys_and_a_gateway_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| Settings::embedded(&desk(), text, folder.path());
    let short = read("[gateway]\njwks = \"file:keys.json\"").unwrap();
    let gateway = short.identity().gateway.unwrap();
    assert_eq!((gateway.issuer, &*gateway.audience), (None, "desk"));
    assert_eq!(gateway.keys, KeyLocation::File(folder.path().join("keys.json")));
    let long = read(
        "[gateway]\nissuer = \"https://front.example\"\naudience = \"crm\"\n\
         jwks = \"https://front.example/keys\"",
    );
    let gateway = long.unwrap().gateway.unwrap();
    assert_eq!(
        (gateway.issuer.as_deref(), &*gateway.audience),
        (Some("https://front.example"), "crm")
    );
    assert_eq!(gateway.keys, KeyLocation::Url("https://front.example/keys".to_owned()));
    let cases = [
        ("[gateway]", "gateway.jwks", "is needed"),
        ("[gateway]\njwks = \"http://far.example\"", "gateway.jwks", "https://"),
        ("[gateway]\njwks = \"env:HAECHI_TEST_NOT_SET\"", "gateway.jwks", "HAECHI_TEST_NOT_SET"),
        ("[gateway]\njwks = \"env:PATH\"", "gateway.jwks", "not strict JSON"),
        ("[gateway]\njwks = \"file:k\"\nissuer = \"\"", "gateway.issuer", "must be a name"),
        ("[gateway]\njwks = \"file:k\"\nx = 1", "gateway.x", "unknown field"),
    ];
    for (text, key, what) in cases {
        let found = read(text).unwrap_err();
        let fits = found.iter().any(|problem| problem.key == key && problem.what.contains(what));
        assert!(fits, "{text}\n{found}");
    }
    let gateway = Settings::parse("[gateway]\njwks = \"file:k\"", folder.path()).unwrap_err();
    assert!(gateway.to_string().contains("this is the gateway"), "{gateway}");
}
