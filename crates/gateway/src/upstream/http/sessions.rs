//! The upstream's own session ids, under ours. They never reach a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_core::Principal;

/// Longest session id of an upstream, in bytes.
const MAX_ID_BYTES: usize = 1024;

/// A session at the upstream, and who opened it: only in that name may it be ended.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: Arc<str>,
    pub(super) caller: Option<Principal>,
}

/// Our session → the upstream's id for it.
#[derive(Debug)]
pub(super) struct Sessions {
    max: usize,
    opened: Mutex<HashMap<Arc<str>, Opened>>,
}

/// Whether an upstream's id has the form of one: visible ASCII (2025-11-25, session management).
pub(super) fn is_well_formed(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Sessions {
    pub(super) fn new(max: usize) -> Self {
        Self { max, opened: Mutex::default() }
    }

    /// Keeps what was `opened` under `session`; `false` when there is no room.
    pub(super) fn keep(&self, session: Arc<str>, opened: Opened) -> bool {
        let mut all = self.lock();
        let fits = all.len() < self.max || all.contains_key(&session);
        if fits {
            all.insert(session, opened);
        }
        fits
    }

    pub(super) fn find(&self, session: &str) -> Option<Arc<str>> {
        self.lock().get(session).map(|opened| Arc::clone(&opened.id))
    }

    pub(super) fn take(&self, session: &str) -> Option<Opened> {
        self.lock().remove(session)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
