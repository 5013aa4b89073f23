//! A hall with real rooms, and an upstream under the tests' control.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_core::json::{Checked, Limits};
use haechi_core::{
    Clock, Entropy, Era, Event, Fetch, FetchError, Fetched, ManualClock, Means, Origin, Principal,
    Sealer, Secret, SeededEntropy, SubjectKeyStore, Timestamp, UpstreamName,
};
use haechi_guard::{
    Answer, AnswerBody, AnswerItem, Call, Guard, GuardConfig, Incoming, IncomingBody, IncomingItem,
    Outgoing, Passage, Proofs, Refusal, Rooms, SessionPass, Upstream, UpstreamFailure,
};
use haechi_identity::{GatewayCallers, Identity, IdentityConfig, Stores, Surroundings};
use haechi_policy::{Policy, PolicySource, Role, Rule, RuleKind, SensitiveRule};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};

/// What the upstream does with the next request.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Answers with this result.
    Result(&'static str),
    /// Answers with exactly this message.
    Message(String),
    /// Streams these messages and ends.
    Stream(Vec<String>),
    /// Streams these messages and then nothing, for ever.
    StreamThenHang(Vec<String>),
    /// Never answers.
    Hang,
    /// Fails.
    Fail,
}

/// The upstream of the tests.
#[derive(Debug)]
pub(crate) struct Scripted {
    name: UpstreamName,
    script: Mutex<Script>,
    pub(crate) seen: Mutex<Vec<Outgoing>>,
}

impl Scripted {
    pub(crate) fn plays(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last_body(&self) -> String {
        let seen = self.seen.lock().unwrap();
        String::from_utf8(seen.last().expect("something arrived").body.to_vec()).unwrap()
    }

    async fn play(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
        let id = outgoing.id.as_ref().map_or("null".to_owned(), |id| id.raw().to_owned());
        self.seen.lock().unwrap().push(outgoing);
        let script = self.script.lock().unwrap().clone();
        let body = match script {
            Script::Result(result) => {
                let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                IncomingBody::Message(checked(&message))
            }
            Script::Message(message) => IncomingBody::Message(checked(&message)),
            Script::Stream(messages) => IncomingBody::Stream(items(messages).boxed()),
            Script::StreamThenHang(messages) => {
                IncomingBody::Stream(items(messages).chain(stream::pending()).boxed())
            }
            Script::Hang => std::future::pending().await,
            Script::Fail => return Err(UpstreamFailure::Ended(self.name.clone())),
        };
        Ok(Incoming { status: 200, headers: Vec::new(), body })
    }
}

fn items(
    messages: Vec<String>,
) -> impl futures::Stream<Item = Result<IncomingItem, UpstreamFailure>> + Send + 'static {
    stream::iter(messages.into_iter().map(|message| {
        let original = Some(Bytes::from(format!("data: {message}\n\n")));
        Ok(IncomingItem { event_id: None, message: Some(checked(&message)), original })
    }))
}

#[async_trait]
impl Upstream for Scripted {
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(
        &self,
        outgoing: Outgoing,
        proofs: Proofs,
    ) -> Result<Incoming, UpstreamFailure> {
        assert_eq!(outgoing.body, proofs.screened().body().bytes(), "what leaves was screened");
        self.play(outgoing).await
    }

    async fn relay(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.play(outgoing).await
    }

    async fn open_stream(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.play(outgoing).await
    }

    async fn end_session(&self, _: &str) {}
}

#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// A hall, and what the tests watch.
pub(crate) struct Hall {
    pub(crate) guard: Arc<Guard>,
    pub(crate) upstream: Arc<Scripted>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) vault: Arc<Vault>,
    keys: Arc<MemorySubjectKeys>,
    pub(crate) audit: AuditLog,
    pub(crate) directory: PathBuf,
    _folder: tempfile::TempDir,
}

impl Hall {
    pub(crate) async fn new() -> Self {
        Self::with(GuardConfig::default()).await
    }

    pub(crate) async fn with(config: GuardConfig) -> Self {
        Self::behind(config, None).await
    }

    /// A hall behind a gateway whose callers it accepts.
    pub(crate) async fn behind(config: GuardConfig, gateway: Option<GatewayCallers>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("audit");
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (memory, file_key) = (Memory::new(), Secret::new(vec![7; 32]));
        let store = Arc::new(memory);
        let keys = Arc::new(MemorySubjectKeys::default());
        let opened = SubjectSealer::open(
            store.clone(),
            keys.clone(),
            &file_key,
            clock.clone(),
            Arc::clone(&entropy),
        );
        let sealer = Arc::new(opened.await.unwrap());
        let safe =
            VaultStores { keys: store.clone(), tokens: store.clone(), subjects: sealer.clone() };
        let chance = (clock.clone(), Arc::clone(&entropy));
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), chance.0, chance.1).await;
        let vault = Arc::new(vault.unwrap());
        let stores = Stores {
            users: store.clone(),
            passwords: store.clone(),
            api_keys: store.clone(),
            signing_keys: store.clone(),
            revocations: store.clone(),
            clients: store.clone(),
            grants: store.clone(),
            factors: store,
        };
        let surroundings = Surroundings {
            sealer: sealer.clone(),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
            fetch: Arc::new(NoFetch),
            file_key,
        };
        let mut settings = IdentityConfig::new("https://guard.example");
        settings.gateway = gateway;
        let identity = Arc::new(Identity::open(settings, stores, surroundings).await.unwrap());
        let mut audit = AuditConfig::new(&directory, "test");
        audit.durability = Durability::Kill;
        audit.segment_bytes = 1 << 20;
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let rooms = Rooms {
            identity: identity.clone(),
            audit: audit.clone(),
            sealer: sealer.clone(),
            protector: vault.clone(),
            clock: clock.clone(),
            entropy,
        };
        let guard = Guard::new(rooms, Arc::new(policy()), config);
        let name = UpstreamName::parse("crm").unwrap();
        let upstream = Arc::new(Scripted {
            name,
            script: Mutex::new(Script::Result(r#"{"content":[]}"#)),
            seen: Mutex::new(Vec::new()),
        });
        Self {
            guard,
            upstream,
            clock,
            identity,
            sealer,
            vault,
            keys,
            audit,
            directory,
            _folder: folder,
        }
    }

    pub(crate) fn upstream(&self) -> Arc<dyn Upstream> {
        self.upstream.clone()
    }

    /// A person with `roles` who signed in just now.
    pub(crate) async fn person(&self, subject: &str, roles: &[&str]) -> Principal {
        let sid = self.sealer.sid("https://guard.example", subject).await.unwrap();
        let mut digest = [0; 32];
        let text = format!("{subject} {roles:?}");
        digest.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Principal {
            sid,
            issuer: "https://guard.example".into(),
            subject: subject.into(),
            username: Some(subject.into()),
            name: Some("Kim Min-su".into()),
            email: None,
            roles: Arc::new(roles.iter().map(|role| (*role).to_owned()).collect()),
            groups: Arc::new(BTreeSet::new()),
            scopes: Arc::new(BTreeSet::new()),
            tenant: None,
            claims: Arc::new(serde_json::Value::Null),
            client_id: None,
            means: Means::OwnToken,
            authenticated_at: Some(self.clock.now()),
            credential_id: Some("token-1".into()),
            expires_at: None,
            restriction: None,
            digest,
        }
    }

    pub(crate) async fn call(&self, who: &Principal, call: Call) -> Result<Answer, Refusal> {
        self.guard.handle(who, call, &self.upstream()).await
    }

    pub(crate) async fn relay(
        &self,
        who: &Principal,
        body: &str,
        session: Option<&Arc<str>>,
    ) -> Result<Answer, Refusal> {
        self.guard.relay(who, passage(Some(body), session), &self.upstream()).await
    }

    /// Takes the keys of a person away.
    pub(crate) async fn erase(&self, issuer: &str, id: &str) {
        let sid = self.sealer.sid(issuer, id).await.unwrap();
        self.keys.destroy(&sid, self.clock.now()).await.unwrap();
    }

    /// Every event of the log so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let reader = Reader::open(&self.directory).unwrap();
        reader.entries(0).map(|entry| entry.unwrap().event).collect()
    }

    /// Intents and outcomes as words: `permit`, `deny by STAGE`, and the completion's name.
    pub(crate) fn story(&self) -> Vec<String> {
        let tell = |event: Event| match event {
            Event::Intent(intent) => Some(match intent.stage {
                Some(stage) => format!("{} by {stage}", intent.decision),
                None => intent.decision,
            }),
            Event::Outcome(end) => Some(format!("{:?}", end.completion)),
            _ => None,
        };
        self.events().into_iter().filter_map(tell).collect()
    }

    /// Waits until the story has `length` words.
    pub(crate) async fn story_of(&self, length: usize) -> Vec<String> {
        for _ in 0..500 {
            let story = self.story();
            if story.len() >= length {
                return story;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.story()
    }

    /// The bytes of all segments.
    pub(crate) fn log_bytes(&self) -> Vec<u8> {
        let segments = std::fs::read_dir(self.directory.join("segments")).unwrap();
        segments.flat_map(|segment| std::fs::read(segment.unwrap().path()).unwrap()).collect()
    }
}

fn policy() -> Policy {
    let role = |name: &str, allow: Vec<Rule>| Role { name: name.into(), allow, ..Role::default() };
    let mut admin = role(
        "admin",
        vec![
            Rule::tools("crm:*"),
            Rule::new(RuleKind::Resources, "crm:*"),
            Rule::new(RuleKind::Prompts, "crm:*"),
        ],
    );
    admin.sensitive = vec![SensitiveRule {
        kind: RuleKind::Tools,
        pattern: "crm:delete".into(),
        max_age: Some(Duration::from_secs(300)),
    }];
    let source = PolicySource {
        roles: vec![admin, role("user", vec![Rule::tools("crm:read_*")])],
        upstreams: vec!["crm".into()],
        default_sensitive_max_age: Duration::from_secs(300),
        ..PolicySource::default()
    };
    Policy::compile(&source, 1).expect("the policy compiles").0
}

pub(crate) fn checked(text: &str) -> Checked {
    Checked::new(text.to_owned().into(), &Limits::WIRE).expect("strict JSON")
}

pub(crate) fn call(era: Era, body: &str) -> Call {
    Call {
        upstream: UpstreamName::parse("crm").unwrap(),
        era,
        protocol_version: None,
        body: checked(body),
        session: None,
        headers: Vec::new(),
        origin: Origin::default(),
    }
}

pub(crate) fn tool_call(era: Era, tool: &str, arguments: &str) -> Call {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    );
    call(era, &body)
}

pub(crate) fn passage(body: Option<&str>, session: Option<&Arc<str>>) -> Passage {
    Passage {
        upstream: UpstreamName::parse("crm").unwrap(),
        era: Era::Legacy,
        protocol_version: None,
        body: body.map(checked),
        session: session.cloned(),
        last_event_id: None,
        headers: Vec::new(),
        origin: Origin::default(),
    }
}

/// The one message of an answer.
pub(crate) fn message(answer: Answer) -> String {
    match answer.body {
        AnswerBody::Message(message) => String::from_utf8(message.bytes().to_vec()).unwrap(),
        other => panic!("one message was expected, not {other:?}"),
    }
}

/// The messages of a streamed answer until it ends.
pub(crate) async fn messages(answer: Answer) -> Vec<String> {
    let AnswerBody::Stream(mut stream) = answer.body else { panic!("a stream was expected") };
    let mut messages = Vec::new();
    while let Some(item) = stream.recv().await {
        messages.push(match item {
            AnswerItem::Event(event) => {
                let message = event.message.expect("a message");
                String::from_utf8(message.bytes().to_vec()).unwrap()
            }
            AnswerItem::Refused { refusal, .. } => format!("refused: {}", refusal.word()),
        });
    }
    messages
}
