//! Patterns made easy for one automaton.
//!
//! Counted repetitions multiply its states. Where a pattern has shown enough of itself, it is cut; a
//! long count before that is widened. So the automaton finds all that the pattern finds, and a little
//! more, which the pattern itself then refuses.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

/// Literal bytes after which a pattern has shown enough of itself.
const ENOUGH: usize = 3;

/// The longest count that costs nothing to keep.
const SHORT: u32 = 8;

/// The longest count of digits that is kept: numbers tell themselves apart by nothing else.
const SHORT_DIGITS: u32 = 24;

/// How much of a run is kept where a pattern is cut.
const KEPT: u32 = 4;

/// What the automaton looks for.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) meaning: Hir,
    /// Whether it means just what the pattern means.
    pub(super) is_exact: bool,
}

/// What a head asks of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// No ASCII word character on either side.
    Word,
    /// No digit on either side.
    Digit,
    /// Nothing.
    Open,
}

/// The head of `pattern`.
pub(super) fn head(pattern: &Hir, edge: Edge) -> Head {
    let mut state = State { literal: 0, is_exact: true };
    let (meaning, cut) = state.ease(pattern);
    let (before, behind) = match edge {
        Edge::Word => (Hir::look(Look::WordStartHalfAscii), Hir::look(Look::WordEndHalfAscii)),
        // No look-around knows digits, so a letter beside the value is taken in.
        Edge::Digit => (beside(Look::WordStartHalfAscii), beside(Look::WordEndHalfAscii)),
        Edge::Open => (Hir::empty(), Hir::empty()),
    };
    let mut parts = vec![before, meaning];
    if !cut {
        parts.push(behind);
    }
    Head { meaning: Hir::concat(parts), is_exact: state.is_exact && edge != Edge::Digit }
}

fn beside(look: Look) -> Hir {
    let letters = [('A', 'Z'), ('_', '_'), ('a', 'z')];
    let letters = letters.map(|(start, end)| ClassUnicodeRange::new(start, end));
    let letters = Hir::class(Class::Unicode(ClassUnicode::new(letters)));
    Hir::alternation(vec![Hir::look(look), letters])
}

struct State {
    /// Literal bytes that every match so far holds.
    literal: usize,
    is_exact: bool,
}

impl State {
    /// `meaning` made easy, and whether it was cut: then nothing may follow it.
    fn ease(&mut self, meaning: &Hir) -> (Hir, bool) {
        match meaning.kind() {
            HirKind::Empty | HirKind::Look(_) => (meaning.clone(), false),
            HirKind::Literal(literal) => {
                self.literal += literal.0.len();
                (meaning.clone(), false)
            }
            HirKind::Class(class) => {
                self.literal += usize::from(is_narrow(class));
                (meaning.clone(), false)
            }
            HirKind::Capture(capture) => self.ease(&capture.sub),
            HirKind::Repetition(repetition) => self.repetition(meaning, repetition),
            HirKind::Concat(parts) => self.concat(parts),
            HirKind::Alternation(parts) => self.alternation(parts),
        }
    }

    fn concat(&mut self, parts: &[Hir]) -> (Hir, bool) {
        let mut eased = Vec::with_capacity(parts.len());
        for part in parts {
            let (part, cut) = self.ease(part);
            eased.push(part);
            if cut {
                self.is_exact = false;
                return (Hir::concat(eased), true);
            }
        }
        (Hir::concat(eased), false)
    }

    fn alternation(&mut self, parts: &[Hir]) -> (Hir, bool) {
        let before = self.literal;
        let mut least = usize::MAX;
        let mut any_cut = false;
        let mut eased = Vec::with_capacity(parts.len());
        for part in parts {
            self.literal = before;
            let (part, cut) = self.ease(part);
            any_cut |= cut;
            least = least.min(self.literal);
            eased.push(part);
        }
        self.literal = least;
        (Hir::alternation(eased), any_cut)
    }

    fn repetition(&mut self, whole: &Hir, repetition: &Repetition) -> (Hir, bool) {
        let Repetition { min, max, sub, .. } = repetition;
        let short = if is_digits(sub) { SHORT_DIGITS } else { SHORT };
        let is_short = max.unwrap_or(*min) <= short
            && sub.properties().maximum_len().is_some_and(|length| length <= 32 || *max == Some(1));
        if is_short {
            let before = self.literal;
            let (eased, cut) = self.ease(sub);
            self.literal = if *min > 0 { self.literal } else { before };
            if cut {
                let once = Repetition { max: Some(1), min: (*min).min(1), ..repetition.clone() };
                return (Hir::repetition(Repetition { sub: Box::new(eased), ..once }), true);
            }
            return (
                Hir::repetition(Repetition { sub: Box::new(eased), ..repetition.clone() }),
                false,
            );
        }
        if self.literal >= ENOUGH {
            self.is_exact = false;
            let kept = (*min).min(KEPT);
            let (sub, _) = self.ease(sub);
            let part = Repetition { min: kept, max: Some(kept), greedy: true, sub: Box::new(sub) };
            return (if kept == 0 { Hir::empty() } else { Hir::repetition(part) }, true);
        }
        if max.is_none() && *min <= SHORT {
            return (whole.clone(), false);
        }
        self.is_exact = false;
        let (sub, _) = self.ease(sub);
        let wide =
            Repetition { min: (*min).min(SHORT), max: None, greedy: true, sub: Box::new(sub) };
        (Hir::repetition(wide), false)
    }
}

/// Whether a class is one letter in its cases.
fn is_narrow(class: &Class) -> bool {
    match class {
        Class::Unicode(class) => class.iter().map(|range| range.len()).sum::<usize>() <= 3,
        Class::Bytes(class) => class.iter().map(|range| range.len()).sum::<usize>() <= 3,
    }
}

fn is_digits(meaning: &Hir) -> bool {
    match meaning.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().all(|range| range.start().is_ascii_digit() && range.end().is_ascii_digit())
        }
        _ => false,
    }
}
