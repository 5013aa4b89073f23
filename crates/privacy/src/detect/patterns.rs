//! All patterns of all rules: where in a text each stands.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use super::automaton::{Automaton, States};
use super::gate::{Gate, Traits};
use super::head::{Edge, Head, head};
use super::keyed::{FURTHEST, Keyed, KeyedProgress};
use super::windows::Site;
use super::{literals, needs};
use crate::rules::{Boundary, Rule, RuleProblem, syntax};

/// Patterns whose starts cost more than this many steps for each byte of the text are looked for one
/// by one, which is linear whatever the text.
const WORK_PER_BYTE: usize = 16;

/// What is free of that, for short texts.
const FREE_WORK: usize = 1 << 16;

/// How far before an end a start is looked for, at least.
const LEAST_WINDOW: usize = 256;

/// How far behind a head that was widened its pattern is looked for.
const FURTHER: usize = 1 << 10;

/// Capture groups that can be asked for.
const MAX_GROUPS: usize = 32;

/// Who decides about candidates.
pub(super) trait Judge {
    /// Whether a value of `rule` that lies in `around` can be a finding at all. Asked first, since it
    /// costs less than to know where the value starts.
    fn may(&mut self, rule: usize, around: &Range<usize>) -> bool;

    /// Whether the names above the text speak for any rule.
    fn is_named(&self) -> bool;

    /// `value` fits a pattern of `rule`.
    fn candidate(&mut self, rule: usize, value: Range<usize>);
}

/// The patterns, by what a text must hold for them to matter.
#[derive(Debug)]
pub(super) struct Patterns {
    groups: Vec<Group>,
    keyed: Keyed,
}

#[derive(Debug)]
pub(super) struct Group {
    gate: Gate,
    site: Site,
    patterns: Vec<Pattern>,
    automaton: Automaton,
    /// The longest head in bytes.
    pub(super) reach: usize,
    /// The shortest match in bytes.
    shortest: usize,
    /// Whether every match holds a digit.
    has_digit: bool,
}

/// One pattern, and the rules that have it.
struct Pattern {
    source: Arc<str>,
    boundary: Boundary,
    value: usize,
    rules: Vec<usize>,
    shortest: usize,
    longest: Option<usize>,
    head: Head,
    regex: OnceLock<Option<Regex>>,
}

/// What one thread keeps between scans.
#[derive(Debug)]
pub(super) struct Progress {
    groups: Vec<GroupProgress>,
    keyed: KeyedProgress,
    search: u32,
}

#[derive(Debug)]
pub(super) struct GroupProgress {
    /// Made when the group is first looked for.
    states: Option<States>,
    /// Up to where each pattern is done, and in which search.
    done: Vec<(u32, usize)>,
}

impl Patterns {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RuleProblem> {
        let mut by_gate: BTreeMap<Gate, Vec<Pattern>> = BTreeMap::new();
        let mut by_word: BTreeMap<(usize, bool), (Vec<String>, Vec<Pattern>)> = BTreeMap::new();
        let mut known: HashMap<(Arc<str>, Boundary, usize, Gate), usize> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for source in &rule.patterns {
                // Whatever is no pattern was refused when it was read.
                let Ok(meaning) = syntax::parse(source) else { continue };
                let mut pattern = Pattern::new(source, &meaning, rule);
                // A match that may begin anywhere before its word is no match near that word.
                let bounded = pattern.head.meaning.properties().maximum_len();
                let is_near = bounded.is_some_and(|longest| longest <= FURTHEST);
                let words = literals::words(&pattern.head.meaning).filter(|_| is_near);
                if words.is_some() || !rule.keywords.is_empty() {
                    let is_own = words.is_some();
                    let (all, patterns) = by_word.entry((index, is_own)).or_default();
                    all.extend(words.unwrap_or_else(|| rule.keywords.clone()));
                    pattern.rules.push(index);
                    patterns.push(pattern);
                    continue;
                }
                let gate = needs::gate_of(rule, &meaning);
                let group = by_gate.entry(gate).or_default();
                let key = (source.clone(), rule.boundary, rule.value, gate);
                let place = *known.entry(key).or_insert_with(|| {
                    group.push(pattern);
                    group.len() - 1
                });
                if let Some(pattern) = group.get_mut(place) {
                    pattern.rules.push(index);
                }
            }
        }
        let groups = by_gate.into_iter().map(|(gate, patterns)| Group::new(gate, patterns, rules));
        let keyed = by_word.into_iter().map(|((_, is_own), (words, patterns))| {
            let mut group = Group::new(Gate::Always, patterns, rules)?;
            // A keyword of a rule may stand beside what its patterns fit.
            group.reach = if is_own { group.reach } else { group.reach.max(FURTHEST) };
            Ok((words, group))
        });
        let keyed = Keyed::new(keyed.collect::<Result<_, _>>()?)?;
        Ok(Self { groups: groups.collect::<Result<_, _>>()?, keyed })
    }

    pub(super) fn progress(&self) -> Progress {
        let groups = self.groups.iter().map(Group::progress).collect();
        Progress { groups, keyed: self.keyed.progress(), search: 0 }
    }

    /// Tells `judge` every candidate in `text`.
    pub(super) fn find(
        &self,
        progress: &mut Progress,
        text: &str,
        traits: &Traits,
        judge: &mut dyn Judge,
    ) {
        progress.search = progress.search.wrapping_add(1).max(1);
        let mut search = Search { text, judge, number: progress.search, work: 0 };
        for (group, progress_of) in self.groups.iter().zip(&mut progress.groups) {
            if traits.open(group.gate) && text.len() >= group.shortest {
                search.work = 0;
                group.find(progress_of, &mut search);
            }
        }
        search.work = 0;
        self.keyed.find(&mut progress.keyed, &mut search);
    }
}

/// One pass of one group over one text.
pub(super) struct Search<'s> {
    pub(super) text: &'s str,
    judge: &'s mut dyn Judge,
    number: u32,
    work: usize,
}

impl Group {
    fn new(gate: Gate, patterns: Vec<Pattern>, rules: &[Rule]) -> Result<Self, RuleProblem> {
        let own = patterns.iter().flat_map(|pattern| &pattern.rules);
        let site = Site::new(gate, own.filter_map(|rule| rules.get(*rule)))?;
        let heads: Vec<Hir> = patterns.iter().map(|pattern| pattern.head.meaning.clone()).collect();
        let automaton = Automaton::new(&heads);
        let limit = heads.len();
        let automaton =
            automaton.ok_or(RuleProblem::TooMuch { what: "states of all patterns", limit })?;
        let reach =
            heads.iter().map(|head| head.properties().maximum_len().unwrap_or(usize::MAX)).max();
        let reach = reach.unwrap_or_default();
        let shortest = patterns.iter().map(|pattern| pattern.shortest).min().unwrap_or_default();
        let has_digit = heads.iter().all(needs::holds_digit);
        Ok(Self { gate, site, patterns, automaton, reach, shortest, has_digit })
    }

    pub(super) fn progress(&self) -> GroupProgress {
        GroupProgress { states: None, done: vec![(0, 0); self.patterns.len()] }
    }

    fn find(&self, progress: &mut GroupProgress, search: &mut Search<'_>) {
        let text = search.text;
        // Where a name speaks for a value, no word has to.
        if self.gate == Gate::Context && search.judge.is_named() {
            return self.find_within(progress, search, 0..text.len());
        }
        self.site.windows(text, &mut |window| self.find_within(progress, search, window));
    }

    pub(super) fn find_within(
        &self,
        progress: &mut GroupProgress,
        search: &mut Search<'_>,
        window: Range<usize>,
    ) {
        let bytes = search.text.as_bytes().get(window.clone()).unwrap_or_default();
        if self.has_digit && !bytes.iter().any(u8::is_ascii_digit) {
            return;
        }
        let GroupProgress { states, done } = progress;
        let states = states.get_or_insert_with(|| self.automaton.states());
        self.automaton.ends(states, search.text, window, &mut |states, number, end| {
            let (Some(pattern), Some(done)) = (self.patterns.get(number), done.get_mut(number))
            else {
                return;
            };
            if done.0 != search.number {
                *done = (search.number, 0);
            }
            if end > done.1 {
                done.1 = self.at_end(states, search, (pattern, number), done.1..end);
            }
        });
    }

    /// `pattern` fits up to the end of `open`, before which it is done up to its start. Answers up to
    /// where it is done now.
    fn at_end(
        &self,
        states: &mut States,
        search: &mut Search<'_>,
        (pattern, number): (&Pattern, usize),
        open: Range<usize>,
    ) -> usize {
        let longest = pattern.longest.map_or(open.len(), |longest| longest.max(LEAST_WINDOW));
        let within = open.start.max(open.end.saturating_sub(longest))..open.end;
        let wanted =
            |judge: &mut dyn Judge| pattern.rules.iter().any(|rule| judge.may(*rule, &within));
        if !wanted(search.judge) {
            return open.start;
        }
        if pattern.is_fixed() {
            let start = open.end.saturating_sub(pattern.shortest);
            if start < open.start {
                return open.start;
            }
            return search.tell(pattern, start..open.end).unwrap_or(open.start);
        }
        if search.work > FREE_WORK + WORK_PER_BYTE * search.text.len() {
            return search.one_by_one(pattern, open.start);
        }
        let Some(start) = self.automaton.start(states, search.text, within.clone(), number) else {
            search.work += within.len();
            return open.start;
        };
        search.work += open.end - start;
        let Some((whole, value)) = pattern.at_or_after(search.text, start..open.end) else {
            search.work += longest.min(FURTHER);
            return open.start;
        };
        search.work += whole.len();
        // A lazy pattern may end before this end does.
        search.tell(pattern, value).map_or(open.start, |_| whole.end.max(open.start))
    }
}

impl Search<'_> {
    /// Tells the judge, if `value` stands apart as its rule asks. Answers its end.
    fn tell(&mut self, pattern: &Pattern, value: Range<usize>) -> Option<usize> {
        if !pattern.stands_apart(self.text, &value) {
            return None;
        }
        for rule in &pattern.rules {
            self.judge.candidate(*rule, value.clone());
        }
        Some(value.end)
    }

    /// Tells all of `pattern` from `start` on, and is done with it.
    fn one_by_one(&mut self, pattern: &Pattern, start: usize) -> usize {
        let mut at = start;
        while let Some((whole, value)) = pattern.next(self.text, at..self.text.len(), Anchored::No)
        {
            self.tell(pattern, value);
            at = whole.end;
        }
        self.text.len()
    }
}

impl Pattern {
    fn new(source: &Arc<str>, meaning: &Hir, rule: &Rule) -> Self {
        let (shortest, longest) = needs::lengths(meaning);
        let bounded = rule.boundary == Boundary::Word && rule.value == 0;
        let edge = match rule.boundary {
            Boundary::Word if bounded => Edge::Word,
            Boundary::Digit if rule.value == 0 => Edge::Digit,
            Boundary::Word | Boundary::Digit | Boundary::None => Edge::Open,
        };
        Self {
            source: if bounded { bound(source) } else { source.clone() },
            boundary: rule.boundary,
            value: rule.value,
            rules: Vec::new(),
            shortest,
            longest,
            head: head(meaning, edge),
            regex: OnceLock::new(),
        }
    }

    fn is_fixed(&self) -> bool {
        self.value == 0 && self.head.is_exact && self.longest == Some(self.shortest)
    }

    /// The match whose head is `found`, and the value in it. A widened head may start too early.
    fn at_or_after(&self, text: &str, found: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        let whole = self.next(text, found.start..text.len(), Anchored::Yes);
        if whole.is_some() || self.head.is_exact {
            return whole;
        }
        let end = found.end + self.longest.unwrap_or(FURTHER).min(FURTHER);
        self.next(text, found.start..end.min(text.len()), Anchored::No)
    }

    fn next(
        &self,
        text: &str,
        span: Range<usize>,
        anchored: Anchored,
    ) -> Option<(Range<usize>, Range<usize>)> {
        let regex = self.regex.get_or_init(|| Regex::new(&self.source).ok()).as_ref()?;
        let input = Input::new(text).span(span).anchored(anchored);
        if self.value == 0 {
            let found = regex.search(&input)?;
            return Some((found.range(), found.range()));
        }
        let mut slots = [None; MAX_GROUPS * 2];
        regex.search_slots(&input, slots.get_mut(..(self.value + 1) * 2)?)?;
        let slot = |at: usize| slots.get(at).copied().flatten().map(|offset| offset.get());
        let whole = slot(0)?..slot(1)?;
        let value = slot(self.value * 2).zip(slot(self.value * 2 + 1));
        // A group that took no part has no value; the empty one is no finding.
        Some((whole.clone(), value.map_or(whole.start..whole.start, |(start, end)| start..end)))
    }

    fn stands_apart(&self, text: &str, value: &Range<usize>) -> bool {
        match self.boundary {
            Boundary::Digit => digits_end(text.as_bytes(), value),
            Boundary::Word if self.value > 0 => word_ends(text.as_bytes(), value),
            Boundary::Word | Boundary::None => true,
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// `pattern` with no ASCII word character beside it.
fn bound(pattern: &str) -> Arc<str> {
    format!(r"(?-u:\b{{start-half}})(?:{pattern})(?-u:\b{{end-half}})").into()
}

/// Whether no letter, digit or `_` of ASCII stands beside `place`.
fn word_ends(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !is_word(at(place.start.checked_sub(1))) && !is_word(at(Some(place.end)))
}

/// Whether no digit stands beside `place`, nor a separator with a digit behind it.
fn digits_end(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let separates = |byte: u8| matches!(byte, b'-' | b'.' | b'/');
    let (before, further) = (at(place.start.checked_sub(1)), at(place.start.checked_sub(2)));
    let (after, beyond) = (at(Some(place.end)), at(Some(place.end + 1)));
    let joined = |separator: u8, digit: u8| separates(separator) && is_digit(digit);
    let longer = is_digit(before) || is_digit(after);
    !(longer || joined(before, further) || joined(after, beyond))
}
