//! One question at a time about one thing: whoever asks the same meanwhile waits for its answer.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::cache::Key;

type Cell<T> = Arc<OnceCell<T>>;

/// Questions that are under way, by what they are about.
pub(crate) struct Flights<T>(Mutex<HashMap<Key, Cell<T>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T: Clone> Flights<T> {
    /// What `ask` answers, or what somebody else who is asking about `key` is told. When that one
    /// hangs up, the next in line asks.
    pub(crate) async fn join(&self, key: Key, ask: impl Future<Output = T>) -> T {
        let seat = Seat::take(self, key);
        let cell = seat.cell.as_ref().map_or_else(Cell::default, Arc::clone);
        let answer = cell.get_or_init(|| ask).await.clone();
        drop(cell);
        answer
    }
}

impl<T> Flights<T> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Cell<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a flight, given up on every way out.
struct Seat<'a, T> {
    flights: &'a Flights<T>,
    key: Key,
    cell: Option<Cell<T>>,
}

impl<'a, T> Seat<'a, T> {
    fn take(flights: &'a Flights<T>, key: Key) -> Self {
        let cell = Arc::clone(flights.under_way().entry(key).or_default());
        Self { flights, key, cell: Some(cell) }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        let Some(mine) = self.cell.take() else { return };
        let Some(cell) = under_way.get(&self.key).filter(|cell| Arc::ptr_eq(cell, &mine)) else {
            return;
        };
        let answered = cell.initialized();
        drop(mine);
        if answered || Arc::strong_count(cell) == 1 {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_the_same_at_once_cause_one_question() {
        let (flights, asked) = (Flights::default(), AtomicU64::new(0));
        let ask = || async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            asked.fetch_add(1, Ordering::SeqCst)
        };
        let (a, b, other) = tokio::join!(
            flights.join([1; 32], ask()),
            flights.join([1; 32], ask()),
            flights.join([2; 32], ask()),
        );
        assert_eq!(a, b);
        assert_ne!(a, other);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert!(flights.under_way().is_empty());
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_question_to_the_next_and_nothing_behind() {
        let flights = Flights::default();
        let never = flights.join([1; 32], std::future::pending());
        let second = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            flights.join([1; 32], async { 7 }).await
        };
        let hung_up = tokio::time::timeout(Duration::from_millis(20), never);
        let (first, second) = tokio::join!(hung_up, second);
        assert!(first.is_err());
        assert_eq!(second, 7);
        assert!(flights.under_way().is_empty());
        let alone = flights.join([3; 32], std::future::pending());
        assert!(tokio::time::timeout(Duration::from_millis(1), alone).await.is_err());
        assert!(flights.under_way().is_empty());
    }
}
