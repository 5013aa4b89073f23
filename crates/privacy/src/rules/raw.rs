//! A pattern file as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) pack: RawPack,
    #[serde(default, rename = "rule")]
    pub(super) rules: Vec<RawRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPack {
    pub(super) name: Option<String>,
    pub(super) locale: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) locale: Option<String>,
    pub(super) patterns: Vec<String>,
    #[serde(default)]
    pub(super) value: usize,
    #[serde(default)]
    pub(super) boundary: RawBoundary,
    pub(super) validator: Option<String>,
    #[serde(default)]
    pub(super) needs: RawNeeds,
    pub(super) score: f32,
    pub(super) score_context: Option<f32>,
    pub(super) score_valid: Option<f32>,
    pub(super) score_invalid: Option<f32>,
    #[serde(default)]
    pub(super) min_entropy: f32,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) context: RawContext,
    pub(super) context_window: Option<usize>,
    #[serde(default)]
    pub(super) negative: Vec<String>,
    #[serde(default)]
    pub(super) keys: Vec<String>,
    #[serde(default)]
    pub(super) positive: Vec<String>,
    #[serde(default)]
    pub(super) negative_examples: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawBoundary {
    #[default]
    Word,
    Digit,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawNeeds {
    #[default]
    Nothing,
    Context,
    Validator,
    Either,
}

/// Words by language, or without one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawContext {
    Words(Vec<String>),
    ByLanguage(BTreeMap<String, Vec<String>>),
}

impl Default for RawContext {
    fn default() -> Self {
        Self::Words(Vec::new())
    }
}

impl RawContext {
    pub(super) fn words(self) -> Vec<String> {
        match self {
            Self::Words(words) => words,
            Self::ByLanguage(by_language) => by_language.into_values().flatten().collect(),
        }
    }
}
