//! Counting without knowing beforehand what will be counted.

use std::collections::HashMap;

/// So many things are told apart; what is met later goes into the rest.
const MOST: usize = 20_000;
/// As much of a name is told apart, in bytes: whoever calls chooses the names of tools.
const LONGEST_NAME_BYTES: usize = 256;

/// What can be counted together.
pub trait Counted: Default {
    /// What it is ordered by: the most first.
    fn weight(&self) -> u64;
}

impl Counted for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

impl Counted for super::Person {
    fn weight(&self) -> u64 {
        self.sensitive
    }
}

/// Counts by name, in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top<T> {
    counts: HashMap<String, T>,
    rest: u64,
}

impl<T: Counted> Top<T> {
    /// Where `name` is counted; `None` where there are too many names, which is counted as well.
    pub(super) fn at(&mut self, name: &str) -> Option<&mut T> {
        let end = (0..=LONGEST_NAME_BYTES.min(name.len())).rev();
        let end = end.into_iter().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        let name = name.get(..end).unwrap_or_default();
        if !self.counts.contains_key(name) {
            if self.counts.len() >= MOST {
                self.rest += 1;
                return None;
            }
            self.counts.insert(name.to_owned(), T::default());
        }
        self.counts.get_mut(name)
    }

    /// How many names were told apart.
    #[must_use]
    pub fn names(&self) -> usize {
        self.counts.len()
    }

    /// What happened under names past those that were told apart.
    #[must_use]
    pub const fn rest(&self) -> u64 {
        self.rest
    }

    /// The `most` heaviest, heaviest first and then by name, and how much weight is left out.
    #[must_use]
    pub fn heaviest(&self, most: usize) -> (Vec<(&str, &T)>, u64) {
        let mut all: Vec<(&str, &T)> =
            self.counts.iter().map(|(name, count)| (name.as_str(), count)).collect();
        all.sort_by(|(a, one), (b, other)| other.weight().cmp(&one.weight()).then(a.cmp(b)));
        let left = all.iter().skip(most).map(|(_, count)| count.weight()).sum::<u64>();
        all.truncate(most);
        (all, left.saturating_add(self.rest))
    }

    /// All weight.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().map(Counted::weight).sum::<u64>().saturating_add(self.rest)
    }

    /// What was counted under `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&T> {
        self.counts.get(name)
    }
}

impl Top<u64> {
    /// Counts `more` of `name`.
    pub(super) fn add(&mut self, name: &str, more: u64) {
        match self.at(name) {
            Some(count) => *count = count.saturating_add(more),
            // One was counted already.
            None => self.rest = self.rest.saturating_add(more.saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_come_first_and_nothing_is_lost() {
        let mut top = Top::<u64>::default();
        for (name, count) in [("a", 2), ("b", 5), ("c", 2), ("d", 1)] {
            top.add(name, count);
        }
        assert_eq!(top.heaviest(3), (vec![("b", &5), ("a", &2), ("c", &2)], 1));
        assert_eq!(top.total(), 10);
    }

    #[test]
    fn long_names_are_kept_as_far_as_they_are_told_apart() {
        let mut top = Top::<u64>::default();
        for end in ["a", "b"] {
            top.add(&format!("{}{end}", "\u{d574}".repeat(20_000)), 1);
        }
        let (named, left) = top.heaviest(5);
        assert_eq!((named.len(), left, *named[0].1), (1, 0, 2));
        assert!(named[0].0.len() <= LONGEST_NAME_BYTES, "{}", named[0].0.len());
    }

    #[test]
    fn memory_is_bounded_and_the_rest_is_counted() {
        let mut top = Top::<u64>::default();
        for name in 0..MOST + 50 {
            top.add(&name.to_string(), 3);
        }
        assert_eq!((top.names(), top.rest()), (MOST, 150));
        assert_eq!(top.total(), 3 * (MOST as u64 + 50));
    }
}
