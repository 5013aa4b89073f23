//! What the deep tier adds, with the model in the folder that `HAECHI_DEEP_MODEL` names; left out
//! where it names none. `docs/deep.md` tells which files the folder holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_privacy::{
    Deep, DeepConfig, DeepError, Detector, DetectorConfig, Limit, Obligations, OnFailure,
    PrivacyError, ReadError,
};

use crate::scenes::House;

const LETTER: &str = "Hello, my name is Wilhelmina Fotheringay-Smythe and I moved to 42 Gooseberry \
    Lane, Apt 7, in Tuscaloosa, Alabama last spring. Please call my brother Ignatius.";

fn config() -> Option<DeepConfig> {
    #[expect(clippy::disallowed_methods, reason = "the model's place is a setting of the test run")]
    let Some(folder) = std::env::var_os("HAECHI_DEEP_MODEL").map(PathBuf::from) else {
        println!("left out: HAECHI_DEEP_MODEL names no model");
        return None;
    };
    let flat = folder.join("model_q4.onnx");
    Some(DeepConfig {
        model: if flat.exists() { flat } else { folder.join("onnx/model_q4.onnx") },
        tokenizer: folder.join("tokenizer.json"),
        labels: folder.join("config.json"),
        budget: Duration::from_secs(600),
        on_failure: OnFailure::Open,
        longest_chars: 100_000,
    })
}

fn tagged(deep: &Deep, text: &str) -> Vec<(String, String)> {
    let mut findings = Vec::new();
    deep.tag(text, &mut findings).unwrap();
    assert!(findings.iter().all(|it| &*it.rule == "deep" && (0.5..=1.0).contains(&it.score)));
    findings
        .iter()
        .map(|it| (it.kind.to_string(), text.get(it.range.clone()).unwrap().to_owned()))
        .collect()
}

#[test]
fn names_and_addresses_are_found_whole() {
    let Some(config) = config() else { return };
    let deep = Deep::open(&config).unwrap();
    let found = tagged(&deep, LETTER);
    println!("{found:?}");
    for (kind, value) in [
        ("PERSON", "Wilhelmina Fotheringay-Smythe"),
        ("STREET_ADDRESS", "42 Gooseberry Lane, Apt 7"),
        ("LOCATION", "Tuscaloosa, Alabama"),
        ("PERSON", "Ignatius"),
    ] {
        assert!(found.contains(&(kind.to_owned(), value.to_owned())), "{kind} in {found:?}");
    }
    assert_eq!(tagged(&deep, "주민등록번호는 김철수에게 물어보세요"), []);
    assert_eq!(tagged(&deep, ""), []);
}

#[test]
fn a_long_text_is_read_window_by_window_and_the_speed_is_told() {
    let Some(config) = config() else { return };
    let deep = Deep::open(&config).unwrap();
    let text = format!("{LETTER}\n").repeat(24);
    let began = Instant::now();
    let found = tagged(&deep, &text);
    println!("{:.0} characters a second", text.len() as f64 / began.elapsed().as_secs_f64());
    let names = found.iter().filter(|(_, value)| value == "Wilhelmina Fotheringay-Smythe");
    assert_eq!(names.count(), 24);
}

#[test]
fn over_the_budget_open_goes_on_and_closed_refuses() {
    let Some(config) = config() else { return };
    let document = serde_json::json!({ "note": LETTER, "mail": "ann@example.com" }).to_string();
    let detector = |on_failure, budget| {
        let config = DeepConfig { on_failure, budget, ..config.clone() };
        let deep = Deep::open(&config).unwrap();
        Arc::new(Detector::new(&DetectorConfig::default()).unwrap().with_deep(deep))
    };
    let screen = |detector| House::of(detector, Obligations::default()).screen(&document);
    let zero = Duration::ZERO;
    assert!(screen(detector(OnFailure::Open, zero)).is_ok());
    let refused = screen(detector(OnFailure::Closed, zero)).unwrap_err();
    let limit = Limit::Time(zero);
    assert!(matches!(refused, PrivacyError::TooMuch { limit: it } if it == limit), "{refused}");
    assert!(screen(detector(OnFailure::Closed, config.budget)).is_ok());
    // Where there is nothing to read, nothing is over.
    assert!(detector(OnFailure::Closed, zero).scan("12-34").is_empty());
}

#[test]
fn what_is_not_read_is_counted() {
    let Some(config) = config() else { return };
    let deep = Deep::open(&DeepConfig { longest_chars: 10, ..config }).unwrap();
    let mut findings = Vec::new();
    assert!(matches!(deep.tag(LETTER, &mut findings), Err(ReadError::TooLong(10))));
    assert_eq!(deep.cut_short(), 1);
}

#[test]
fn files_of_another_kind_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    };
    let vocab = r###"{"normalizer": {}, "model": {"type": "WordPiece", "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}}}"###;
    let mut config = DeepConfig {
        model: folder.path().join("none.onnx"),
        tokenizer: write("bad.json", "{}"),
        labels: write("none.json", "{}"),
        budget: Duration::from_millis(100),
        on_failure: OnFailure::Open,
        longest_chars: 4_000,
    };
    assert!(matches!(Deep::open(&config), Err(DeepError::Labels(_))));
    config.labels = write("config.json", r#"{"id2label": {"0": "O", "1": "B-CITY"}}"#);
    assert!(matches!(Deep::open(&config), Err(DeepError::Tokenizer(_))));
    config.tokenizer = write("tokenizer.json", vocab);
    assert!(matches!(Deep::open(&config), Err(DeepError::File { .. })));
    config.model = write("model.onnx", "no network");
    assert!(matches!(Deep::open(&config), Err(DeepError::Model { .. })));
}
