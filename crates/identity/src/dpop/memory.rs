//! The memory of used proofs in this process, bounded.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use haechi_core::{ReplayError, ReplayMemory, Thumbprint, Timestamp};

/// One sender may use up this part of the room, so that it cannot keep all others out.
const SHARE: usize = 16;

/// Remembers what was used for one lifetime at least and two at most.
#[derive(Debug)]
pub(crate) struct InMemory {
    lifetime: Duration,
    most: usize,
    used: Mutex<Used>,
}

/// What was used: now, and in the time before.
#[derive(Debug, Default)]
struct Used {
    since: Timestamp,
    now: Generation,
    before: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    used: HashSet<(Thumbprint, [u8; 32])>,
    senders: HashMap<Thumbprint, usize>,
}

impl InMemory {
    /// `lifetime` is the longest for which anything must be remembered; `most` bounds what is used
    /// within one.
    pub(crate) fn new(lifetime: Duration, most: usize) -> Self {
        Self { lifetime, most, used: Mutex::default() }
    }

    fn note(
        &self,
        sender: Thumbprint,
        used: [u8; 32],
        now: Timestamp,
    ) -> Result<bool, ReplayError> {
        let mut known = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= known.since.after(self.lifetime) {
            known.before = std::mem::take(&mut known.now);
            known.since = now;
        }
        let key = (sender, used);
        if known.before.used.contains(&key) || known.now.used.contains(&key) {
            return Ok(false);
        }
        let known = &mut known.now;
        let of_sender = known.senders.get(&sender).copied().unwrap_or(0);
        if known.used.len() >= self.most || of_sender >= self.most.div_ceil(SHARE) {
            return Err(ReplayError::Full);
        }
        known.senders.insert(sender, of_sender + 1);
        Ok(known.used.insert(key))
    }
}

#[async_trait]
impl ReplayMemory for InMemory {
    /// `until` must lie within the lifetime that this memory was made for.
    async fn first_use(
        &self,
        sender: &Thumbprint,
        used: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ReplayError> {
        if until.since(now) > self.lifetime {
            return Err(ReplayError::Full);
        }
        self.note(*sender, *used, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(100);
    const START: Timestamp = Timestamp(1_000_000);

    fn sender(n: u8) -> Thumbprint {
        Thumbprint([n; 32])
    }

    fn note(memory: &InMemory, from: u8, used: u8, after_secs: u64) -> Result<bool, ReplayError> {
        memory.note(sender(from), [used; 32], START.after(Duration::from_secs(after_secs)))
    }

    #[test]
    fn what_was_used_is_remembered_for_its_lifetime() {
        let memory = InMemory::new(LIFETIME, 64);
        assert!(note(&memory, 1, 1, 0).unwrap());
        for secs in [0, 1, 99, 100, 199] {
            assert!(!note(&memory, 1, 1, secs).unwrap(), "{secs}");
        }
        assert!(note(&memory, 2, 1, 199).unwrap(), "another sender may call its own so");
        assert!(note(&memory, 1, 1, 200).unwrap(), "its life is long over");
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        let memory = InMemory::new(LIFETIME, 2);
        assert!(note(&memory, 1, 1, 0).unwrap());
        assert!(note(&memory, 2, 2, 0).unwrap());
        assert!(matches!(note(&memory, 3, 3, 0), Err(ReplayError::Full)));
        assert!(!note(&memory, 1, 1, 0).unwrap());
        assert!(note(&memory, 3, 3, 100).unwrap(), "there is room again");
    }

    #[test]
    fn one_sender_cannot_fill_it_for_all() {
        let memory = InMemory::new(LIFETIME, 32);
        assert!(note(&memory, 1, 1, 0).unwrap());
        assert!(note(&memory, 1, 2, 0).unwrap());
        assert!(matches!(note(&memory, 1, 3, 0), Err(ReplayError::Full)));
        assert!(note(&memory, 2, 3, 0).unwrap());
    }
}
