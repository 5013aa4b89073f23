//! What the audit log is told. Personal data stands here sealed or committed, never in clear.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Action, Commitment, Era, Means, Sealed, Sid};

/// The name of a parameter, with the commitment of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterName {
    /// Its name as sent, cut to 128 bytes.
    pub name: String,
    /// Commitment of the exact text of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
}

/// How often one kind of personal data stood at one place, and what was done with it. Never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCount {
    /// The kind, such as `EMAIL_ADDRESS`.
    pub kind: Arc<str>,
    /// JSON pointer of the leaf, array positions and personal member names written `*`, cut to 128
    /// bytes.
    pub path: String,
    /// How many.
    pub count: u32,
    /// What was done: `allow`, `refuse`, `mask`, `redact`, `hash`, `tokenize`, `encrypt`, `format`,
    /// `generalize`, `restore`.
    pub action: Arc<str>,
}

/// Who, as every entry about a caller says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// What was opened, closed or handed over.
    pub kind: OpeningKind,
    /// The upstream.
    pub upstream: Arc<str>,
    /// The person.
    pub sid: Sid,
    /// By what means the caller proved itself.
    pub means: Means,
    /// The protocol's era.
    pub era: Era,
    /// Where from, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
    /// Which client, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Sealed>,
}

/// What happened to a session or stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpeningKind {
    /// `initialize` or `server/discover` was let through.
    SessionOpened,
    /// The session ended: by its owner, by expiry, or with its upstream.
    SessionClosed,
    /// A stream was opened (GET, or `subscriptions/listen`).
    StreamOpened,
    /// A stream ended.
    StreamClosed,
    /// A child process was started for this person.
    ChildStarted,
    /// A child process ended.
    ChildEnded,
}

/// A call is about to leave, or was refused before it could: who wants what, and what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The person.
    pub sid: Sid,
    /// Name, e-mail and username, sealed together as one JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Sealed>,
    /// By what means the caller proved itself.
    pub means: Means,
    /// Id of the token or API key, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Sealed>,
    /// Roles at that moment.
    pub roles: Vec<String>,
    /// Where from, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
    /// Which client, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Sealed>,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The route it came in by.
    pub route: String,
    /// The protocol's era.
    pub era: Era,
    /// The upstream.
    pub upstream: String,
    /// What is asked.
    pub action: Action,
    /// The JSON-RPC method.
    pub method: String,
    /// Tool, prompt or task; for a resource its scheme and a commitment stand in `parameters`.
    pub name: String,
    /// Whether the tool is sensitive.
    pub sensitive: bool,
    /// Names of the parameters and commitments of their values, in the order sent, at most 64.
    pub parameters: Vec<ParameterName>,
    /// `permit` or `deny`.
    pub decision: String,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// The stage that refused, when it was not policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What must stay unseen and stood in the call, or was opened for it; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingCount>,
    /// Version of the policies that decided.
    pub policy_epoch: u64,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// W3C trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completion {
    /// The upstream answered with a result.
    Answered,
    /// The upstream answered with a result that says `isError`.
    ToolError,
    /// The upstream answered with a JSON-RPC error.
    Error,
    /// The upstream asks for more input (`input_required`).
    InputRequired,
    /// The upstream made a task of it.
    Task,
    /// Refused by this gateway.
    Refused,
    /// The caller hung up or cancelled.
    Cancelled,
    /// The upstream did not answer in time.
    TimedOut,
    /// The upstream failed, died, or answered nonsense.
    UpstreamFailed,
    /// This gateway was stopped or killed before it knew the end. Written on recovery.
    Interrupted,
    /// The power was cut: whether there was an end is not known. Written on recovery.
    OutcomeUnknown,
}

/// How one intent ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// The intent's sequence number in this log.
    pub intent: u64,
    /// How it ended.
    pub completion: Completion,
    /// JSON-RPC error code, for errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// Microseconds from reading the call to this outcome.
    pub duration_us: u64,
    /// Bytes of the answer that went to the caller.
    pub response_bytes: u64,
    /// Messages that went to the caller.
    pub messages: u32,
    /// What must stay unseen and stood in what came back; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingCount>,
    /// Commitment of the final message's exact text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Commitment>,
}

/// A sign-in that succeeded or failed for a known person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The person.
    pub sid: Sid,
    /// Whether it succeeded.
    pub success: bool,
    /// Why not, a fixed word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where from, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
}

/// Something an administrator changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administration {
    /// Who: the person, or the operating-system user of the command line, by sid.
    pub sid: Sid,
    /// The act: `user.add`, `key.rotate`, `stop.tool`, `settings.reload`, …
    pub act: String,
    /// To what: a sid, key id, tool or file name; never personal data in clear.
    pub object: String,
    /// What of it changed: names of fields, not values, except roles and tools.
    pub detail: Vec<String>,
}

/// Somebody asked to see what a protected text holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// Who asked.
    pub sid: Sid,
    /// The kind of value; empty when it was never known.
    pub kind: Arc<str>,
    /// Commitment of the protected text, under the asker.
    pub text: Commitment,
    /// Whom the value is about, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Sid>,
    /// What for: one of the purposes that the settings name.
    pub purpose: String,
    /// The asker's own words about it, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Sealed>,
    /// Whether it was shown.
    pub success: bool,
    /// Why not, a fixed word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What happened to tokens of the own authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenActKind {
    /// A person agreed to what a client asked for.
    Approved,
    /// A token was issued.
    Issued,
    /// Somebody who is known was refused one.
    Refused,
    /// A token, or everything that follows from a grant, was revoked.
    Revoked,
}

/// Something that happened to tokens of the own authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAct {
    /// Whom the tokens speak for: a person, or the client itself.
    pub sid: Sid,
    /// What happened.
    pub act: TokenActKind,
    /// The client.
    pub client_id: String,
    /// How the client came to it (`grant_type`); empty where it was no such request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub grant_type: String,
    /// What for.
    pub scopes: Vec<String>,
    /// Where (RFC 8707).
    pub resources: Vec<String>,
    /// Why, a fixed word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "an event lives for one encoding; a box costs more")]
pub enum Event {
    /// A call wants to leave.
    Intent(Intent),
    /// A call ended.
    Outcome(Conclusion),
    /// A session, stream or child was opened or closed.
    Session(Opening),
    /// Somebody signed in, or tried.
    SignIn(SignIn),
    /// Something was administered.
    Administration(Administration),
    /// Somebody asked to see what a protected text holds.
    Reveal(Reveal),
    /// Tokens were issued, refused or revoked.
    Token(TokenAct),
    /// Refusals before anybody was known, counted for one second.
    RefusalCount {
        /// Address prefix: /24 of IPv4, /48 of IPv6.
        prefix: Option<IpAddr>,
        /// The route.
        route: String,
        /// The reason, a fixed word.
        reason: String,
        /// How many.
        count: u64,
        /// The second, since 1970-01-01T00:00:00Z.
        second: u64,
    },
    /// The writer of this log started or stopped.
    Log {
        /// `started`, `stopped`, `recovered`; `alive` when nothing else happened for a minute;
        /// `lost` when this log begins in place of one that lost entries.
        state: String,
        /// The program's version.
        version: String,
        /// The machine's boot id, where it tells one: it parts a kill from a power cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
        /// What was lost, as `word:number`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        detail: Vec<String>,
    },
}
