//! How often each of many asks within a window of time, in bounded room.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
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

impl Tally<Option<IpAddr>> {
    /// Counts one more from where `address` is.
    pub(crate) fn admits_from(&self, address: Option<IpAddr>, now: Timestamp) -> bool {
        self.admits(&address.map(connection), now)
    }
}

/// What one connection to the net is given: an address of IPv4, a /64 of IPv6, in which everybody
/// chooses addresses for itself.
fn connection(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
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

    #[test]
    fn whoever_has_a_network_of_its_own_is_counted_as_one() {
        let tally = Tally::new(1, Duration::from_secs(60));
        let comes = |address: &str| {
            tally.admits_from(Some(address.parse().unwrap()), Timestamp::from_secs(1000))
        };
        assert!(comes("2001:db8:1:2::1"));
        assert!(!comes("2001:db8:1:2:ffff::9"), "the same network");
        assert!(comes("2001:db8:1:3::1"), "another one");
        assert!(comes("192.0.2.7") && comes("192.0.2.8"));
        assert!(!comes("::ffff:192.0.2.7"), "however it is written");
        assert!(tally.admits_from(None, Timestamp::from_secs(1000)));
    }
}
