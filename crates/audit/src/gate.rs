//! Why calls are refused though the log could be written.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::RecordError;

/// What closes the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Entries do not read as they were written.
    Changed,
    /// No checkpoint could be written for too long.
    Unsigned,
    /// No witness has seen the log for too long, and the settings want one.
    Unwitnessed,
}

impl Trouble {
    const ALL: [(Self, RecordError); 3] = [
        (Self::Changed, RecordError::Changed),
        (Self::Unsigned, RecordError::Unsigned),
        (Self::Unwitnessed, RecordError::Unwitnessed),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Open while nothing is wrong.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

impl Gate {
    /// Refuses calls from here on; answers whether this reason is new.
    pub(crate) fn close(&self, why: Trouble) -> bool {
        self.0.fetch_or(why.bit(), Ordering::Relaxed) & why.bit() == 0
    }

    /// Takes one reason back.
    pub(crate) fn open(&self, why: Trouble) {
        self.0.fetch_and(!why.bit(), Ordering::Relaxed);
    }

    /// Why calls are refused.
    pub(crate) fn refusal(&self) -> Option<RecordError> {
        let closed = self.0.load(Ordering::Relaxed);
        let found = Trouble::ALL.iter().find(|(trouble, _)| closed & trouble.bit() != 0);
        found.map(|(_, error)| *error)
    }
}
