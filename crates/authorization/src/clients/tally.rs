//! How often each of many asks within a window of time, in bounded room.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::Timestamp;
use quick_cache::sync::Cache;

/// How many are counted at once; of more, those seen least are forgotten.
const REMEMBERED: usize = 4096;

/// Since when, and how often since.
type Count = Arc<Mutex<(Timestamp, u32)>>;

/// Counts each `K`.
pub(crate) struct Tally<K> {
    counts: Cache<K, Count>,
    window: Duration,
    most: u32,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Lets each come `most` times within `window`.
    pub(crate) fn new(most: u32, window: Duration) -> Self {
        Self { counts: Cache::new(REMEMBERED), window, most }
    }

    /// Counts one more of `key`, and answers whether it may come.
    pub(crate) fn admits(&self, key: &K, now: Timestamp) -> bool {
        let new = || Ok::<_, std::convert::Infallible>(Count::new(Mutex::new((now, 0))));
        let Ok(count) = self.counts.get_or_insert_with(key, new);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, often) = *count;
        // A clock that was set back begins anew.
        let same = now >= since && now < since.after(self.window);
        *count = if same { (since, often.saturating_add(1)) } else { (now, 1) };
        count.1 <= self.most
    }
}

impl<K> fmt::Debug for Tally<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_so_often_within_a_window_and_again_in_the_next() {
        let tally = Tally::new(2, Duration::from_secs(60));
        let at = |secs: u64| Timestamp::from_secs(1000 + secs);
        assert!(tally.admits(&"a", at(0)) && tally.admits(&"a", at(59)));
        assert!(!tally.admits(&"a", at(59)));
        assert!(tally.admits(&"b", at(59)), "another is not held to it");
        assert!(tally.admits(&"a", at(60)));
        assert!(tally.admits(&"a", at(0)), "a clock that was set back begins anew");
    }
}
