//! How failed sign-ins slow the next one down, without locking anybody out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use haechi_core::Timestamp;
use quick_cache::unsync::Cache;

use crate::Lockout;

/// Counts attempts by (username, address prefix) and by username. The scheme stands at
/// [`crate::SignInAttempt`].
#[derive(Debug)]
pub(crate) struct Throttle {
    lockout: Lockout,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    pairs: Cache<Key, Pair>,
    names: Cache<Key, Name>,
}

type Key = [u8; 32];

/// One username from one prefix.
#[derive(Clone, Copy, Debug)]
struct Pair {
    failures: u32,
    /// The last attempt that was tried, or when the prefix was first seen.
    last: Timestamp,
    not_before: Timestamp,
    /// The user signed in from here before.
    known_good: bool,
}

/// One username from everywhere it is not known from.
#[derive(Clone, Copy, Debug)]
struct Name {
    failures: u32,
    last: Timestamp,
}

/// An attempt that may be tried. It counts as failed until it is said to have succeeded, so that
/// many at once do not slip through together.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt {
    pair: Key,
    name: Key,
    counted_by_name: bool,
}

impl Throttle {
    pub(crate) fn new(lockout: Lockout) -> Self {
        let entries = lockout.entries.max(16);
        let counts = Counts { pairs: Cache::new(entries), names: Cache::new(entries) };
        Self { lockout, counts: Mutex::new(counts) }
    }

    /// Lets an attempt begin, or says how long to wait. Waiting attempts do not count.
    pub(crate) fn begin(
        &self,
        username: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let (pair_key, name_key) = (key(username, prefix(address)), key(username, None));
        let mut counts = self.counts();
        let mut pair = self.current(counts.pairs.get(&pair_key).copied(), now);
        let name = counts.names.get(&name_key).copied();
        let mut name = name
            .filter(|name| !self.is_forgotten(name.last, now))
            .unwrap_or(Name { failures: 0, last: now });
        let suspicion =
            if pair.known_good { Duration::ZERO } else { self.suspicion(name.failures) };
        let earliest = pair.not_before.max(pair.last.after(suspicion));
        let wait = earliest.since(now);
        if !wait.is_zero() {
            counts.pairs.insert(pair_key, pair);
            return Err(whole_seconds(wait));
        }
        pair.failures = pair.failures.saturating_add(1);
        pair.last = now;
        pair.not_before = now.after(self.delay(pair.failures));
        counts.pairs.insert(pair_key, pair);
        if !pair.known_good {
            name = Name { failures: name.failures.saturating_add(1), last: now };
            counts.names.insert(name_key, name);
        }
        Ok(Attempt { pair: pair_key, name: name_key, counted_by_name: !pair.known_good })
    }

    /// The attempt succeeded: this prefix is known for this user from now on, and its failures are
    /// nobody's any more.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: Timestamp) {
        let mut counts = self.counts();
        let failures = counts.pairs.get(&attempt.pair).map_or(0, |pair| pair.failures);
        let good = Pair { failures: 0, last: now, not_before: now, known_good: true };
        counts.pairs.insert(attempt.pair, good);
        if attempt.counted_by_name {
            counts.lower(&attempt.name, failures);
        }
    }

    /// Nothing was tried after all.
    pub(crate) fn abandoned(&self, attempt: &Attempt) {
        let mut counts = self.counts();
        if let Some(mut pair) = counts.pairs.get(&attempt.pair).copied() {
            pair.failures = pair.failures.saturating_sub(1);
            pair.not_before = pair.last;
            counts.pairs.insert(attempt.pair, pair);
        }
        if attempt.counted_by_name {
            counts.lower(&attempt.name, 1);
        }
    }

    /// The count as it stands now: forgotten after a time, though never that the user was here.
    fn current(&self, known: Option<Pair>, now: Timestamp) -> Pair {
        let fresh = Pair { failures: 0, last: now, not_before: now, known_good: false };
        match known {
            Some(pair) if self.is_forgotten(pair.last, now) => {
                Pair { known_good: pair.known_good, ..fresh }
            }
            Some(pair) => pair,
            None => fresh,
        }
    }

    fn is_forgotten(&self, last: Timestamp, now: Timestamp) -> bool {
        now.since(last) >= self.lockout.forget_after
    }

    /// The delay after `failures` from one prefix.
    fn delay(&self, failures: u32) -> Duration {
        let over = failures.saturating_sub(self.lockout.free_attempts);
        doubled(self.lockout.first_delay, over).min(self.lockout.max_delay)
    }

    /// What a strange prefix has to wait after `failures` from elsewhere.
    fn suspicion(&self, failures: u32) -> Duration {
        let over = failures.saturating_sub(self.lockout.suspicion_after);
        doubled(self.lockout.first_delay, over).min(self.lockout.max_suspicion_delay)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn lower(&mut self, key: &Key, by: u32) {
        if let Some(name) = self.names.get(key).copied() {
            let failures = name.failures.saturating_sub(by);
            self.names.insert(*key, Name { failures, ..name });
        }
    }
}

/// `first` for one, twice that for two, and so on; nothing for none.
fn doubled(first: Duration, times: u32) -> Duration {
    match times.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => first.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)),
    }
}

/// `Retry-After` counts whole seconds.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        .max(Duration::from_secs(1))
}

/// What one household or company shares: /24 of IPv4, /48 of IPv6. No address is this machine.
fn prefix(address: Option<IpAddr>) -> Option<IpAddr> {
    match address?.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some(Ipv4Addr::new(a, b, c, 0).into())
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into())
        }
    }
}

/// Usernames are kept as hashes: what strangers typed must not stand in memory for an hour.
fn key(username: &str, prefix: Option<IpAddr>) -> Key {
    let mut context = Context::new(&SHA256);
    context.update(prefix.map(|prefix| prefix.to_string()).unwrap_or_default().as_bytes());
    context.update(&[0]);
    context.update(username.as_bytes());
    let mut key = [0; 32];
    key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    key
}

#[cfg(test)]
mod tests;
