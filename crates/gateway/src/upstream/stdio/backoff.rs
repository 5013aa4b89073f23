//! How soon a child that keeps dying is started again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// A child that lived this long was no failed start.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// Doubles the wait after each child that died soon after its start.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// How long no child may be started yet; `None` when one may.
    pub(super) fn wait(&self) -> Option<Duration> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// A child ended by itself after `lived`.
    pub(super) fn note_death(&self, lived: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lived >= LONG_ENOUGH {
            *state = State::default();
            return;
        }
        let wait = FIRST.saturating_mul(1 << state.failures.min(10)).min(LONGEST);
        state.failures = state.failures.saturating_add(1);
        state.until = Some(Instant::now() + wait);
    }

    /// The last death was no fault: the child did not know what it was asked.
    pub(super) fn forgive(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_early_death_doubles_the_wait_and_a_long_life_ends_it() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(), None);
        for expected_ms in [250, 500, 1000, 2000] {
            backoff.note_death(Duration::from_secs(1));
            assert_eq!(backoff.wait(), Some(Duration::from_millis(expected_ms)));
        }
        for _ in 0..100 {
            backoff.note_death(Duration::ZERO);
        }
        assert_eq!(backoff.wait(), Some(LONGEST));
        tokio::time::advance(LONGEST).await;
        assert_eq!(backoff.wait(), None);
        backoff.note_death(LONG_ENOUGH);
        assert_eq!(backoff.wait(), None);
        backoff.note_death(Duration::ZERO);
        backoff.forgive();
        assert_eq!(backoff.wait(), None);
    }
}
