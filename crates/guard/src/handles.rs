//! Request states and task ids belong to the person who got them.
//!
//! They are passed on untouched, so that an upstream sees exactly what it gave out, and remembered
//! as commitments under the person's key: a changed one, or another person's, is simply unknown.
//! After a restart none is known and all are refused: the client asks anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haechi_core::{Timestamp, UpstreamName};

use crate::bounded::Bounded;

/// Handles remembered at once.
const REMEMBERED: usize = 100_000;

/// How long a request state may be handed back (`protocol` asks for an expiry; ours).
const REQUEST_STATE_LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a task may be asked for after it was last seen.
const TASK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What kind of handle it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HandleKind {
    /// `requestState` of an `input_required` result.
    RequestState,
    /// `taskId`.
    Task,
}

/// A handle as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle {
    pub(crate) kind: HandleKind,
    pub(crate) upstream: UpstreamName,
    /// The commitment of its text under its owner's key.
    pub(crate) commitment: String,
}

/// What a handle was given out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenFor {
    pub(crate) method: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// Who may hand back which handle.
#[derive(Debug)]
pub(crate) struct Handles(Mutex<Bounded<Handle, (GivenFor, Timestamp)>>);

impl Handles {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bounded::new(REMEMBERED)))
    }

    /// Remembers a handle that goes out now.
    pub(crate) fn bind(&self, handle: Handle, given_for: GivenFor, now: Timestamp) {
        let life = match handle.kind {
            HandleKind::RequestState => REQUEST_STATE_LIFE,
            HandleKind::Task => TASK_LIFE,
        };
        self.lock().insert(handle, (given_for, now.after(life)));
    }

    /// What `handle` was given out for; `None` when it is over, changed, or somebody else's.
    pub(crate) fn find(&self, handle: &Handle, now: Timestamp) -> Option<GivenFor> {
        let handles = self.lock();
        let (given_for, until) = handles.get(handle)?;
        (now < *until).then(|| given_for.clone())
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, (_, until)| now < *until);
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<Handle, (GivenFor, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
