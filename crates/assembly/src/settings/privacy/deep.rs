//! `[privacy.deep]`: a neural network that looks for names as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::problem::Problems;
use crate::settings::value;

/// What the network may read for one message, where nothing else is said.
const DEFAULT_BUDGET: Duration = Duration::from_millis(250);
const MOST_BUDGET: Duration = Duration::from_secs(30);
const DEFAULT_LONGEST: usize = 4_000;
const MOST_LONGEST: usize = 1_000_000;

/// A neural network that looks for names as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepSettings {
    /// The network.
    pub model: PathBuf,
    /// Its `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// Its `config.json`, which tells its labels.
    pub labels: PathBuf,
    /// How long it may read for one message.
    pub budget: Duration,
    /// Whether a message that it did not read to the end is refused.
    pub closed: bool,
    /// The longest text that it reads, in characters.
    pub longest: usize,
}

/// A neural network that looks for names as well. The program must be built with it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDeep {
    /// The network: an ONNX file of the BERT family that labels pieces of words.
    model: String,
    /// Its `tokenizer.json`; the one beside the network by default.
    tokenizer: Option<String>,
    /// Its `config.json`, which tells its labels; the one beside the tokenizer by default.
    labels: Option<String>,
    /// How long it may read for one message; `250ms` by default.
    budget: Option<String>,
    /// What holds when that is not enough: `open`, what was found by then counts, or `closed`, the
    /// message is refused; `open` by default.
    on_failure: Option<String>,
    /// The longest text that it reads, in characters; 4000 by default. What is longer counts as
    /// over the budget.
    longest: Option<usize>,
}

impl RawDeep {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> Option<DeepSettings> {
        if cfg!(not(feature = "deep")) {
            problems.add(
                "privacy.deep",
                "this program is built without it; build it with `cargo build --release --features deep`",
            );
        }
        if self.model.is_empty() {
            problems.add("privacy.deep.model", "must name the file of the network");
            return None;
        }
        let mut file = |key: &str, text: Option<String>, default: PathBuf| {
            problems.read(&format!("privacy.deep.{key}"), text, default, |text| {
                value::path(base, &text)
            })
        };
        let model = file("model", Some(self.model), PathBuf::new());
        let tokenizer = file("tokenizer", self.tokenizer, model.with_file_name("tokenizer.json"));
        let labels = file("labels", self.labels, tokenizer.with_file_name("config.json"));
        let budget = problems.read("privacy.deep.budget", self.budget, DEFAULT_BUDGET, |text| {
            value::duration(&text, Duration::from_millis(1), MOST_BUDGET)
        });
        let closed = problems.read("privacy.deep.on_failure", self.on_failure, false, |text| {
            match text.as_str() {
                "open" => Ok(false),
                "closed" => Ok(true),
                _ => Err("must be `open` or `closed`".to_owned()),
            }
        });
        let longest = problems.read("privacy.deep.longest", self.longest, DEFAULT_LONGEST, |n| {
            value::number(n, 1, MOST_LONGEST)
        });
        Some(DeepSettings { model, tokenizer, labels, budget, closed, longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_beside_the_network_and_without_the_feature_the_section_is_a_problem() {
        let raw = RawDeep { model: "rampart/model_q4.onnx".to_owned(), ..RawDeep::default() };
        let mut problems = Problems::default();
        let deep = raw.check(Path::new("/base"), &mut problems).unwrap();
        assert_eq!(deep.tokenizer, Path::new("/base/rampart/tokenizer.json"));
        assert_eq!(deep.labels, Path::new("/base/rampart/config.json"));
        assert_eq!((deep.budget, deep.closed), (DEFAULT_BUDGET, false));
        let told = format!("{problems:?}");
        assert_eq!(told.contains("--features deep"), cfg!(not(feature = "deep")), "{told}");
    }
}
