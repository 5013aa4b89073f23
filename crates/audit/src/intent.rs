//! An intent that was recorded, and what is owed for it.

use std::sync::Arc;

use haechi_core::{Completion, Conclusion, Timestamp};

use crate::entry;
use crate::error::RecordError;
use crate::shared::{Shared, conclusion};

/// Proof that an intent was recorded, as durably as the settings say, or that the operator said it
/// need not be.
///
/// Only [`crate::AuditLog::intend`] and [`crate::AuditLog::dangerously_waive`] make one. It cannot be
/// made up,
///
/// ```compile_fail,E0451
/// let proof = haechi_audit::Recorded { entry: None };
/// ```
///
/// used twice,
///
/// ```compile_fail,E0382
/// fn twice(proof: haechi_audit::Recorded) -> [haechi_audit::Recorded; 2] {
///     [proof, proof]
/// }
/// ```
///
/// copied
///
/// ```compile_fail,E0277
/// fn copied<T: Clone>() {}
/// copied::<haechi_audit::Recorded>();
/// ```
///
/// or taken out of nowhere.
///
/// ```compile_fail,E0277
/// fn nowhere<T: Default>() {}
/// nowhere::<haechi_audit::Recorded>();
/// ```
#[derive(Debug)]
pub struct Recorded {
    /// Where it stands; `None` for a call that the operator wants no entry of.
    entry: Option<(u64, Arc<str>)>,
}

impl Recorded {
    pub(crate) const fn new(sequence: u64, node: Arc<str>) -> Self {
        Self { entry: Some((sequence, node)) }
    }

    pub(crate) const fn waived() -> Self {
        Self { entry: None }
    }

    /// Whether there is no entry, by the operator's word.
    #[must_use]
    pub const fn is_waived(&self) -> bool {
        self.entry.is_none()
    }

    /// The intent's sequence number in its log; `None` when the entry was waived.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.entry.as_ref().map(|(sequence, _)| *sequence)
    }

    /// What finds the entry again: `NODE-SEQUENCE`; `None` when it was waived.
    #[must_use]
    pub fn entry_id(&self) -> Option<String> {
        self.entry.as_ref().map(|(sequence, node)| entry::id(node, *sequence))
    }
}

/// An intent that has no end yet. Dropped without one, it is recorded as `interrupted`: nothing is
/// made up.
#[must_use = "an intent that is dropped is recorded as interrupted"]
#[derive(Debug)]
pub struct OpenIntent {
    shared: Arc<Shared>,
    sequence: u64,
    at: Timestamp,
    open: bool,
}

impl OpenIntent {
    pub(crate) const fn new(shared: Arc<Shared>, sequence: u64, at: Timestamp) -> Self {
        Self { shared, sequence, at, open: true }
    }

    /// The intent's sequence number in its log.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Records how the call ended. When this returns, the kernel has the entry: it survives
    /// `kill -9`, and a power cut from the next group on. `conclusion.intent` is filled in here.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the entry is not in the file. It is not lost: it is written as soon as
    /// the log can be, or closed as `interrupted` when the process ends before.
    pub fn conclude(mut self, conclusion: Conclusion) -> Result<(), RecordError> {
        self.open = false;
        self.shared.finish(self.sequence, conclusion)
    }

    /// Records that the call did not leave, because its intent could not be recorded.
    pub(crate) fn withdraw(mut self) {
        self.end(Completion::Refused);
    }

    fn end(&mut self, completion: Completion) {
        self.open = false;
        let took = self.shared.around.clock.now().since(self.at);
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // A failure here is the log's own state, which health shows; the end stays owed.
        let _ =
            self.shared.finish(self.sequence, conclusion(self.sequence, completion, duration_us));
    }
}

impl Drop for OpenIntent {
    fn drop(&mut self) {
        if self.open {
            self.end(Completion::Interrupted);
        }
    }
}
