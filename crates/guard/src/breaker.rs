//! The circuit breaker: an upstream that keeps failing is left alone for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::Timestamp;

/// When to leave an upstream alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Failures in a row that open the circuit; 0 never opens it.
    pub failures: u32,
    /// How long it stays open before one call may try.
    pub pause: Duration,
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures: 10, pause: Duration::from_secs(10) }
    }
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    open_until: Option<Timestamp>,
}

/// One circuit for each upstream.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<HashMap<Arc<str>, Circuit>>);

impl Breaker {
    /// Lets a call through, or says how long the upstream is still left alone. When the pause is
    /// over one call goes through as a trial, and the next must wait for its end.
    pub(crate) fn admit(
        &self,
        upstream: &Arc<str>,
        rule: BreakerRule,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(circuit) = circuits.get_mut(upstream) else { return Ok(()) };
        let Some(until) = circuit.open_until else { return Ok(()) };
        if now < until {
            return Err(until.since(now));
        }
        circuit.open_until = Some(now.after(rule.pause));
        Ok(())
    }

    /// Notes how a call went.
    pub(crate) fn note(&self, upstream: &Arc<str>, rule: BreakerRule, ok: bool, now: Timestamp) {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ok {
            circuits.remove(upstream);
            return;
        }
        let circuit = circuits.entry(Arc::clone(upstream)).or_default();
        circuit.failures = circuit.failures.saturating_add(1);
        if rule.failures > 0 && circuit.failures >= rule.failures {
            circuit.open_until = Some(now.after(rule.pause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_after_failures_in_a_row_and_one_trial_closes_it() {
        let (breaker, name) = (Breaker::default(), Arc::from("crm"));
        let rule = BreakerRule { failures: 2, pause: Duration::from_secs(10) };
        let now = Timestamp(1_000);
        breaker.note(&name, rule, false, now);
        assert_eq!(breaker.admit(&name, rule, now), Ok(()));
        breaker.note(&name, rule, false, now);
        assert_eq!(breaker.admit(&name, rule, now), Err(Duration::from_secs(10)));
        let later = now.after(Duration::from_secs(10));
        assert_eq!(breaker.admit(&name, rule, later), Ok(()), "the trial");
        assert!(breaker.admit(&name, rule, later).is_err(), "others wait for its end");
        breaker.note(&name, rule, true, later);
        assert_eq!(breaker.admit(&name, rule, later), Ok(()));
    }
}
