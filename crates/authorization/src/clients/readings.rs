//! What was read at addresses of strangers, and for how long it is believed.
//!
//! Whoever asks chooses the address, so nothing asked may cause more than one reading of it at a
//! time, a reading counts before it starts (a caller that hangs up cannot take it back), a failure
//! is remembered too, and one host is not asked often whatever addresses it has.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Fetched, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, Semaphore};

use super::error::DocumentError;
use super::tally::Tally;

/// What is read is believed this long at least, however often its server would have it read.
pub(crate) const AT_LEAST: Duration = Duration::from_secs(60);
/// And this long where its server says nothing.
const UNSAID: Duration = Duration::from_secs(300);
/// And this long at most: then whoever changed it is heard.
pub(crate) const AT_MOST: Duration = Duration::from_secs(3600);
/// A failure is believed this long.
pub(crate) const FAILED: Duration = Duration::from_secs(30);
/// How many readings are remembered.
const REMEMBERED: usize = 1024;
/// How many are under way at once.
const AT_ONCE: usize = 16;
/// How often one host is asked within a minute.
const PER_MINUTE: u32 = 30;

/// Readings of one kind.
pub(crate) struct Readings<T> {
    known: Cache<String, Arc<Mutex<Option<Reading<T>>>>>,
    hosts: Tally<String>,
    under_way: Semaphore,
}

struct Reading<T> {
    outcome: Result<Arc<T>, DocumentError>,
    read_at: Timestamp,
    /// Exclusive.
    until: Timestamp,
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self {
            known: Cache::new(REMEMBERED),
            hosts: Tally::new(PER_MINUTE, Duration::from_secs(60)),
            under_way: Semaphore::new(AT_ONCE),
        }
    }
}

impl<T> fmt::Debug for Readings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings").finish_non_exhaustive()
    }
}

/// One address, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The address.
    pub(crate) url: &'a str,
    /// Its host.
    pub(crate) host: &'a str,
    /// The present moment.
    pub(crate) now: Timestamp,
}

impl<T> Readings<T> {
    /// What stands at an address: as it was read a moment ago, or read now. What `suffices` does not
    /// take is read again, though not within a minute.
    pub(crate) async fn read(
        &self,
        asked: Asked<'_>,
        suffices: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<(T, Fetched), DocumentError>>,
    ) -> Result<Arc<T>, DocumentError> {
        let Asked { url, now, .. } = asked;
        let slot = self.slot(url);
        // INVARIANT: whoever holds the slot is the only one who reads this address.
        let mut slot = slot.lock().await;
        if let Some(reading) = &*slot {
            let recent = now >= reading.read_at && now < reading.read_at.after(AT_LEAST);
            let enough = reading.outcome.as_ref().map_or(true, |value| suffices(value)) || recent;
            // A clock that was set back must not make a reading last longer.
            if now >= reading.read_at && now < reading.until && enough {
                return reading.outcome.clone();
            }
        }
        let Ok(_seat) = self.under_way.try_acquire() else { return Err(DocumentError::Busy) };
        if !self.hosts.admits(&asked.host.to_owned(), now) {
            return Err(DocumentError::Busy);
        }
        let until = now.after(FAILED);
        *slot = Some(Reading { outcome: Err(DocumentError::Busy), read_at: now, until });
        let (outcome, until) = match fetch.await {
            Ok((value, fetched)) => (Ok(Arc::new(value)), now.after(believed(&fetched))),
            Err(error) => (Err(error), until),
        };
        *slot = Some(Reading { outcome: outcome.clone(), read_at: now, until });
        outcome
    }

    fn slot(&self, url: &str) -> Arc<Mutex<Option<Reading<T>>>> {
        if let Some(slot) = self.known.get(url) {
            return slot;
        }
        let made = self.known.get_or_insert_with::<_, std::convert::Infallible>(url, || {
            Ok(Arc::new(Mutex::new(None)))
        });
        let Ok(slot) = made;
        slot
    }
}

/// How long a document is believed (RFC 9111 §5.2.2.1), within bounds.
fn believed(fetched: &Fetched) -> Duration {
    fetched.max_age_secs.map_or(UNSAID, Duration::from_secs).clamp(AT_LEAST, AT_MOST)
}
