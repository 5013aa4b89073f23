//! From a changed copy of a text back to the text.

use std::ops::Range;

/// Where a copy differs from its source. Between the changes both run in step.
#[derive(Clone, Debug, Default)]
pub(super) struct Offsets(Vec<Change>);

/// `source` became `copy`; both ascend from one change to the next.
#[derive(Clone, Debug)]
struct Change {
    copy: Range<usize>,
    source: Range<usize>,
}

impl Offsets {
    pub(super) fn push(&mut self, copy: Range<usize>, source: Range<usize>) {
        self.0.push(Change { copy, source });
    }

    /// The bytes of the source that `range` of the copy came from. A change is taken whole.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        if self.0.is_empty() {
            return range.clone();
        }
        let start = self.locate(range.start, false);
        start..self.locate(range.end, true).max(start)
    }

    /// Whether `range` of the copy holds a change.
    pub(super) fn touches(&self, range: &Range<usize>) -> bool {
        let first = self.0.partition_point(|change| change.copy.end <= range.start);
        self.0.get(first).is_some_and(|change| change.copy.start < range.end)
    }

    fn locate(&self, at: usize, is_end: bool) -> usize {
        // An end belongs to what precedes it, a start to what follows.
        let before =
            |change: &Change| if is_end { change.copy.start < at } else { change.copy.start <= at };
        let count = self.0.partition_point(before);
        let Some(change) = count.checked_sub(1).and_then(|last| self.0.get(last)) else {
            return at;
        };
        if at < change.copy.end || (is_end && at == change.copy.end) {
            return if is_end { change.source.end } else { change.source.start };
        }
        change.source.end + (at - change.copy.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_whole_and_the_rest_runs_in_step() {
        // Source "ab%41cd", copy "abAcd".
        let mut offsets = Offsets::default();
        offsets.push(2..3, 2..5);
        assert_eq!(offsets.source(&(0..2)), 0..2);
        assert_eq!(offsets.source(&(1..3)), 1..5);
        assert_eq!(offsets.source(&(2..3)), 2..5);
        assert_eq!(offsets.source(&(3..5)), 5..7);
    }

    #[test]
    fn what_was_removed_belongs_to_neither_side() {
        // Source "a__b", copy "ab".
        let mut offsets = Offsets::default();
        offsets.push(1..1, 1..3);
        assert_eq!(offsets.source(&(0..1)), 0..1);
        assert_eq!(offsets.source(&(1..2)), 3..4);
        assert_eq!(offsets.source(&(0..2)), 0..4);
    }
}
