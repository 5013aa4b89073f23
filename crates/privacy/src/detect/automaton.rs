//! Many patterns in one lazy automaton: every end in one pass, then each start by walking back.

use std::fmt;
use std::ops::Range;

use regex_automata::hybrid::dfa::{Cache, DFA, OverlappingState};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::{Anchored, Input, MatchKind, PatternID};
use regex_syntax::hir::Hir;

/// What the states of one direction may take, in each thread that scans.
const CACHE_BYTES: usize = 16 << 20;

/// The largest set of patterns in one automaton.
const MAX_NFA_BYTES: usize = 64 << 20;

/// Patterns that are looked for at once.
pub(super) struct Automaton {
    forward: DFA,
    backward: DFA,
}

/// The states that one thread has built so far.
#[derive(Clone, Debug)]
pub(super) struct States {
    forward: Cache,
    backward: Cache,
}

impl Automaton {
    /// `None` when the patterns are too many for one.
    pub(super) fn new(patterns: &[Hir]) -> Option<Self> {
        Some(Self { forward: compile(patterns, false)?, backward: compile(patterns, true)? })
    }

    pub(super) fn states(&self) -> States {
        States { forward: self.forward.create_cache(), backward: self.backward.create_cache() }
    }

    /// Calls `found` with the pattern and the end of each place in `within` that fits, in the order of
    /// the ends. A pattern that fits at many starts is told once for an end.
    pub(super) fn ends(
        &self,
        states: &mut States,
        text: &str,
        within: Range<usize>,
        found: &mut dyn FnMut(&mut States, usize, usize),
    ) {
        let input = Input::new(text).span(within);
        let mut state = OverlappingState::start();
        // Neither error occurs: the automaton never gives up, and no byte quits it.
        while self
            .forward
            .try_search_overlapping_fwd(&mut states.forward, &input, &mut state)
            .is_ok()
        {
            let Some(half) = state.get_match() else { return };
            found(states, half.pattern().as_usize(), half.offset());
        }
    }

    /// The first start in `within` from which `pattern` fits up to the end of `within`.
    pub(super) fn start(
        &self,
        states: &mut States,
        text: &str,
        within: Range<usize>,
        pattern: usize,
    ) -> Option<usize> {
        let pattern = PatternID::new(pattern).ok()?;
        let input = Input::new(text).span(within).anchored(Anchored::Pattern(pattern));
        let half = self.backward.try_search_rev(&mut states.backward, &input).ok()??;
        Some(half.offset())
    }
}

fn compile(patterns: &[Hir], reverse: bool) -> Option<DFA> {
    let which = thompson::WhichCaptures::None;
    let config = thompson::Config::new()
        .reverse(reverse)
        .which_captures(which)
        .nfa_size_limit(Some(MAX_NFA_BYTES));
    let nfa = NFA::compiler().configure(config).build_many_from_hir(patterns).ok()?;
    let config = DFA::config()
        .match_kind(MatchKind::All)
        .starts_for_each_pattern(reverse)
        .cache_capacity(CACHE_BYTES)
        .skip_cache_capacity_check(true);
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

impl fmt::Debug for Automaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an automaton of {} patterns", self.forward.pattern_len())
    }
}
