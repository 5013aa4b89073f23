//! What was found: kind, place and score, never the value.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// The name of the rule that found a value: its `id` in a pattern file, `tagger`, or `deep`.
pub type RuleName = Arc<str>;

/// One value that must stay unseen.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The kind of value, such as `EMAIL_ADDRESS`.
    pub kind: Arc<str>,
    /// Bytes of the text that was scanned, on character boundaries.
    pub range: Range<usize>,
    /// How sure it is, from 0 to 1.
    pub score: f32,
    /// What found it.
    pub rule: RuleName,
    /// Why it is believed.
    pub evidence: Evidence,
}

/// What speaks for a finding, for `--explain`. Words of the rule, never of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The context word of the rule that stands near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Arc<str>>,
    /// Whether that word stands in the name of the JSON member.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_key: bool,
    /// The validator, and whether it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validator: Option<(Arc<str>, bool)>,
    /// Whether the value stood inside an encoding (Base64, URL-encoding, embedded JSON).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub encoded: bool,
}

/// The ranges of `findings`, which are in bytes of `text`, in code points; in the order of `findings`.
///
/// Linear in `text` where the findings ascend, as those of a scan do.
#[must_use]
pub fn code_points(text: &str, findings: &[Finding]) -> Vec<Range<usize>> {
    let mut at = (0, 0);
    let mut to = |byte: usize| {
        if byte < at.0 {
            at = (0, 0);
        }
        let between = text.get(at.0..byte).unwrap_or_default();
        at = (byte, at.1 + between.chars().count());
        at.1
    };
    findings.iter().map(|finding| to(finding.range.start)..to(finding.range.end)).collect()
}
