//! Weights and the best way through them: a linear chain with one row of sixteen weights a feature.

use super::features::Features;
use super::label::{self, LABELS};

/// Sums of weights for every label.
pub type Scores = [i16; LABELS];

/// How many steps of a weight make one natural unit of log-odds.
pub const STEPS: f32 = 24.0;

const HEADER_BYTES: usize = 4 + LABELS * LABELS * 2;
/// Less than any way can cost; sums stop here.
const IMPOSSIBLE: i16 = i16::MIN / 2;
/// What is added to a weight to keep it as a byte.
const BIAS: u16 = 128;

/// A trained chain, read in place: the size, the transitions, then the rows.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    transitions: [Scores; LABELS],
    /// The same from the label after to the label before.
    origins: [Scores; LABELS],
    /// A unit whose best label beats outside by less is outside whatever its neighbours are.
    calm: i16,
    rows: &'a [[u8; LABELS]],
    mask: u32,
}

impl<'a> Model<'a> {
    /// Reads what [`Model::write`] wrote; bytes that do not fit give a model that finds nothing.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let (header, rows) = bytes.split_at_checked(HEADER_BYTES).unwrap_or_default();
        let size = header.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
        let weights = header.get(4..).unwrap_or_default().as_chunks::<2>().0;
        let mut weights = weights.iter().map(|weight| i16::from_le_bytes(*weight));
        let mut transitions = [[IMPOSSIBLE; LABELS]; LABELS];
        let mut origins = transitions;
        for (before, row) in transitions.iter_mut().enumerate() {
            for (next, (weight, back)) in row.iter_mut().zip(&mut origins).enumerate() {
                let learnt = weights.next().unwrap_or_default();
                *weight = if label::may_follow(before, next) { learnt } else { IMPOSSIBLE };
                if let Some(back) = back.get_mut(before) {
                    *back = *weight;
                }
            }
        }
        let calm = calm(&transitions);
        Self { transitions, origins, calm, rows: rows.as_chunks().0, mask: size.saturating_sub(1) }
    }

    /// The bytes of a model; `rows` is a power of two many.
    #[must_use]
    pub fn write(transitions: &[[i16; LABELS]; LABELS], rows: &[[i8; LABELS]]) -> Vec<u8> {
        let mut bytes = u32::try_from(rows.len()).unwrap_or_default().to_le_bytes().to_vec();
        bytes.extend(transitions.iter().flatten().flat_map(|weight| weight.to_le_bytes()));
        bytes.extend(
            rows.iter().flatten().flat_map(|weight| weight.wrapping_add(i8::MIN).to_le_bytes()),
        );
        bytes
    }

    /// The sums of the rows of these features.
    #[must_use]
    pub fn weigh(&self, features: &Features) -> Scores {
        let mut sums = [0_u16; LABELS];
        let mut count = 0;
        for row in features.rows() {
            let row = usize::try_from(row & self.mask).ok().and_then(|row| self.rows.get(row));
            if let Some(row) = row {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(u16::from(*weight));
                }
                count += BIAS;
            }
        }
        sums.map(|sum| sum.wrapping_sub(count).cast_signed())
    }

    /// Whether a unit weighed so is outside on any best way.
    #[must_use]
    pub fn is_calm(&self, weighed: &Scores) -> bool {
        let (outside, others) = weighed.split_first().unwrap_or((&0, &[]));
        let best = others.iter().copied().fold(i16::MIN, i16::max);
        best.saturating_sub(*outside) < self.calm
    }

    /// The best labels for a run of units with text outside on both sides, and for each unit by how
    /// many steps they beat the best way that gives it another kind.
    pub fn decode(&self, weighed: &[Scores], chain: &mut Chain) {
        chain.labels.clear();
        chain.margins.clear();
        self.forward(weighed, chain);
        self.trace(chain);
        if chain.labels.iter().any(|label| *label != label::OUTSIDE) {
            self.measure(weighed, chain);
        } else {
            chain.margins.resize(weighed.len(), 0);
        }
    }

    fn forward(&self, weighed: &[Scores], chain: &mut Chain) {
        chain.best.clear();
        let mut scores = [IMPOSSIBLE; LABELS];
        scores[label::OUTSIDE] = 0;
        for own in weighed {
            scores = levelled(&added(&best_of(&scores, &self.transitions), own));
            chain.best.push(scores);
        }
    }

    fn trace(&self, chain: &mut Chain) {
        let mut next = label::OUTSIDE;
        for scores in chain.best.iter().rev() {
            let Some(row) = self.origins.get(next) else { return };
            next = argmax(&added(scores, row));
            chain.labels.push(next);
        }
        chain.labels.reverse();
    }

    fn measure(&self, weighed: &[Scores], chain: &mut Chain) {
        let mut after: Scores = self.transitions.map(|row| row[label::OUTSIDE]);
        for ((best, label), own) in chain.best.iter().zip(&chain.labels).zip(weighed).rev() {
            chain.margins.push(margin(best, &after, label::kind_of(*label)));
            after = levelled(&best_of(&added(own, &after), &self.origins));
        }
        chain.margins.reverse();
    }
}

/// The least a label must beat outside by for a way to leave outside at that unit, from the most a
/// way can win by the transitions into the unit and out of it.
fn calm(transitions: &[Scores; LABELS]) -> i16 {
    let stay = transitions[label::OUTSIDE][label::OUTSIDE];
    let into = transitions.iter().flat_map(|row| row.iter().skip(1));
    let out = transitions.iter().skip(1).flat_map(|row| row.first());
    let most = |weights: i16| weights.saturating_sub(stay).max(0);
    let into = most(into.copied().fold(i16::MIN, i16::max));
    let out = most(out.copied().fold(i16::MIN, i16::max));
    0_i16.saturating_sub(into).saturating_sub(out)
}

/// For each label the best way to it from the labels before.
fn best_of(scores: &Scores, transitions: &[Scores; LABELS]) -> Scores {
    let mut best = [i16::MIN; LABELS];
    for (score, row) in scores.iter().zip(transitions) {
        for (best, weight) in best.iter_mut().zip(row) {
            *best = (*best).max(score.saturating_add(*weight));
        }
    }
    best
}

fn added(one: &Scores, other: &Scores) -> Scores {
    let mut sums = *one;
    for (sum, other) in sums.iter_mut().zip(other) {
        *sum = sum.saturating_add(*other);
    }
    sums
}

/// The same with the best at zero, so that sums of long runs stay small.
fn levelled(scores: &Scores) -> Scores {
    let best = scores.iter().copied().fold(i16::MIN, i16::max);
    scores.map(|score| score.saturating_sub(best).max(IMPOSSIBLE))
}

fn margin(before: &Scores, after: &Scores, kind: Option<usize>) -> i16 {
    let (mut same, mut other) = (i16::MIN, i16::MIN);
    for (label, whole) in added(before, after).into_iter().enumerate() {
        if label::kind_of(label) == kind {
            same = same.max(whole);
        } else {
            other = other.max(whole);
        }
    }
    same.saturating_sub(other)
}

fn argmax(scores: &Scores) -> usize {
    let best = scores.iter().copied().fold(i16::MIN, i16::max);
    scores.iter().position(|score| *score == best).unwrap_or(label::OUTSIDE)
}

/// The work space of decoding, and its outcome.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The label of each unit.
    pub labels: Vec<usize>,
    /// By how many steps each unit's kind beats any other.
    pub margins: Vec<i16>,
    best: Vec<Scores>,
}
