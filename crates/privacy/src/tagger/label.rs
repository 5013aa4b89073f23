//! The labels of units of text: outside, or the start or the inside of something sought.

/// Rows of weights are this wide; the last label is never given.
pub const LABELS: usize = 16;

/// The kinds the tagger tells apart. Kind `k` starts with label `2k + 1` and goes on with `2k + 2`.
pub const KINDS: [&str; 7] =
    ["PERSON", "LOCATION", "STREET_ADDRESS", "ORGANIZATION", "DATE_TIME", "NRP", "TITLE"];

/// The label of what is not sought.
pub const OUTSIDE: usize = 0;

/// The label of the first unit of kind `kind`, and of those after it.
#[must_use]
pub fn of_kind(kind: usize, first: bool) -> usize {
    2 * kind + if first { 1 } else { 2 }
}

/// The kind a label belongs to.
#[must_use]
pub fn kind_of(label: usize) -> Option<usize> {
    label.checked_sub(1).map(|label| label / 2).filter(|kind| *kind < KINDS.len())
}

/// Whether `next` may stand right after `before`: an inside follows a start or inside of its kind.
#[must_use]
pub fn may_follow(before: usize, next: usize) -> bool {
    match kind_of(next) {
        None => next == OUTSIDE,
        Some(kind) if next == of_kind(kind, true) => before != LABELS - 1,
        Some(kind) => kind_of(before) == Some(kind),
    }
}
