//! How much a caller may ask of a tool: time, calls at once, calls a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::{Sid, Timestamp};
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
    /// Calls of one person within a minute; `None` for no limit.
    pub per_minute: Option<u32>,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), concurrency: 256, per_minute: Some(600) }
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
        let found = self.tools.iter().position(|(glob, _)| glob_matches(glob, tool));
        found
            .and_then(|index| Some((index + 1, &self.tools.get(index)?.1)))
            .unwrap_or((0, &self.default))
    }
}

/// Whether `text` fits `glob`, in which `*` stands for any run of characters.
pub(crate) fn glob_matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(first) = parts.next() else { return text.is_empty() };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
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
    arrivals: Mutex<Bounded<(Sid, Rule), Timestamp>>,
    places: Mutex<HashMap<Rule, (u32, Arc<Semaphore>)>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { arrivals: Mutex::new(Bounded::new(REMEMBERED)), places: Mutex::new(HashMap::new()) }
    }

    /// Counts one call of `sid`; `Err` says when the next may come.
    ///
    /// The generic cell rate algorithm: a call is early when its theoretical arrival lies more than
    /// one minute's allowance ahead, so a whole minute's calls may come at once, and no more.
    pub(crate) fn arrive(
        &self,
        sid: &Sid,
        upstream: &Arc<str>,
        (index, limits): (usize, &CallLimits),
        now: Timestamp,
    ) -> Result<(), Duration> {
        let Some(per_minute) = limits.per_minute else { return Ok(()) };
        let Some(spacing) = Duration::from_secs(60).checked_div(per_minute) else {
            return Err(Duration::from_secs(60));
        };
        let key = (sid.clone(), Rule { upstream: Arc::clone(upstream), index });
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let due = arrivals.get(&key).copied().unwrap_or(now).max(now);
        let ahead = due.since(now) + spacing;
        if ahead > Duration::from_secs(60) {
            return Err(ahead.saturating_sub(Duration::from_secs(60)));
        }
        arrivals.insert(key, due.after(spacing));
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
    fn a_glob_matches_whole_names() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("read_*", "read_file", true),
            ("read_*", "reread_file", false),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("", "x", false),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn a_minutes_calls_may_come_at_once_and_the_next_waits() {
        let pace = Pace::new();
        let (sid, upstream) = (Sid("s".into()), Arc::from("crm"));
        let limits = CallLimits { per_minute: Some(3), ..CallLimits::default() };
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
    fn a_limit_of_none_at_all_refuses_everything() {
        let pace = Pace::new();
        let none = CallLimits { per_minute: Some(0), concurrency: 0, ..CallLimits::default() };
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
