//! Patterns that need a word: each rule's are looked for near its words only.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::patterns::{Group, GroupProgress, Search};
use crate::rules::RuleProblem;

/// How far from a word a match is looked for, unless it may be longer.
pub(super) const FURTHEST: usize = 256;

/// Groups of patterns, and the words that each needs.
pub(super) struct Keyed {
    finder: AhoCorasick,
    /// The groups of each word.
    groups_of: Vec<Vec<usize>>,
    groups: Vec<Group>,
}

/// What one thread keeps between scans.
#[derive(Debug)]
pub(super) struct KeyedProgress {
    groups: Vec<GroupProgress>,
    /// The window that may still grow, of each group.
    open: Vec<Option<Range<usize>>>,
    touched: Vec<usize>,
}

impl Keyed {
    pub(super) fn new(groups: Vec<(Vec<String>, Group)>) -> Result<Self, RuleProblem> {
        let mut by_word: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, (words, _)) in groups.iter().enumerate() {
            for word in words {
                by_word.entry(word.to_lowercase()).or_default().push(index);
            }
        }
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(by_word.keys());
        let limit = by_word.len();
        let finder = finder.map_err(|_| RuleProblem::TooMuch { what: "words", limit })?;
        let groups = groups.into_iter().map(|(_, group)| group).collect();
        Ok(Self { finder, groups_of: by_word.into_values().collect(), groups })
    }

    pub(super) fn progress(&self) -> KeyedProgress {
        KeyedProgress {
            groups: self.groups.iter().map(Group::progress).collect(),
            open: vec![None; self.groups.len()],
            touched: Vec::new(),
        }
    }

    /// Tells every candidate near a word.
    pub(super) fn find(&self, progress: &mut KeyedProgress, search: &mut Search<'_>) {
        let text = search.text;
        for word in self.finder.find_overlapping_iter(text) {
            for number in self.groups_of.get(word.pattern().as_usize()).into_iter().flatten() {
                let Some(group) = self.groups.get(*number) else { continue };
                let reach = group.reach.min(FURTHEST);
                let window =
                    word.start().saturating_sub(reach)..(word.end() + reach).min(text.len());
                self.widen(progress, search, *number, window);
            }
        }
        while let Some(number) = progress.touched.pop() {
            if let Some(window) = progress.open.get_mut(number).and_then(Option::take) {
                self.look(progress, search, number, window);
            }
        }
    }

    fn widen(
        &self,
        progress: &mut KeyedProgress,
        search: &mut Search<'_>,
        number: usize,
        window: Range<usize>,
    ) {
        let Some(open) = progress.open.get_mut(number) else { return };
        match open {
            Some(open) if window.start <= open.end => open.end = open.end.max(window.end),
            Some(open) => {
                let done = std::mem::replace(open, window);
                self.look(progress, search, number, done);
            }
            None => {
                *open = Some(window);
                progress.touched.push(number);
            }
        }
    }

    fn look(
        &self,
        progress: &mut KeyedProgress,
        search: &mut Search<'_>,
        number: usize,
        window: Range<usize>,
    ) {
        if let (Some(group), Some(progress)) =
            (self.groups.get(number), progress.groups.get_mut(number))
        {
            group.find_within(progress, search, window);
        }
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} groups by {} words", self.groups.len(), self.groups_of.len())
    }
}
