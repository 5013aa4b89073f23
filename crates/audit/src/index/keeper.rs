//! Makes the indexes of full segments while there is nothing better to do.
//!
//! It is a thread of the writer's process that holds no lock of the log: it reads files that nobody
//! writes any more, so no acknowledgement ever waits for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::{Whole, build, keep, kept, tidy};
use crate::segment;

/// The bell of the thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    stopping: AtomicBool,
    turn: Mutex<bool>,
    bell: Condvar,
}

impl Keeper {
    /// One whose first turn comes at once.
    pub(crate) fn new() -> Self {
        Self { stopping: AtomicBool::new(false), turn: Mutex::new(true), bell: Condvar::new() }
    }

    /// Says that a segment may have become full.
    pub(crate) fn ring(&self) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Ends the thread; what it was making is left.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// The thread's work, until it is stopped.
    pub(crate) fn run(&self, log: &Path) {
        step_back();
        while !self.stops() {
            self.wait();
            self.work(log);
        }
    }

    fn wait(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_while(turn, |turn| !*turn);
        *waited.unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn work(&self, log: &Path) {
        let Ok(segments) = segment::list(&segment::directory(log)) else { return };
        tidy(log, &segments);
        let ends = segments.iter().skip(1).map(|(first, _)| *first);
        let full: Vec<_> = segments.iter().zip(ends).collect();
        // Newest first: that is what is asked for most.
        for ((first, path), end) in full.into_iter().rev() {
            if self.stops() {
                return;
            }
            if kept(log, *first, end).is_none() {
                self.make(log, *first, end, path);
            }
        }
    }

    fn make(&self, log: &Path, first: u64, end: u64, path: &Path) {
        let built = build(path, first, Some(end), &Whole, &|| self.stops());
        let Ok(built) = built else { return };
        if !built.stopped
            && built.problem.is_none()
            && let Some(bytes) = built.content.encode()
        {
            keep(log, first, &bytes);
        }
    }

    fn stops(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Lets every other thread go first. Where threads have no priority of their own, nothing is done.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(19) {
        tracing::debug!(kind = %error.kind(), "the thread that makes indexes keeps its priority");
    }
}
