//! Whose session is whose: `rmcp` keeps sessions and does not ask who names them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use haechi_core::{Sid, Timestamp};
use haechi_guard::SessionLimits;

/// Who opened a session, and when it was last named.
#[derive(Debug)]
struct Owner {
    sid: Sid,
    used_at: Timestamp,
}

/// The owners of sessions. Who is silent for too long is forgotten; so a session is never another
/// person's, and at worst nobody's.
#[derive(Debug)]
pub(super) struct Owners {
    limits: SessionLimits,
    owners: Mutex<HashMap<String, Owner>>,
}

impl Owners {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, owners: Mutex::default() }
    }

    /// Whether `sid` may open one more.
    pub(super) fn has_room(&self, sid: &Sid, now: Timestamp) -> bool {
        let mut owners = self.lock();
        let own = |owners: &HashMap<String, Owner>| {
            owners.values().filter(|owner| owner.sid == *sid).count()
        };
        if owners.len() < self.limits.total && own(&owners) < self.limits.per_person {
            return true;
        }
        owners.retain(|_, owner| now.since(owner.used_at) <= self.limits.idle);
        owners.len() < self.limits.total && own(&owners) < self.limits.per_person
    }

    /// Remembers who opened `session`.
    pub(super) fn bind(&self, session: &str, sid: &Sid, now: Timestamp) {
        self.lock().insert(session.to_owned(), Owner { sid: sid.clone(), used_at: now });
    }

    /// Whether `session` stands and is of `sid`.
    pub(super) fn is_of(&self, session: &str, sid: &Sid, now: Timestamp) -> bool {
        let mut owners = self.lock();
        match owners.get_mut(session) {
            Some(owner) if owner.sid == *sid && now.since(owner.used_at) <= self.limits.idle => {
                owner.used_at = now;
                true
            }
            _ => false,
        }
    }

    pub(super) fn forget(&self, session: &str) {
        self.lock().remove(session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sid(name: &str) -> Sid {
        Sid(name.into())
    }

    #[test]
    fn a_session_is_its_owners_until_it_was_idle_for_too_long() {
        let idle = Duration::from_secs(60);
        let owners = Owners::new(SessionLimits { per_person: 1, total: 2, idle });
        let (start, later) = (Timestamp::from_secs(100), Timestamp::from_secs(161));
        owners.bind("one", &sid("a"), start);
        assert!(owners.is_of("one", &sid("a"), start));
        assert!(!owners.is_of("one", &sid("b"), start));
        assert!(!owners.is_of("two", &sid("a"), start));
        assert!(!owners.is_of("one", &sid("a"), later));
    }

    #[test]
    fn nobody_opens_more_than_the_limits_allow() {
        let idle = Duration::from_secs(60);
        let owners = Owners::new(SessionLimits { per_person: 1, total: 2, idle });
        let (start, later) = (Timestamp::from_secs(100), Timestamp::from_secs(161));
        owners.bind("one", &sid("a"), start);
        assert!(!owners.has_room(&sid("a"), start));
        assert!(owners.has_room(&sid("b"), start));
        owners.bind("two", &sid("b"), start);
        assert!(!owners.has_room(&sid("c"), start));
        assert!(owners.has_room(&sid("c"), later));
    }
}
