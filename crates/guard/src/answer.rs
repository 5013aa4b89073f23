//! What goes back to the caller.

use bytes::Bytes;
use haechi_core::json::Checked;
use haechi_core::rpc::RequestId;
use tokio::sync::mpsc;

use crate::Refusal;

/// An answer on its way to the caller. The outcome was recorded before its last byte is handed out.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers of the upstream that may pass.
    pub headers: Vec<(String, String)>,
    /// The messages.
    pub body: AnswerBody,
}

/// The messages of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// No body.
    Empty,
    /// One message, or a batch.
    Message(Checked),
    /// A stream of events. Dropping the receiver is the caller's hang-up.
    Stream(mpsc::Receiver<AnswerItem>),
}

/// What a stream brings.
#[derive(Debug)]
pub enum AnswerItem {
    /// One event.
    Event(AnswerEvent),
    /// The call failed after its stream had begun: to be said as the JSON-RPC error that answers
    /// `id`. Nothing follows.
    Refused {
        /// The request that is answered so.
        id: RequestId,
        /// Why.
        refusal: Refusal,
    },
}

/// One event for the caller.
#[derive(Clone, Debug)]
pub struct AnswerEvent {
    /// The event id, for resumption.
    pub event_id: Option<String>,
    /// The message; `None` for priming events, comments and `retry`.
    pub message: Option<Checked>,
    /// The original event, when nothing of it was changed.
    pub original: Option<Bytes>,
}
