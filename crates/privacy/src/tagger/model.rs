//! Weights and the best way through them: a linear chain with one row of sixteen weights a feature.

use super::features::Features;
use super::label::{self, LABELS};

/// Sums of weights for every label.
pub type Scores = [i32; LABELS];

/// How many steps of a weight make one natural unit of log-odds.
pub const STEPS: f32 = 24.0;

const HEADER_BYTES: usize = 4 + LABELS * LABELS * 2;
const IMPOSSIBLE: i32 = -1_000_000;

/// A trained chain, read in place: the size, the transitions, then the rows.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    transitions: [Scores; LABELS],
    rows: &'a [[u8; LABELS]],
    mask: u32,
}

impl<'a> Model<'a> {
    /// Reads what [`Model::write`] wrote; bytes that do not fit give a model that finds nothing.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let (header, rows) = bytes.split_at_checked(HEADER_BYTES).unwrap_or_default();
        let rows = rows.as_chunks().0;
        let mut model = Self { transitions: [[0; LABELS]; LABELS], rows, mask: 0 };
        let size = header.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
        model.mask = size.saturating_sub(1);
        let weights = header.get(4..).unwrap_or_default().as_chunks::<2>().0;
        let mut weights = weights.iter().map(|weight| i32::from(i16::from_le_bytes(*weight)));
        for (before, row) in model.transitions.iter_mut().enumerate() {
            for (next, weight) in row.iter_mut().enumerate() {
                let learnt = weights.next().unwrap_or_default();
                *weight = if label::may_follow(before, next) { learnt } else { IMPOSSIBLE };
            }
        }
        model
    }

    /// The bytes of a model; `rows` is a power of two many.
    #[must_use]
    pub fn write(transitions: &[[i16; LABELS]; LABELS], rows: &[[i8; LABELS]]) -> Vec<u8> {
        let mut bytes = u32::try_from(rows.len()).unwrap_or_default().to_le_bytes().to_vec();
        bytes.extend(transitions.iter().flatten().flat_map(|weight| weight.to_le_bytes()));
        bytes.extend(
            rows.iter().flatten().flat_map(|weight| weight.wrapping_add(-128).to_le_bytes()),
        );
        bytes
    }

    /// The sums of the rows of these features.
    #[must_use]
    pub fn weigh(&self, features: &Features) -> Scores {
        let mut sums = [0_i16; LABELS];
        for row in features.rows() {
            let row = usize::try_from(row & self.mask).ok().and_then(|row| self.rows.get(row));
            if let Some(row) = row {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += i16::from(*weight) - 128;
                }
            }
        }
        sums.map(i32::from)
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
        chain.origins.clear();
        let mut scores = [IMPOSSIBLE; LABELS];
        scores[label::OUTSIDE] = 0;
        for own in weighed {
            let (mut next, origins) = self.step(&scores);
            for (score, weight) in next.iter_mut().zip(own) {
                *score += weight;
            }
            chain.best.push(next);
            chain.origins.push(origins);
            scores = next;
        }
    }

    fn step(&self, scores: &Scores) -> (Scores, [u8; LABELS]) {
        let mut next = [2 * IMPOSSIBLE; LABELS];
        let mut origins = [0_u8; LABELS];
        for (number, (score, row)) in (0_u8..).zip(scores.iter().zip(&self.transitions)) {
            for ((best, origin), weight) in next.iter_mut().zip(&mut origins).zip(row) {
                let candidate = score + weight;
                *origin = if candidate > *best { number } else { *origin };
                *best = candidate.max(*best);
            }
        }
        (next.map(|score| score.max(2 * IMPOSSIBLE)), origins)
    }

    fn trace(&self, chain: &mut Chain) {
        let Some(last) = chain.best.last() else { return };
        let mut label = argmax(&self.with_end(last));
        chain.labels.push(label);
        for origins in chain.origins.iter().skip(1).rev() {
            label = origins.get(label).map_or(label::OUTSIDE, |origin| usize::from(*origin));
            chain.labels.push(label);
        }
        chain.labels.reverse();
    }

    fn with_end(&self, scores: &Scores) -> Scores {
        let mut ended = *scores;
        for (score, row) in ended.iter_mut().zip(&self.transitions) {
            *score += row[label::OUTSIDE];
        }
        ended
    }

    fn measure(&self, weighed: &[Scores], chain: &mut Chain) {
        let mut after: Scores = self.transitions.map(|row| row[label::OUTSIDE]);
        let units = chain.best.iter().zip(&chain.labels).zip(weighed).rev();
        for ((best, label), own) in units {
            chain.margins.push(margin(best, &after, label::kind_of(*label)));
            let mut before = [2 * IMPOSSIBLE; LABELS];
            for (score, row) in before.iter_mut().zip(&self.transitions) {
                for ((weight, own), after) in row.iter().zip(own).zip(&after) {
                    *score = (*score).max(weight + own + after);
                }
            }
            after = before;
        }
        chain.margins.reverse();
    }
}

fn margin(before: &Scores, after: &Scores, kind: Option<usize>) -> i32 {
    let (mut same, mut other) = (2 * IMPOSSIBLE, 2 * IMPOSSIBLE);
    for (label, (before, after)) in before.iter().zip(after).enumerate() {
        let whole = before + after;
        if label::kind_of(label) == kind {
            same = same.max(whole);
        } else {
            other = other.max(whole);
        }
    }
    same - other
}

fn argmax(scores: &Scores) -> usize {
    scores
        .iter()
        .enumerate()
        .max_by_key(|(_, score)| **score)
        .map_or(label::OUTSIDE, |(label, _)| label)
}

/// The work space of decoding, and its outcome.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The label of each unit.
    pub labels: Vec<usize>,
    /// By how many steps each unit's kind beats any other.
    pub margins: Vec<i32>,
    best: Vec<Scores>,
    origins: Vec<[u8; LABELS]>,
}
