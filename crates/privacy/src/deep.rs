//! The deep tier: names, places and addresses by a neural network that the operator supplies.
//!
//! It reads only free text in Latin letters, in windows, and no longer than it is allowed to.

mod labels;
mod network;
mod windows;
mod wordpiece;

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rten::{LoadError, Model};

pub use network::NetworkError;

use crate::finding::{Evidence, Finding};
use labels::{Label, Labels};
use network::Network;
use wordpiece::{Piece, WordPiece};

/// The largest file of a model, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// How sure a label must be to count; findings are held to the least score of the detector besides.
const SURE: f32 = 0.5;

/// Read once when a model is opened, so that one that does not fit is refused then.
const TRIAL: &str = "Jane Doe lives in Springfield.";

/// A deep tier: which model, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepConfig {
    /// The network: ONNX, of the BERT family, that labels pieces of words.
    pub model: PathBuf,
    /// Its `tokenizer.json`, of the kind WordPiece.
    pub tokenizer: PathBuf,
    /// Its `config.json`, which tells the labels.
    pub labels: PathBuf,
    /// How long the network may read for one scan: a text, or a whole JSON document.
    pub budget: Duration,
    /// What holds when that is not enough.
    pub on_failure: OnFailure,
    /// The longest text that is read, in characters; what is longer counts as over the budget.
    pub longest_chars: usize,
}

/// What holds when a text was not read to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// What was found by then counts.
    #[default]
    Open,
    /// The scan fails, and the message is refused.
    Closed,
}

/// Why there is no deep tier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeepError {
    /// A file cannot be read.
    #[error("`{}` cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is too large.
    #[error("`{}` is larger than 1 GiB", .0.display())]
    TooLarge(PathBuf),
    /// The tokenizer is of another kind.
    #[error("`{}` is no tokenizer of the kind WordPiece", .0.display())]
    Tokenizer(PathBuf),
    /// The labels are not told, or none is known here.
    #[error("`{}` tells no labels that are known here", .0.display())]
    Labels(PathBuf),
    /// The network is no ONNX, or holds what cannot be run.
    #[error("`{}` is no network that can be run here", .path.display())]
    Model {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// The network takes other inputs than those of the BERT family.
    #[error("`{}` is no network that labels pieces of words", .0.display())]
    Inputs(PathBuf),
    /// The network does not work, or not with these labels.
    #[error("`{}` does not label a sentence", .path.display())]
    Trial {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: NetworkError,
    },
}

/// Why a text was not read to its end. No variant carries text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The time that was allowed is over.
    #[error("the deep tier may read for {} ms", .0.as_millis())]
    OverBudget(Duration),
    /// The text is longer than was allowed.
    #[error("the deep tier may read {0} characters")]
    TooLong(usize),
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// The deep tier. Made once and shared: a run changes nothing in it but the count.
#[derive(Debug)]
pub struct Deep {
    network: Network,
    pieces: WordPiece,
    labels: Labels,
    budget: Duration,
    on_failure: OnFailure,
    longest_chars: usize,
    rule: Arc<str>,
    cut_short: AtomicU64,
}

/// What is left of the budget of one scan.
#[derive(Debug)]
pub(crate) struct Allowance(Option<Duration>);

impl Allowance {
    /// All of the budget.
    pub(crate) const fn whole() -> Self {
        Self(None)
    }
}

/// A value under way: its label, its bytes, and how sure its pieces are.
#[derive(Debug)]
struct Value {
    label: Label,
    range: Range<usize>,
    sum: f32,
    pieces: f32,
}

impl Deep {
    /// Loads the model and has it read one sentence. It takes a while.
    ///
    /// # Errors
    ///
    /// [`DeepError`]: the first file that cannot be used.
    pub fn open(config: &DeepConfig) -> Result<Self, DeepError> {
        let labels = Labels::read(&text_of(&config.labels)?)
            .ok_or_else(|| DeepError::Labels(config.labels.clone()))?;
        let pieces = WordPiece::read(&text_of(&config.tokenizer)?)
            .ok_or_else(|| DeepError::Tokenizer(config.tokenizer.clone()))?;
        let path = || config.model.clone();
        let model = Model::load(bytes_of(&config.model)?)
            .map_err(|error| DeepError::Model { path: path(), source: Box::new(error) })?;
        let network = Network::new(model, labels.len()).ok_or_else(|| DeepError::Inputs(path()))?;
        let deep = Self {
            network,
            pieces,
            labels,
            budget: config.budget,
            on_failure: config.on_failure,
            longest_chars: config.longest_chars,
            rule: "deep".into(),
            cut_short: AtomicU64::new(0),
        };
        deep.read(TRIAL, 0, &mut Vec::new())
            .map_err(|source| DeepError::Trial { path: path(), source })?;
        Ok(deep)
    }

    /// Adds the values of `text` to `out`, ascending, all under the rule `deep`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; what was found by then is in `out`.
    pub fn tag(&self, text: &str, out: &mut Vec<Finding>) -> Result<(), ReadError> {
        self.tag_within(text, &mut Allowance::whole(), out)
    }

    /// As [`Self::tag`], with what is left of the budget of a scan.
    pub(crate) fn tag_within(
        &self,
        text: &str,
        allowance: &mut Allowance,
        out: &mut Vec<Finding>,
    ) -> Result<(), ReadError> {
        let mut values = Vec::new();
        let read = self.read_windows(text, allowance, &mut values);
        out.extend(values.into_iter().filter_map(|value| self.finding(text, value)));
        if read.is_err() {
            self.count();
        }
        read
    }

    /// What holds when a text was not read to its end.
    #[must_use]
    pub const fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// How long the network may read for one scan.
    #[must_use]
    pub const fn budget(&self) -> Duration {
        self.budget
    }

    /// How many texts were not read to their end since the start.
    #[must_use]
    pub fn cut_short(&self) -> u64 {
        self.cut_short.load(Ordering::Relaxed)
    }

    fn read_windows(
        &self,
        text: &str,
        allowance: &mut Allowance,
        values: &mut Vec<Value>,
    ) -> Result<(), ReadError> {
        let start = |(at, _)| at;
        let longest = text.char_indices().nth(self.longest_chars).map_or(text.len(), start);
        for window in windows::windows(text) {
            let read = text.get(window.clone()).unwrap_or_default();
            if !windows::is_latin(read) {
                continue;
            }
            if window.end > longest {
                return Err(ReadError::TooLong(self.longest_chars));
            }
            let left = allowance.0.get_or_insert(self.budget);
            if left.is_zero() {
                return Err(ReadError::OverBudget(self.budget));
            }
            let began = Instant::now();
            let labelled = self.read(read, window.start, values);
            *left = left.saturating_sub(began.elapsed());
            labelled?;
            join(text, values);
        }
        Ok(())
    }

    /// Adds a value for each labelled piece of `window`, which begins at byte `at`.
    fn read(&self, window: &str, at: usize, values: &mut Vec<Value>) -> Result<(), NetworkError> {
        let pieces = self.pieces.pieces(window);
        for pieces in pieces.chunks(self.labels.longest.saturating_sub(2).max(1)) {
            let ids = std::iter::once(self.pieces.begin)
                .chain(pieces.iter().map(|piece| piece.id))
                .chain([self.pieces.end]);
            let labelled = self.network.label(ids.collect())?;
            for (Piece { range, .. }, (label, score)) in pieces.iter().zip(labelled.iter().skip(1))
            {
                let Some(label) = self.labels.label(*label).filter(|_| *score >= SURE) else {
                    continue;
                };
                let range = at + range.start..at + range.end;
                values.push(Value { label, range, sum: *score, pieces: 1.0 });
            }
        }
        Ok(())
    }

    fn finding(&self, text: &str, value: Value) -> Option<Finding> {
        let Value { label, range, sum, pieces } = value;
        let range = whole_words(text, range);
        let found = text.get(range.clone())?;
        // Of other scripts the network knows nothing, and of a lone mark there is nothing to know.
        if found.chars().any(|c| c.is_alphabetic() && c >= '\u{250}')
            || !found.contains(char::is_alphanumeric)
        {
            return None;
        }
        let (kind, rule) = (label.kind.into(), self.rule.clone());
        Some(Finding { kind, range, score: sum / pieces, rule, evidence: Evidence::default() })
    }

    /// Counts a text that was not read to its end, and says so ever more seldom.
    fn count(&self) {
        let times = self.cut_short.fetch_add(1, Ordering::Relaxed) + 1;
        if times.is_power_of_two() {
            tracing::warn!(times, "texts were not read to their end by the deep tier");
        }
    }
}

/// Joins pieces that go on with one another.
fn join(text: &str, values: &mut Vec<Value>) {
    values.dedup_by(|next, value| {
        let between = text.get(value.range.end..next.range.start);
        // Pieces of one character have the same bytes.
        let joined = next.label.continues(value.label, between.unwrap_or_default());
        if joined {
            value.label = next.label;
            value.range.end = value.range.end.max(next.range.end);
            value.sum += next.sum;
            value.pieces += next.pieces;
        }
        joined
    });
}

/// `range` with the rest of the words at its ends: half a name tells the other half.
fn whole_words(text: &str, range: Range<usize>) -> Range<usize> {
    let length = |c: char| c.is_alphanumeric().then(|| c.len_utf8());
    let before = text.get(..range.start).unwrap_or_default().chars().rev().map_while(length);
    let after = text.get(range.end..).unwrap_or_default().chars().map_while(length);
    range.start - before.sum::<usize>()..range.end + after.sum::<usize>()
}

fn text_of(path: &Path) -> Result<String, DeepError> {
    String::from_utf8(bytes_of(path)?).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error());
        DeepError::File { path: path.to_owned(), source }
    })
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, DeepError> {
    let unreadable = |source| DeepError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(DeepError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}
