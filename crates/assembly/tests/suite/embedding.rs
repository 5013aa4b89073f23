//! What a program that embeds the guard adds to its settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
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
use haechi_identity::Audience;
use haechi_policy::CedarFile;

const SETTINGS: &str = "[[upstream]]\nname = \"desk\"\ncommand = [\"x\"]\n\
    [audit]\nsegment_size = \"256 KiB\"\nreserve = \"64 KiB\"\n";

fn settings(text: &str) -> Settings {
    let mut settings = Settings::parse(&format!("{SETTINGS}{text}"), Path::new("/base")).unwrap();
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
    let desk = UpstreamName::parse("desk").unwrap();
    let call = Call {
        upstream: desk.clone(),
        era: Era::Modern,
        protocol_version: None,
        body: Checked::new(body.into(), &Limits::WIRE).unwrap(),
        session: None,
        headers: Vec::new(),
        origin,
    };
    let upstream: Arc<dyn Upstream> = Arc::new(Desk(desk));
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
