//! The two doors to an upstream, as whoever carries the bytes must build them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use haechi_audit::Recorded;
use haechi_core::json::Checked;
use haechi_core::rpc::RequestId;
use haechi_core::{Era, Principal, UpstreamName};
use haechi_policy::Permitted;

use crate::SessionPass;
use crate::line::Screened;

/// What every governed request must have before it may leave: a decision, a screening, a record.
///
/// Only [`crate::Guard::handle`] can put one together, because each part has one maker:
///
/// ```compile_fail
/// # fn forged(permitted: haechi_policy::Permitted, recorded: haechi_audit::Recorded) {
/// let proofs = haechi_guard::Proofs { permitted, recorded };
/// # }
/// ```
#[derive(Debug)]
pub struct Proofs {
    pub(crate) permitted: Permitted,
    pub(crate) screened: Screened,
    pub(crate) recorded: Recorded,
}

impl Proofs {
    /// The decision this request leaves under.
    pub const fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// What was screened: the request's body may be no other than this one.
    #[must_use]
    pub const fn screened(&self) -> &Screened {
        &self.screened
    }

    /// The entry that was made durable before it leaves.
    #[must_use]
    pub const fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}

/// One message on its way to an upstream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The era the client speaks.
    pub era: Era,
    /// The revision the client speaks, as `MCP-Protocol-Version` says it; `None` on a legacy
    /// `initialize`, or where the client sent none.
    pub protocol_version: Option<Arc<str>>,
    /// The exact bytes to send: one JSON-RPC message, or nothing for opening and ending streams.
    pub body: Bytes,
    /// The JSON-RPC method; empty for answers to the server's requests.
    pub method: Arc<str>,
    /// The request's id, for requests.
    pub id: Option<RequestId>,
    /// The gateway's session this belongs to: carriers keep the upstream's own session, child or
    /// connection under this key. `None` for stateless requests.
    pub session: Option<Arc<str>>,
    /// Whose calls may share a child or a connection (`per = "person"`): the principal's `sid`.
    pub person: Arc<str>,
    /// The caller, for whom credentials of this gateway are had; `None` where nobody calls.
    pub caller: Option<Principal>,
    /// Headers that go along over HTTP: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`, `Haechi-Caller`,
    /// `traceparent`, `Accept-Language`. Never `Authorization` or cookies.
    pub headers: Vec<(String, String)>,
    /// `Last-Event-ID`, when a stream is resumed.
    pub last_event_id: Option<String>,
}

/// What an upstream answers.
#[derive(Debug)]
pub struct Incoming {
    /// The HTTP status, or what a streamable HTTP server would have said.
    pub status: u16,
    /// Headers that may go to the client. Never cookies, hop-by-hop or session headers.
    pub headers: Vec<(String, String)>,
    /// The messages.
    pub body: IncomingBody,
}

/// The messages of an answer.
pub enum IncomingBody {
    /// No body (202 for notifications, 405 for a GET that is not offered).
    Empty,
    /// One JSON-RPC message (or, at 2025-03-26, a batch), as `application/json`.
    Message(Checked),
    /// A stream of events. Dropping it tells the upstream, where the era says so.
    Stream(BoxStream<'static, Result<IncomingItem, UpstreamFailure>>),
}

impl fmt::Debug for IncomingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Message(_) => "Message",
            Self::Stream(_) => "Stream",
        })
    }
}

/// One event of a stream.
#[derive(Clone, Debug)]
pub struct IncomingItem {
    /// The event id, for resumption.
    pub event_id: Option<String>,
    /// The message; `None` for priming events, comments and `retry`.
    pub message: Option<Checked>,
    /// The event's original bytes, where it came over HTTP; sent on untouched when the message was
    /// not changed.
    pub original: Option<Bytes>,
}

/// Why an upstream gave no answer. The texts are for operators; callers see a fixed sentence.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFailure {
    /// It cannot be reached, or its program cannot be started.
    #[error("the upstream `{upstream}` cannot be reached")]
    Unreachable {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It ended in the middle.
    #[error("the upstream `{0}` ended before it answered")]
    Ended(UpstreamName),
    /// It answered something that is not JSON-RPC, or too large.
    #[error("the upstream `{upstream}` answered with {what}")]
    Nonsense {
        /// Which.
        upstream: UpstreamName,
        /// What was wrong with it; never content.
        what: &'static str,
    },
    /// It did not answer in time.
    #[error("the upstream `{upstream}` did not answer within {limit:?}")]
    TimedOut {
        /// Which.
        upstream: UpstreamName,
        /// The limit.
        limit: Duration,
    },
    /// It does not know this session any more; the client must initialize again.
    #[error("the upstream `{0}` has ended this session")]
    SessionEnded(UpstreamName),
    /// It cannot take more now.
    #[error("the upstream `{0}` cannot take more now")]
    Busy(UpstreamName),
    /// It wants the person's own account there, and none is linked, or not with these scopes.
    #[error("no account at the upstream `{upstream}` is linked for this person")]
    NotLinked {
        /// Which.
        upstream: UpstreamName,
        /// What the link must be good for; empty where the upstream says so itself.
        scopes: Vec<String>,
    },
    /// No credentials for it could be had.
    #[error("no credentials for the upstream `{upstream}` could be had")]
    NoCredentials {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A server behind the guard.
#[async_trait]
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Its name in the settings.
    fn name(&self) -> &UpstreamName;

    /// The first door: a governed request leaves with its proofs. A stream ends with the response;
    /// dropping the answer, or this future, cancels in the modern era and lets go in the legacy one.
    ///
    /// # Errors
    ///
    /// [`UpstreamFailure`]; a JSON-RPC error is an answer, not a failure.
    async fn forward(
        &self,
        outgoing: Outgoing,
        proofs: Proofs,
    ) -> Result<Incoming, UpstreamFailure>;

    /// The second door: `initialize`, `ping`, `server/discover`, notifications, answers to the
    /// server's requests, under a pass.
    ///
    /// # Errors
    ///
    /// As [`Upstream::forward`].
    async fn relay(
        &self,
        outgoing: Outgoing,
        pass: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure>;

    /// Opens the stream of what belongs to a session and no call (HTTP GET), or resumes one.
    ///
    /// # Errors
    ///
    /// As [`Upstream::forward`].
    async fn open_stream(
        &self,
        outgoing: Outgoing,
        pass: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure>;

    /// Ends a session (HTTP DELETE, or its expiry) and frees everything kept for it.
    async fn end_session(&self, session: &str);
}
