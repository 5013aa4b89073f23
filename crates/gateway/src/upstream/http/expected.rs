//! What an upstream can answer with.

use haechi_core::Era;
use haechi_core::rpc::{RequestId, method};
use haechi_guard::Outgoing;

/// What an answer can be.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// The answer to a request.
    Answer {
        id: RequestId,
        era: Era,
        /// Whether its stream may be silent for as long as nothing happens.
        may_wait: bool,
    },
    /// Nothing but an acknowledgement.
    Acknowledgement,
    /// A stream of what belongs to no call, or a resumed one.
    Stream,
}

impl Expected {
    /// What answers `outgoing`.
    pub(super) fn of(outgoing: &Outgoing) -> Self {
        let may_wait = &*outgoing.method == method::SUBSCRIPTIONS_LISTEN;
        match &outgoing.id {
            Some(id) => Self::Answer { id: id.clone(), era: outgoing.era, may_wait },
            None => Self::Acknowledgement,
        }
    }
}
