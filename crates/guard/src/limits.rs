//! How much a caller may ask of a tool: time, calls at once, calls within a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::{Sid, Timestamp, glob};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bounded::Bounded;

/// Persons and tools whose pace is remembered at once; the least recent are forgotten.
const REMEMBERED: usize = 100_000;

/// What one tool, or every tool of an upstream, allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// How long the upstream may be silent on a call.
    pub timeout: Duration,
    /// Calls under way at once, of all callers together.
    pub concurrency: u32,
    /// Calls of one person within a time; `None` for no limit.
    pub rate: Option<Rate>,
}

/// So many calls of one person within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 lets none through.
    pub calls: u32,
    /// Within which time; they may all come at once.
    pub per: Duration,
}

impl Rate {
    /// So many calls within a minute.
    #[must_use]
    pub const fn per_minute(calls: u32) -> Self {
        Self { calls, per: Duration::from_secs(60) }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            concurrency: 256,
            rate: Some(Rate::per_minute(600)),
        }
    }
}

/// Limits by tool name, with a default for the rest.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// What holds where nothing else is said.
    pub default: CallLimits,
    /// Globs over tool names, the first that matches holds.
    pub tools: Vec<(String, CallLimits)>,
}

impl Limits {
    /// The limits of `tool`, and which rule they come from: 0 for the default, else 1 + its index.
    #[must_use]
    pub fn of(&self, tool: &str) -> (usize, &CallLimits) {
        let found = self.tools.iter().position(|(glob, _)| glob::matches(glob, tool));
        found
            .and_then(|index| Some((index + 1, &self.tools.get(index)?.1)))
            .unwrap_or((0, &self.default))
    }
}

/// Which limit a pace or a place is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rule {
    upstream: Arc<str>,
    index: usize,
}

/// The paces of persons and the places of tools.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the next call is due, since the clock's beginning: finer than its milliseconds, for a
    /// thousand calls may fit into each.
    arrivals: Mutex<Bounded<(Sid, Rule), Duration>>,
    places: Mutex<HashMap<Rule, (u32, Arc<Semaphore>)>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { arrivals: Mutex::new(Bounded::new(REMEMBERED)), places: Mutex::new(HashMap::new()) }
    }

    /// Counts one call of `sid`; `Err` says when the next may come.
    ///
    /// The generic cell rate algorithm: a call is early when its theoretical arrival lies more than
    /// one time's allowance ahead, so all calls of that time may come at once, and no more.
    pub(crate) fn arrive(
        &self,
        sid: &Sid,
        upstream: &Arc<str>,
        (index, limits): (usize, &CallLimits),
        now: Timestamp,
    ) -> Result<(), Duration> {
        let Some(Rate { calls, per }) = limits.rate else { return Ok(()) };
        let Some(spacing) = per.checked_div(calls) else { return Err(per) };
        let now = Duration::from_millis(now.as_millis());
        let key = (sid.clone(), Rule { upstream: Arc::clone(upstream), index });
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let due = arrivals.get(&key).copied().unwrap_or(now).max(now);
        let ahead = due.saturating_sub(now).saturating_add(spacing);
        if ahead > per {
            return Err(ahead.saturating_sub(per));
        }
        arrivals.insert(key, due.saturating_add(spacing));
        Ok(())
    }

    /// Takes one of the tool's places, free again when the permit is dropped; `None` when all are
    /// taken.
    pub(crate) fn enter(
        &self,
        upstream: &Arc<str>,
        (index, limits): (usize, &CallLimits),
    ) -> Option<OwnedSemaphorePermit> {
        let rule = Rule { upstream: Arc::clone(upstream), index };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || (limits.concurrency, new_places(limits.concurrency));
        let entry = places.entry(rule).or_insert_with(fresh);
        if entry.0 != limits.concurrency {
            *entry = fresh();
        }
        Arc::clone(&entry.1).try_acquire_owned().ok()
    }
}

fn new_places(count: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(
        usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_calls_may_come_at_once_and_the_next_waits() {
        let pace = Pace::new();
        let (sid, upstream) = (Sid("s".into()), Arc::from("crm"));
        let limits = CallLimits { rate: Some(Rate::per_minute(3)), ..CallLimits::default() };
        let now = Timestamp(1_000_000);
        for _ in 0..3 {
            assert_eq!(pace.arrive(&sid, &upstream, (0, &limits), now), Ok(()));
        }
        let wait = pace.arrive(&sid, &upstream, (0, &limits), now);
        assert_eq!(wait, Err(Duration::from_secs(20)));
        assert_eq!(pace.arrive(&Sid("other".into()), &upstream, (0, &limits), now), Ok(()));
        let later = now.after(Duration::from_secs(20));
        assert_eq!(pace.arrive(&sid, &upstream, (0, &limits), later), Ok(()));
        assert!(pace.arrive(&sid, &upstream, (0, &limits), later).is_err());
    }

    #[test]
    fn a_rate_holds_for_any_time_and_finer_than_the_clock() {
        let (sid, upstream) = (Sid("s".into()), Arc::from("crm"));
        let start = Timestamp(1_000_000);
        for (calls, per_ms) in [(10, 1_000), (5_000, 1_000), (3, 3_600_000), (1, 100)] {
            let pace = Pace::new();
            let rate = Some(Rate { calls, per: Duration::from_millis(per_ms) });
            let limits = CallLimits { rate, ..CallLimits::default() };
            let passes = |now| pace.arrive(&sid, &upstream, (0, &limits), now).is_ok();
            let passed = (0..calls * 2).filter(|_| passes(start)).count();
            assert_eq!(u32::try_from(passed), Ok(calls), "{calls} in {per_ms}");
            let later = start.after(Duration::from_millis(per_ms));
            let passed = (0..calls * 2).filter(|_| passes(later)).count();
            assert_eq!(u32::try_from(passed), Ok(calls), "{calls} in {per_ms}, afterwards");
        }
    }

    #[test]
    fn a_limit_of_none_at_all_refuses_everything() {
        let pace = Pace::new();
        let rate = Some(Rate::per_minute(0));
        let none = CallLimits { rate, concurrency: 0, ..CallLimits::default() };
        let upstream = Arc::from("crm");
        assert!(pace.arrive(&Sid("s".into()), &upstream, (0, &none), Timestamp(1)).is_err());
        assert!(pace.enter(&upstream, (0, &none)).is_none());
    }

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let pace = Pace::new();
        let (upstream, one) =
            (Arc::from("crm"), CallLimits { concurrency: 1, ..CallLimits::default() });
        let place = pace.enter(&upstream, (0, &one));
        assert!(place.is_some());
        assert!(pace.enter(&upstream, (0, &one)).is_none());
        drop(place);
        assert!(pace.enter(&upstream, (0, &one)).is_some());
    }
}
