//! The upstream's own session ids, under ours. They never reach a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest session id of an upstream, in bytes.
const MAX_ID_BYTES: usize = 1024;

/// Our session → the upstream's id for it.
#[derive(Debug)]
pub(super) struct Sessions {
    max: usize,
    ids: Mutex<HashMap<Arc<str>, Arc<str>>>,
}

/// Whether an upstream's id has the form of one: visible ASCII (2025-11-25, session management).
pub(super) fn is_well_formed(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Sessions {
    pub(super) fn new(max: usize) -> Self {
        Self { max, ids: Mutex::default() }
    }

    /// Keeps `id` under `session`; `false` when there is no room.
    pub(super) fn keep(&self, session: Arc<str>, id: Arc<str>) -> bool {
        let mut ids = self.lock();
        let fits = ids.len() < self.max || ids.contains_key(&session);
        if fits {
            ids.insert(session, id);
        }
        fits
    }

    pub(super) fn find(&self, session: &str) -> Option<Arc<str>> {
        self.lock().get(session).cloned()
    }

    pub(super) fn take(&self, session: &str) -> Option<Arc<str>> {
        self.lock().remove(session)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<str>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
