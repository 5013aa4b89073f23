//! Built-in rules keep their examples; rules of strangers are checked.

use haechi_privacy::{BUILT_IN, Detector, DetectorConfig, test_rules};

#[test]
fn every_built_in_rule_keeps_its_examples() {
    let mut problems = Vec::new();
    for (file, contents) in BUILT_IN {
        match test_rules(file, contents) {
            Ok(report) => problems.extend(
                report.failed.iter().map(|(rule, failed)| format!("{file}: `{rule}`: {failed}")),
            ),
            Err(error) => problems.push(error.to_string()),
        }
    }
    assert!(problems.is_empty(), "{} fail:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn all_packs_fit_together() {
    let detector = Detector::new(&DetectorConfig::default());
    assert!(detector.is_ok(), "{detector:?}");
}
