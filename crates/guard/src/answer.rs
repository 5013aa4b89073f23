//! What goes back to the caller.

use haechi_core::json::Checked;
use bytes::Bytes;
use tokio::sync::mpsc;

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

/// One event for the caller.
#[derive(Clone, Debug)]
pub struct AnswerItem {
    /// The event id, for resumption.
    pub event_id: Option<String>,
    /// The message; `None` for priming events, comments and `retry`.
    pub message: Option<Checked>,
    /// The original event, when nothing of it was changed.
    pub original: Option<Bytes>,
}
