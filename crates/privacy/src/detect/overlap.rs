//! Which of several findings for the same bytes stays.

use std::cmp::Ordering;

use crate::finding::Finding;

/// Leaves no two findings that overlap: validated before context before specific before tagger
/// before generic; then the longer, the surer, the first. A URL inside an e-mail address never counts.
pub(super) fn resolve(findings: &mut Vec<Finding>) {
    if findings.len() < 2 {
        return;
    }
    findings.sort_by(better);
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    // INVARIANT: ranges of `taken` are ascending and apart.
    let mut taken: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for finding in findings.drain(..) {
        let before = taken.range(..finding.range.end).next_back();
        if before.is_none_or(|(_, end)| *end <= finding.range.start) {
            taken.insert(finding.range.start, finding.range.end);
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.range.start);
    *findings = kept;
}

fn better(a: &Finding, b: &Finding) -> Ordering {
    let longer = |finding: &Finding| finding.range.len();
    rank(b)
        .cmp(&rank(a))
        .then_with(|| longer(b).cmp(&longer(a)))
        .then_with(|| b.score.total_cmp(&a.score))
        .then_with(|| a.range.start.cmp(&b.range.start))
        .then_with(|| a.rule.cmp(&b.rule))
}

/// What an e-mail address, or a secret, is part of it; so it goes before a URL that surrounds or touches it.
fn rank(finding: &Finding) -> u8 {
    let evidence = &finding.evidence;
    let valid = evidence.validator.as_ref().is_some_and(|(_, holds)| *holds);
    let context = evidence.context.is_some() || evidence.by_key;
    match &*finding.kind {
        // `name:password@host` reads as an address too.
        "SECRET" if valid => 7,
        "EMAIL_ADDRESS" => 6,
        _ if valid && finding.score >= 0.5 => 5,
        _ if context => 4,
        "URL" | "DATE_TIME" | "AGE" | "TITLE" | "ID" | "USERNAME" => 1,
        _ if matches!(&*finding.rule, "tagger" | "deep") => 2,
        _ if finding.score < 0.5 => 0,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Evidence;

    fn finding(kind: &str, range: std::ops::Range<usize>, score: f32) -> Finding {
        let rule = kind.to_lowercase().into();
        Finding { kind: kind.into(), range, score, rule, evidence: Evidence::default() }
    }

    #[test]
    fn an_address_swallows_the_url_in_it_and_the_longer_wins() {
        let mut findings = vec![
            finding("URL", 4..11, 0.9),
            finding("EMAIL_ADDRESS", 0..11, 0.6),
            finding("PHONE_NUMBER", 20..30, 0.6),
            finding("US_SSN", 20..28, 0.9),
        ];
        resolve(&mut findings);
        let kinds: Vec<&str> = findings.iter().map(|finding| &*finding.kind).collect();
        assert_eq!(kinds, ["EMAIL_ADDRESS", "PHONE_NUMBER"]);
    }
}
