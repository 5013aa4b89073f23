//! Real rooms behind a gateway of three upstreams under the tests' control.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use haechi_audit::Reader;
use haechi_core::json::{Checked, Limits};
use haechi_core::{Clock, Era, Event, ManualClock, Means, Origin, Principal, Sealer, UpstreamName};
use haechi_guard::{
    Answer, AnswerBody, AnswerItem, Guard, GuardConfig, Incoming, IncomingBody, IncomingItem,
    Outgoing, Passage, Proofs, Refusal, SessionLimits, SessionPass, Upstream, UpstreamFailure,
};
use haechi_policy::{Policy, PolicySource, Role, Rule, RuleKind};
use haechi_vault::SubjectSealer;

use super::super::Together;
use crate::test_rooms::TestRooms;

pub(super) const IDLE: Duration = Duration::from_secs(60);

/// What an upstream does when a method is called; `$id` stands for the request's id.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Answers with this result.
    Result(String),
    /// Answers with this error code, and HTTP 400.
    Error(i64),
    /// Streams these messages with event ids from 1, and ends.
    Stream(Vec<String>),
    /// Streams these messages, and then nothing for ever.
    Open(Vec<String>),
    /// Fails.
    Fail,
    /// The session is not known there any more.
    Ended,
}

/// One upstream of the tests; what nobody told it, it does not know.
#[derive(Debug)]
pub(super) struct Scripted {
    name: UpstreamName,
    replies: Mutex<HashMap<String, Vec<Reply>>>,
    pub(super) seen: Mutex<Vec<Outgoing>>,
    pub(super) ended: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: UpstreamName::parse(name).unwrap(),
            replies: Mutex::default(),
            seen: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    /// From now on replies so; several in turn, the last one for ever.
    pub(super) fn on(&self, method: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        self.replies.lock().unwrap().insert(method.to_owned(), replies);
    }

    pub(super) fn answers(&self, method: &str, result: &str) {
        self.on(method, [Reply::Result(result.to_owned())]);
    }

    /// The bodies of this method that arrived.
    pub(super) fn bodies(&self, method: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let of_method = seen.iter().filter(|outgoing| &*outgoing.method == method);
        of_method.map(|outgoing| String::from_utf8(outgoing.body.to_vec()).unwrap()).collect()
    }

    fn reply(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
        let id = outgoing.id.as_ref().map_or_else(|| "null".into(), |id| id.raw().to_owned());
        let reply = {
            let mut replies = self.replies.lock().unwrap();
            let in_turn = replies.get_mut(&*outgoing.method);
            in_turn.and_then(|turn| {
                if turn.len() > 1 { Some(turn.remove(0)) } else { turn.first().cloned() }
            })
        };
        let told = outgoing.id.is_none() || outgoing.method.is_empty();
        let opens = outgoing.body.is_empty();
        self.seen.lock().unwrap().push(outgoing);
        let (status, body) = match reply {
            None if opens => (405, IncomingBody::Empty),
            None if told => (202, IncomingBody::Empty),
            None => (200, message(&error(&id, -32601))),
            Some(Reply::Error(code)) => (400, message(&error(&id, code))),
            Some(Reply::Result(result)) => {
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                (200, message(&text))
            }
            Some(Reply::Stream(texts)) => (200, IncomingBody::Stream(items(texts, &id).boxed())),
            Some(Reply::Open(texts)) => {
                (200, IncomingBody::Stream(items(texts, &id).chain(stream::pending()).boxed()))
            }
            Some(Reply::Fail) => return Err(UpstreamFailure::Ended(self.name.clone())),
            Some(Reply::Ended) => return Err(UpstreamFailure::SessionEnded(self.name.clone())),
        };
        Ok(Incoming { status, headers: Vec::new(), body })
    }
}

fn error(id: &str, code: i64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#)
}

fn message(text: &str) -> IncomingBody {
    IncomingBody::Message(checked(text))
}

fn items(
    texts: Vec<String>,
    id: &str,
) -> impl futures::Stream<Item = Result<IncomingItem, UpstreamFailure>> + Send + 'static {
    let id = id.to_owned();
    stream::iter(texts.into_iter().zip(1..).map(move |(text, number)| {
        let text = text.replace("$id", &id);
        let original = Some(Bytes::from(format!("id: {number}\ndata: {text}\n\n")));
        let event_id = Some(number.to_string());
        Ok(IncomingItem { event_id, message: Some(checked(&text)), original })
    }))
}

#[async_trait]
impl Upstream for Scripted {
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        self.reply(outgoing)
    }

    async fn relay(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.reply(outgoing)
    }

    async fn open_stream(
        &self,
        mut outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        outgoing.method = "GET".into();
        self.reply(outgoing)
    }

    async fn end_session(&self, session: &str) {
        self.ended.lock().unwrap().push(session.to_owned());
    }
}

/// Everything, with the upstreams `crm`, `files` and `old`.
pub(super) struct Hall {
    pub(super) together: Arc<Together>,
    pub(super) guard: Arc<Guard>,
    pub(super) crm: Arc<Scripted>,
    pub(super) files: Arc<Scripted>,
    pub(super) old: Arc<Scripted>,
    pub(super) clock: Arc<ManualClock>,
    sealer: Arc<SubjectSealer>,
    folder: tempfile::TempDir,
}

impl Hall {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let TestRooms { rooms, clock, sealer } = TestRooms::open(folder.path(), |_| {}).await;
        let sessions = SessionLimits { idle: IDLE, ..SessionLimits::default() };
        let config = GuardConfig { sessions, ..GuardConfig::default() };
        let guard = Guard::new(rooms, Arc::new(policy()), config);
        let [crm, files, old] = ["crm", "files", "old"].map(Scripted::new);
        let all: Vec<Arc<dyn Upstream>> = vec![crm.clone(), files.clone(), old.clone()];
        let together = Together::new(Arc::clone(&guard), all);
        Self { together, guard, crm, files, old, clock, sealer, folder }
    }

    /// A person with `roles`.
    pub(super) async fn person(&self, subject: &str, roles: &[&str]) -> Principal {
        let mut digest = [0; 32];
        let text = format!("{subject} {roles:?}");
        digest.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Principal {
            sid: self.sealer.sid("https://guard.example", subject).await.unwrap(),
            issuer: "https://guard.example".into(),
            subject: subject.into(),
            username: Some(subject.into()),
            name: None,
            email: None,
            roles: Arc::new(roles.iter().map(|role| (*role).to_owned()).collect()),
            groups: Arc::new(BTreeSet::new()),
            scopes: Arc::new(BTreeSet::new()),
            tenant: None,
            claims: Arc::new(serde_json::Value::Null),
            client_id: None,
            means: Means::OwnToken,
            authenticated_at: Some(self.clock.now()),
            credential_id: None,
            expires_at: None,
            restriction: None,
            digest,
        }
    }

    pub(super) async fn modern(&self, who: &Principal, body: &str) -> Result<Answer, Refusal> {
        let version = Some("2026-07-28".into());
        let passage =
            Passage { era: Era::Modern, protocol_version: version, ..passage(body, None) };
        self.together.post(who, passage).await
    }

    pub(super) async fn legacy(
        &self,
        who: &Principal,
        session: &Arc<str>,
        body: &str,
    ) -> Result<Answer, Refusal> {
        self.together.post(who, passage(body, Some(session))).await
    }

    /// A session in which `crm` agreed on 2025-11-25, `files` on 2025-06-18, and `old` on nothing.
    pub(super) async fn session(&self, who: &Principal) -> Arc<str> {
        let agree =
            |version: &str| format!(r#"{{"protocolVersion":"{version}","capabilities":{{}}}}"#);
        self.crm.answers("initialize", &agree("2025-11-25"));
        self.files.answers("initialize", &agree("2025-06-18"));
        let opened = self.together.initialize(who, passage(INITIALIZE, None)).await;
        opened.unwrap().1.expect("a session")
    }

    /// Opens the session's own stream, or resumes one.
    pub(super) async fn stream(
        &self,
        who: &Principal,
        session: &Arc<str>,
        last_event_id: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let last_event_id = last_event_id.map(str::to_owned);
        let passage = Passage { body: None, last_event_id, ..passage("{}", Some(session)) };
        self.together.stream(who, passage).await
    }

    /// Ends what was idle for too long, as the gateway does every few seconds.
    pub(super) async fn sweep(&self) {
        let all: Vec<Arc<dyn Upstream>> =
            vec![self.together.clone(), self.crm.clone(), self.files.clone(), self.old.clone()];
        let of = |name: &UpstreamName| all.iter().find(|one| one.name() == name).cloned();
        self.guard.sweep(&of).await;
    }

    /// Decisions and outcomes so far: `crm permit call_tool`, `Answered`.
    pub(super) fn story(&self) -> Vec<String> {
        let reader = Reader::open(&self.folder.path().join("audit")).unwrap();
        let tell = |event: Event| match event {
            Event::Intent(intent) => {
                let (of, what) = (intent.upstream, intent.action.as_str());
                Some(format!("{of} {} {what}", intent.decision).trim().to_owned())
            }
            Event::Outcome(end) => Some(format!("{:?}", end.completion)),
            _ => None,
        };
        reader.entries(0).filter_map(|entry| tell(entry.unwrap().event)).collect()
    }
}

pub(super) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

pub(super) fn passage(body: &str, session: Option<&Arc<str>>) -> Passage {
    Passage {
        upstream: UpstreamName("".into()),
        era: Era::Legacy,
        protocol_version: None,
        body: Some(checked(body)),
        session: session.cloned(),
        last_event_id: None,
        headers: Vec::new(),
        origin: Origin::default(),
    }
}

/// `admin` may everything everywhere; `user` everything of `crm`, and to read with `files`.
fn policy() -> Policy {
    let role = |name: &str, allow: Vec<Rule>| Role { name: name.into(), allow, ..Role::default() };
    let all = |pattern: &str| {
        let kinds = [RuleKind::Tools, RuleKind::Resources, RuleKind::Prompts, RuleKind::Other];
        kinds.map(|kind| Rule::new(kind, pattern)).to_vec()
    };
    let mut user = all("crm:*");
    user.extend([Rule::tools("files:read"), Rule::new(RuleKind::Resources, "files:file:*")]);
    let source = PolicySource {
        roles: vec![role("admin", all("*")), role("user", user)],
        upstreams: vec!["crm".into(), "files".into(), "old".into()],
        ..PolicySource::default()
    };
    Policy::compile(&source, 1).expect("the policy of the tests").0
}

pub(super) fn checked(text: &str) -> Checked {
    Checked::new(text.to_owned().into(), &Limits::WIRE).expect("strict JSON")
}

/// The one message of an answer, as JSON.
pub(super) fn told(answer: Answer) -> serde_json::Value {
    match answer.body {
        AnswerBody::Message(message) => serde_json::from_slice(message.bytes()).unwrap(),
        other => panic!("one message was expected, not {other:?}"),
    }
}

/// The next item of a streamed answer: its event id and its message, or the refusal's word.
pub(super) async fn next(answer: &mut Answer) -> Option<(Option<String>, String)> {
    let AnswerBody::Stream(stream) = &mut answer.body else { panic!("a stream was expected") };
    let item = tokio::time::timeout(Duration::from_secs(10), stream.recv()).await.unwrap()?;
    Some(match item {
        AnswerItem::Event(event) => {
            let text = event.message.expect("a message").text().raw().to_owned();
            if let (Some(original), Some(id)) = (event.original, &event.event_id) {
                assert_eq!(original, format!("id: {id}\ndata: {text}\n\n"));
            }
            (event.event_id, text)
        }
        AnswerItem::Refused { refusal, .. } => (None, refusal.word().to_owned()),
    })
}

/// Every message of a streamed answer until it ends.
pub(super) async fn all(mut answer: Answer) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some((_, text)) = next(&mut answer).await {
        messages.push(text);
    }
    messages
}
