//! Built-in rules keep their examples; rules of strangers are checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
fn every_pack_in_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    let built_in: BTreeSet<String> = BUILT_IN.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(built_in, there, "`BUILT_IN` in src/rules.rs lists the packs");
}

#[test]
fn all_packs_fit_together() {
    let detector = Detector::new(&DetectorConfig::default());
    assert!(detector.is_ok(), "{detector:?}");
}
