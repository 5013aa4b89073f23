//! The features of one unit, as rows in the table of weights.

use super::hash;

/// As many features as one unit may have.
pub(super) const MOST: usize = 48;

/// The rows of one unit's features, kept without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    rows: [u32; MOST],
    count: usize,
}

impl Default for Features {
    fn default() -> Self {
        Self { rows: [0; MOST], count: 0 }
    }
}

impl Features {
    /// The hashes, to be cut to the size of the table.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        self.rows.get(..self.count).unwrap_or_default()
    }

    /// Forgets all, for the next unit.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Adds feature `number` with two values; what is too much is left out.
    #[inline]
    pub(super) fn add(&mut self, number: u64, one: u64, two: u64) {
        if let Some(row) = self.rows.get_mut(self.count) {
            *row = hash::feature(number, one, two);
            self.count += 1;
        }
    }
}
