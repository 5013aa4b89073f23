//! What is protected already: tokens, envelopes, digests and redactions never count as findings.

use std::sync::LazyLock;

use regex_automata::Input;
use regex_automata::meta::Regex;

use crate::finding::Finding;

static PROTECTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let tokens = r"(?:https://token\.invalid/)?(?:tok|det|hash)_[A-Z0-9_]{1,64}_[a-z2-7]{16,}(?:@token\.invalid)?";
    let others = r"hv1\.[A-Za-z0-9_-]{16,}|\[[A-Z][A-Z0-9_]{0,63}_[0-9]{1,9}\]";
    Regex::new(&format!("{tokens}|{others}")).ok()
});

/// Takes away what lies wholly inside something protected.
pub(super) fn spare(text: &str, findings: &mut Vec<Finding>) {
    let Some(regex) = PROTECTED.as_ref().filter(|_| !findings.is_empty()) else { return };
    let protected: Vec<_> = regex.find_iter(Input::new(text)).map(|found| found.range()).collect();
    findings.retain(|finding| {
        let at = protected.partition_point(|range| range.start <= finding.range.start);
        let around = at.checked_sub(1).and_then(|at| protected.get(at));
        around.is_none_or(|range| range.end < finding.range.end)
    });
}
