//! Whole files and lines: what must be found in them, and what only looks like it.

use haechi_privacy::{Detector, DetectorConfig, Finding};
use serde::Deserialize;

#[derive(Deserialize)]
struct Dotfiles {
    secrets: Vec<File>,
    clean: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct Korea {
    found: Vec<Line>,
    clean: Vec<String>,
}

#[derive(Deserialize)]
struct Line {
    kind: String,
    text: String,
}

fn patterns() -> Detector {
    let config = DetectorConfig { names: false, ..DetectorConfig::default() };
    Detector::new(&config).unwrap()
}

fn has(findings: &[Finding], kind: &str) -> bool {
    findings.iter().any(|finding| &*finding.kind == kind)
}

#[test]
fn credentials_are_found_in_the_files_that_hold_them_and_not_in_others() {
    let files: Dotfiles = serde_json::from_str(include_str!("../vectors/dotfiles.json")).unwrap();
    let detector = patterns();
    let secret = |file: &&File| has(&detector.scan(&file.text), "SECRET");
    let missed = files.secrets.iter().filter(|file| !secret(file)).map(|file| &*file.name);
    let alarmed = files.clean.iter().filter(secret).map(|file| &*file.name);
    let (missed, alarmed): (Vec<_>, Vec<_>) = (missed.collect(), alarmed.collect());
    assert!(missed.is_empty() && alarmed.is_empty(), "missed {missed:?}, alarmed {alarmed:?}");
}

#[test]
fn korean_numbers_are_found_in_every_writing_and_nobodys_numbers_are_not() {
    let lines: Korea = serde_json::from_str(include_str!("../vectors/korea.json")).unwrap();
    let detector = patterns();
    let missed: Vec<_> =
        lines.found.iter().filter(|line| !has(&detector.scan(&line.text), &line.kind)).collect();
    let alarmed: Vec<_> =
        lines.clean.iter().filter(|text| !detector.scan(text).is_empty()).collect();
    let missed: Vec<_> = missed.iter().map(|line| (&line.kind, &line.text)).collect();
    assert!(missed.is_empty() && alarmed.is_empty(), "missed {missed:?}, alarmed {alarmed:?}");
}
