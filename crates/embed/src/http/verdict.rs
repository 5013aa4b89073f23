//! What the guard says of a request, told to the layer around the server: only the layer can turn a
//! refusal into a status and a challenge.

use std::sync::{Arc, Mutex, PoisonError};

use haechi_guard::Refusal;
use tokio::sync::oneshot;

/// What the guard said.
#[derive(Debug)]
pub(crate) enum Said {
    /// The request goes on.
    Passed,
    /// The request is refused.
    Refused(Box<Refusal>),
}

/// Where the guard says it. Clones are one: the first word holds.
#[derive(Clone, Debug)]
pub(crate) struct Verdict(Arc<Mutex<Option<oneshot::Sender<Said>>>>);

impl Verdict {
    pub(crate) fn awaited() -> (Self, oneshot::Receiver<Said>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    pub(crate) fn pass(&self) {
        // Whoever asked may be gone.
        self.sender().map(|sender| sender.send(Said::Passed));
    }

    /// Whether the layer takes the refusal over; else it comes back, to be told in the answer.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Result<(), Refusal> {
        let Some(sender) = self.sender() else { return Err(refusal) };
        sender.send(Said::Refused(Box::new(refusal))).map_err(|said| match said {
            Said::Refused(refusal) => *refusal,
            Said::Passed => Refusal::Unavailable(None),
        })
    }

    fn sender(&self) -> Option<oneshot::Sender<Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
