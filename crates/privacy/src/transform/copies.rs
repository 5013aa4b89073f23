//! Values of `structuredContent` in the text that copies it: MCP asks tools to give both, and what a
//! member's name gives away in the one stands bare in the other.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use haechi_core::json::quote;

use crate::finding::{Evidence, Finding};

use super::leaf::Leaf;

/// Shorter values stand in too many texts by chance, in bytes.
const MIN_BYTES: usize = 5;

/// Whether `pointer` is that of a text that may copy `structuredContent`.
pub(crate) fn is_copy(pointer: &str) -> bool {
    let block = pointer.strip_prefix("/content/").and_then(|rest| rest.strip_suffix("/text"));
    let index = block.map(|block| block.strip_suffix("/resource").unwrap_or(block));
    index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether `pointer` is that of a structured value.
pub(crate) fn is_structured(pointer: &str) -> bool {
    pointer
        .strip_prefix("/structuredContent")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Looks for values.
pub(crate) struct Copies {
    words: AhoCorasick,
    kinds: Vec<Arc<str>>,
}

impl Copies {
    /// `None` where there is nothing to look for, or too much.
    pub(crate) fn of<'v>(values: impl Iterator<Item = (&'v Arc<str>, &'v str)>) -> Option<Self> {
        let (mut words, mut kinds) = (Vec::new(), Vec::new());
        for (kind, value) in values.filter(|(_, value)| value.len() >= MIN_BYTES) {
            let literal = quote(value);
            let escaped = literal.get(1..literal.len() - 1).filter(|it| *it != value);
            for word in [Some(value), escaped].into_iter().flatten() {
                words.push(word.to_owned());
                kinds.push(Arc::clone(kind));
            }
        }
        if words.is_empty() {
            return None;
        }
        let words =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).ok()?;
        Some(Self { words, kinds })
    }

    /// Where they stand as whole words in `leaf`.
    pub(crate) fn find(&self, leaf: &Leaf<'_>) -> Vec<Finding> {
        let text = &*leaf.text;
        let alone = |range: &std::ops::Range<usize>| {
            let before = text.get(..range.start).and_then(|head| head.chars().next_back());
            let after = text.get(range.end..).and_then(|tail| tail.chars().next());
            [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
        };
        let found = self.words.find_iter(text).filter(|found| alone(&found.range()));
        found
            .filter_map(|found| {
                let kind = Arc::clone(self.kinds.get(found.pattern().as_usize())?);
                let evidence = Evidence::default();
                Some(Finding {
                    kind,
                    range: found.range(),
                    score: 1.0,
                    rule: "copy".into(),
                    evidence,
                })
            })
            .collect()
    }
}
