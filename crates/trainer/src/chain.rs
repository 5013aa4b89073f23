//! A linear-chain conditional random field, trained by AdaGrad on hashed features.
//!
//! Labels may be known in part: the gradient is what the model expects of all ways, less what it
//! expects of the ways the labels allow. Features are dropped at random, so that no single word or
//! list carries a decision alone.

use haechi_privacy::tagger::{LABELS, Model, OUTSIDE, STEPS, may_follow};

use crate::chance::Chance;
use crate::sequence::{Sequence, allows};

type Row = [f32; LABELS];

/// How it is trained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Rows in the table, a power of two.
    pub(crate) rows: usize,
    pub(crate) passes: usize,
    pub(crate) rate: f32,
    pub(crate) decay: f32,
    /// The share of features left out.
    pub(crate) dropout: f32,
}

/// Weights while they are learnt.
#[derive(Debug)]
pub(crate) struct Chain {
    settings: Settings,
    rows: Vec<Row>,
    squares: Vec<Row>,
    transitions: [Row; LABELS],
    transition_squares: [Row; LABELS],
    chance: Chance,
}

impl Chain {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            rows: vec![[0.0; LABELS]; settings.rows],
            squares: vec![[1e-3; LABELS]; settings.rows],
            transitions: [[0.0; LABELS]; LABELS],
            transition_squares: [[1.0; LABELS]; LABELS],
            chance: Chance::new(7),
        }
    }

    /// Learns from all sequences, in another order in every pass.
    pub(crate) fn learn(&mut self, sequences: &[&Sequence]) {
        let mut order: Vec<&Sequence> = sequences.to_vec();
        let total = self.settings.passes;
        let rate = self.settings.rate;
        for pass in 0..total {
            self.chance.shuffle(&mut order);
            let left = (total - pass) as f32 / total as f32;
            self.settings.rate = rate * left.max(0.2);
            for sequence in &order {
                self.learn_one(sequence);
            }
        }
        self.settings.rate = rate;
    }

    fn learn_one(&mut self, sequence: &Sequence) {
        let mut kept: Vec<Vec<usize>> = Vec::with_capacity(sequence.len());
        let mut weighed: Vec<Row> = Vec::with_capacity(sequence.len());
        let mut allowed = Vec::with_capacity(sequence.len());
        for at in 0..sequence.len() {
            let (rows, labels) = sequence.unit(at);
            let rows = self.keep(rows);
            weighed.push(self.weigh(&rows));
            kept.push(rows);
            allowed.push(labels);
        }
        let moves = self.transitions.map(|row| row.map(f32::exp));
        let moves = masked(&moves);
        let all = expect(&weighed, &moves, None);
        let gold = expect(&weighed, &moves, Some(&allowed));
        for ((rows, all), gold) in kept.iter().zip(&all.labels).zip(&gold.labels) {
            let gradient = difference(all, gold);
            if gradient.iter().any(|value| value.abs() > 1e-3) {
                rows.iter().for_each(|row| self.change(*row, &gradient));
            }
        }
        self.change_transitions(&all.pairs, &gold.pairs);
    }

    fn keep(&mut self, rows: &[u32]) -> Vec<usize> {
        let mask = self.settings.rows - 1;
        let share = self.settings.dropout;
        let chance = &mut self.chance;
        let kept = rows.iter().filter(|_| chance.share() >= share);
        kept.filter_map(|row| usize::try_from(*row).ok()).map(|row| row & mask).collect()
    }

    fn weigh(&self, rows: &[usize]) -> Row {
        let mut sums = [0.0; LABELS];
        for row in rows.iter().filter_map(|row| self.rows.get(*row)) {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += weight;
            }
        }
        let scale = 1.0 / (1.0 - self.settings.dropout);
        sums.map(|sum| sum * scale)
    }

    fn change(&mut self, row: usize, gradient: &Row) {
        let (Some(weights), Some(squares)) = (self.rows.get_mut(row), self.squares.get_mut(row))
        else {
            return;
        };
        let Settings { rate, decay, .. } = self.settings;
        for ((weight, square), gradient) in weights.iter_mut().zip(squares).zip(gradient) {
            let gradient = gradient + decay * *weight;
            *square += gradient * gradient;
            *weight -= rate * gradient / square.sqrt();
        }
    }

    fn change_transitions(&mut self, all: &[Row; LABELS], gold: &[Row; LABELS]) {
        let rate = self.settings.rate;
        let rows =
            self.transitions.iter_mut().zip(&mut self.transition_squares).zip(all.iter().zip(gold));
        for ((weights, squares), (all, gold)) in rows {
            let gradient = difference(all, gold);
            for ((weight, square), gradient) in weights.iter_mut().zip(squares).zip(gradient) {
                *square += gradient * gradient;
                *weight -= rate * gradient / square.sqrt();
            }
        }
    }

    /// The bytes of the weights, rounded to steps.
    pub(crate) fn write(&self) -> Vec<u8> {
        let rows: Vec<[i8; LABELS]> = self.rows.iter().map(|row| row.map(step)).collect();
        Model::write(&self.transitions.map(|row| row.map(|weight| i16::from(step(weight)))), &rows)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the value is held within an i8 first")]
fn step(weight: f32) -> i8 {
    (weight * STEPS).round().clamp(-127.0, 127.0) as i8
}

fn difference(one: &Row, other: &Row) -> Row {
    std::array::from_fn(|at| one.get(at).unwrap_or(&0.0) - other.get(at).unwrap_or(&0.0))
}

fn masked(moves: &[Row; LABELS]) -> [Row; LABELS] {
    let mut masked = *moves;
    for (before, row) in masked.iter_mut().enumerate() {
        for (next, factor) in row.iter_mut().enumerate() {
            if !may_follow(before, next) {
                *factor = 0.0;
            }
        }
    }
    masked
}

/// What is expected of each unit's label and of each pair of neighbours.
struct Expected {
    labels: Vec<Row>,
    pairs: [Row; LABELS],
}

fn expect(weighed: &[Row], moves: &[Row; LABELS], allowed: Option<&[u16]>) -> Expected {
    let own: Vec<Row> = (0..)
        .zip(weighed)
        .map(|(at, weights)| factors(weights, allowed.and_then(|allowed| allowed.get(at))))
        .collect();
    let forward = forward(&own, moves);
    let mut after: Row = moves.map(|row| row[OUTSIDE]);
    let mut labels = vec![[0.0; LABELS]; own.len()];
    let mut pairs = [[0.0; LABELS]; LABELS];
    let mut start = [0.0; LABELS];
    start[OUTSIDE] = 1.0;
    add_pairs(&mut pairs, forward.last().unwrap_or(&start), moves, &outside_only());
    for at in (0..own.len()).rev() {
        let (Some(own), Some(here), Some(label)) =
            (own.get(at), forward.get(at), labels.get_mut(at))
        else {
            continue;
        };
        *label = normal(&product(here, &after));
        let inner = product(own, &after);
        let before = at.checked_sub(1).and_then(|at| forward.get(at)).unwrap_or(&start);
        add_pairs(&mut pairs, before, moves, &inner);
        after = normal(&moves.map(|row| product(&row, &inner).iter().sum()));
    }
    Expected { labels, pairs }
}

fn outside_only() -> Row {
    let mut row = [0.0; LABELS];
    row[OUTSIDE] = 1.0;
    row
}

fn factors(weights: &Row, allowed: Option<&u16>) -> Row {
    let most = weights.iter().copied().fold(f32::MIN, f32::max);
    let mut factors = weights.map(|weight| (weight - most).max(-60.0).exp());
    for (label, factor) in factors.iter_mut().enumerate() {
        if allowed.is_some_and(|allowed| !allows(*allowed, label)) {
            *factor = 0.0;
        }
    }
    factors
}

fn forward(own: &[Row], moves: &[Row; LABELS]) -> Vec<Row> {
    let mut here = outside_only();
    let steps = own.iter().map(|own| {
        let mut next = [0.0; LABELS];
        for (score, row) in here.iter().zip(moves) {
            for (sum, factor) in next.iter_mut().zip(row) {
                *sum += score * factor;
            }
        }
        here = normal(&product(&next, own));
        here
    });
    steps.collect()
}

fn add_pairs(pairs: &mut [Row; LABELS], before: &Row, moves: &[Row; LABELS], inner: &Row) {
    let mut joint = [[0.0; LABELS]; LABELS];
    let mut total = 0.0;
    for ((joint, before), row) in joint.iter_mut().zip(before).zip(moves) {
        for ((joint, factor), inner) in joint.iter_mut().zip(row).zip(inner) {
            *joint = before * factor * inner;
            total += *joint;
        }
    }
    if total > 0.0 {
        for (pairs, joint) in pairs.iter_mut().flatten().zip(joint.iter().flatten()) {
            *pairs += joint / total;
        }
    }
}

fn product(one: &Row, other: &Row) -> Row {
    std::array::from_fn(|at| one.get(at).unwrap_or(&0.0) * other.get(at).unwrap_or(&0.0))
}

fn normal(row: &Row) -> Row {
    let sum: f32 = row.iter().sum();
    if sum > 0.0 { row.map(|value| value / sum) } else { *row }
}
