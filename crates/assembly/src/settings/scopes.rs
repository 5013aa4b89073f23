//! `[scopes]`: what scopes mean, to the guard and to people.

use std::collections::{BTreeMap, BTreeSet};

use haechi_identity::ScopeHierarchy;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;

/// The most scopes that may be described.
const MOST: usize = 500;

/// What one scope means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeSettings {
    /// Its name (RFC 6749 §3.3).
    pub name: String,
    /// Scopes it holds within it.
    pub holds: BTreeSet<String>,
    /// What an English reader is told of it.
    pub english: Option<String>,
    /// What a Korean reader is told of it.
    pub korean: Option<String>,
}

/// What one scope means.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawScope {
    /// Scopes it holds within it: whoever has it has them too.
    holds: BTreeSet<String>,
    /// What people read of it when they consent, in English.
    english: Option<String>,
    /// The same in Korean.
    korean: Option<String>,
}

/// Checks all scopes.
pub(crate) fn check(
    raw: BTreeMap<String, RawScope>,
    problems: &mut Problems,
) -> Vec<ScopeSettings> {
    if raw.len() > MOST {
        problems.add("scopes", format!("must describe at most {MOST}"));
    }
    raw.into_iter().map(|(name, raw)| raw.check(name, problems)).collect()
}

/// Which scopes hold others.
pub(crate) fn hierarchy(scopes: &[ScopeSettings]) -> ScopeHierarchy {
    ScopeHierarchy::new(&scopes.iter().map(|it| (it.name.clone(), it.holds.clone())).collect())
}

impl RawScope {
    fn check(self, name: String, problems: &mut Problems) -> ScopeSettings {
        let key = format!("scopes.{name}");
        for scope in std::iter::once(&name).chain(&self.holds) {
            if !is_scope(scope) {
                problems.add(
                    &*key,
                    format!("`{scope}` is no scope: visible ASCII without `\"` and `\\`"),
                );
            }
        }
        let words = [("english", &self.english), ("korean", &self.korean)];
        for (language, words) in words {
            if words.as_ref().is_some_and(|words| !is_sentence(words)) {
                problems.add(format!("{key}.{language}"), "must be 1 to 200 printable characters");
            }
        }
        ScopeSettings { name, holds: self.holds, english: self.english, korean: self.korean }
    }
}

/// The characters of RFC 6749 §3.3, and a length that still fits a header.
fn is_scope(scope: &str) -> bool {
    let fits = (1..=200).contains(&scope.len());
    fits && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn is_sentence(text: &str) -> bool {
    (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
