//! Documents as the chain sees them: rows of features and the labels each unit may have.

use haechi_privacy::tagger::{
    Analysis, Context, Features, KINDS, LABELS, Lexicon, OUTSIDE, of_kind, stretches,
};

use crate::data::{Document, Source, UNSURE};

/// A run of units: the features of all, where those of each end, and the labels each may have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    rows: Vec<u32>,
    ends: Vec<usize>,
    allowed: Vec<u16>,
}

impl Sequence {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The features and the allowed labels of unit `at`.
    pub(crate) fn unit(&self, at: usize) -> (&[u32], u16) {
        let start = at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or_default();
        let end = self.ends.get(at).copied().unwrap_or_default();
        (self.rows.get(start..end).unwrap_or_default(), self.allowed.get(at).copied().unwrap_or(1))
    }
}

/// The runs of a document in one script.
pub(crate) fn sequences(
    document: &Document,
    source: &Source,
    lexicon: &Lexicon<'_>,
) -> Vec<Sequence> {
    let keys: Vec<&str> = document.keys.iter().map(String::as_str).collect();
    let context = Context::of(&document.text, &keys);
    let mut sequences = Vec::new();
    for (offset, part, korean) in stretches(&document.text) {
        if korean != source.korean {
            continue;
        }
        let analysis = Analysis::read(part, offset, korean, lexicon);
        for run in analysis.runs() {
            let mut sequence = Sequence::default();
            let mut features = Features::default();
            for at in run {
                analysis.features(at, &context, &mut features);
                sequence.rows.extend_from_slice(features.rows());
                sequence.ends.push(sequence.rows.len());
                sequence.allowed.push(allowed(document, source, &analysis, at));
            }
            sequences.push(sequence);
        }
    }
    sequences
}

/// Every label but the last, which is never given.
const ANY: u16 = 0x7FFF;

/// One bit for each label the unit may have: its own when it is labelled, else outside and whatever
/// the source says nothing about.
fn allowed(document: &Document, source: &Source, analysis: &Analysis, at: usize) -> u16 {
    let Some(place) = analysis.place(at) else { return 1 };
    let after = document.spans.partition_point(|(range, _)| range.end <= place.start);
    let span = document.spans.get(after).filter(|(range, _)| range.start < place.end);
    if span.is_some_and(|(_, kind)| *kind == UNSURE) {
        return ANY;
    }
    if let Some((range, kind)) = span {
        let before = at.checked_sub(1).and_then(|at| analysis.place(at));
        let first = before.is_none_or(|before| before.end <= range.start);
        return 1 << of_kind(*kind, first);
    }
    let silent = source.silent_on.iter().filter(|kind| **kind < KINDS.len());
    silent.fold(1 << OUTSIDE, |allowed, kind| {
        allowed | (1 << of_kind(*kind, true)) | (1 << of_kind(*kind, false))
    })
}

/// Whether label `label` is among the allowed ones.
pub(crate) fn allows(allowed: u16, label: usize) -> bool {
    label < LABELS && allowed & (1 << label) != 0
}
