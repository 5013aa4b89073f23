//! What is found, and where.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use haechi_core::json::{Limits, check};
use haechi_privacy::{
    Detector, DetectorConfig, Finding, LeafFinding, PatternFile, Target, code_points,
};
use proptest::prelude::*;

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(&DetectorConfig::default()).unwrap());

/// Without names, for what patterns alone must do.
static PATTERNS: LazyLock<Detector> = LazyLock::new(|| {
    Detector::new(&DetectorConfig { names: false, ..DetectorConfig::default() }).unwrap()
});

fn found<'t>(text: &'t str, findings: &[Finding]) -> Vec<(String, &'t str)> {
    let one =
        |finding: &Finding| (finding.kind.to_string(), text.get(finding.range.clone()).unwrap());
    findings.iter().map(one).collect()
}

fn scan_json(text: &str) -> Vec<LeafFinding> {
    DETECTOR.scan_json(check(text.as_bytes(), &Limits::RESULT).unwrap())
}

fn pair(kind: &str, value: &'static str) -> (String, &'static str) {
    (kind.to_owned(), value)
}

#[test]
fn encodings_are_followed_and_lead_back_to_the_source() {
    let email = |value| pair("EMAIL_ADDRESS", value);
    let cases = [
        ("plain: jane.roe@mail.test.org", email("jane.roe@mail.test.org")),
        ("/find?mail=jane.roe%40mail.test.org&x=1", email("jane.roe%40mail.test.org")),
        (r#"{"a": "{\"mail\": \"jane.roe@mail.test.org\"}"}"#, email("jane.roe@mail.test.org")),
        ("blob amFuZS5yb2VAbWFpbC50ZXN0Lm9yZw== end", email("amFuZS5yb2VAbWFpbC50ZXN0Lm9yZw==")),
        (
            "mail ｊａｎｅ＠ｍａｉｌ．ｔｅｓｔ．ｏｒｇ now",
            email("ｊａｎｅ＠ｍａｉｌ．ｔｅｓｔ．ｏｒｇ"),
        ),
    ];
    for (text, expected) in cases {
        let findings = PATTERNS.scan(text);
        assert!(found(text, &findings).contains(&expected), "{text}: {:?}", found(text, &findings));
    }
    let encoded = PATTERNS.scan("blob amFuZS5yb2VAbWFpbC50ZXN0Lm9yZw== end");
    assert!(encoded.iter().all(|finding| finding.evidence.encoded));
}

#[test]
fn numbers_in_disguise_are_found_as_they_stand() {
    for text in ["010-1234-5678", "０１０－１２３４－５６７８", "공일공-일이삼사-오육칠팔"]
    {
        let whole = format!("연락처 {text} 입니다");
        let findings = PATTERNS.scan(&whole);
        assert_eq!(found(&whole, &findings), [("PHONE_NUMBER".to_owned(), text)], "{text}");
    }
}

#[test]
fn the_name_of_a_member_is_context() {
    let leaves =
        scan_json(r#"{"customer": {"ssn": "536-90-4399"}, "order": [{"ssn": 536904399}]}"#);
    let places: Vec<(&str, Target)> =
        leaves.iter().map(|leaf| (leaf.pointer.as_str(), leaf.target)).collect();
    assert_eq!(places, [("/customer/ssn", Target::String), ("/order/0/ssn", Target::Number)]);
    for leaf in &leaves {
        assert!(leaf.findings.iter().all(|finding| &*finding.kind == "US_SSN"));
    }
}

#[test]
fn a_secret_is_known_by_the_name_of_its_member() {
    let leaves = scan_json(r#"{"db": {"password": "Tr0ub4dor&3x"}, "note": "Tr0ub4dor&3x"}"#);
    let places: Vec<&str> = leaves.iter().map(|leaf| leaf.pointer.as_str()).collect();
    assert_eq!(places, ["/db/password"]);
}

#[test]
fn what_is_protected_already_is_no_finding() {
    let text = "ask tok_EMAIL_ADDRESS_abcdefghijklmnopqrstuvwxyz@token.invalid or [PHONE_NUMBER_1] or \
                hv1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    assert_eq!(PATTERNS.scan(text), []);
}

#[test]
fn rules_of_ones_own_are_held_to_their_examples() {
    let file = |contents: &str| DetectorConfig {
        files: vec![PatternFile { name: "own.toml".to_owned(), contents: contents.to_owned() }],
        ..DetectorConfig::default()
    };
    let rule =
        "[[rule]]\nid = \"badge\"\nkind = \"BADGE\"\npatterns = ['AC-\\d{6}']\nscore = 0.9\n";
    let good = format!("{rule}positive = [\"{{{{AC-123456}}}}\"]\n");
    let detector = Detector::new(&file(&good)).unwrap();
    assert_eq!(found("x AC-654321", &detector.scan("x AC-654321")), [pair("BADGE", "AC-654321")]);
    let bad = format!("{rule}positive = [\"{{{{AC-12345}}}}\"]\n");
    let error = Detector::new(&file(&bad)).unwrap_err().to_string();
    assert!(error.starts_with("own.toml: rule `badge`: positive example 1"), "{error}");
    let error = Detector::new(&file("[[rule]]\nid = 1")).unwrap_err().to_string();
    assert!(error.starts_with("own.toml: line 2"), "{error}");
    let look_around = rule.replace("AC-", "(?=AC)");
    assert!(Detector::new(&file(&look_around)).is_err());
}

#[test]
fn a_plain_file_of_patterns_is_read() {
    let contents = r#"{"project code": ["PRJ-[A-Z]{3}"]}"#.to_owned();
    let files = vec![PatternFile { name: "pii_patterns.json".to_owned(), contents }];
    let detector = Detector::new(&DetectorConfig { files, ..DetectorConfig::default() }).unwrap();
    assert_eq!(
        found("see PRJ-ABC", &detector.scan("see PRJ-ABC")),
        [pair("PROJECT_CODE", "PRJ-ABC")]
    );
}

#[test]
fn offsets_are_told_in_code_points() {
    let text = "메일: a.b@mail.test.org";
    let findings = PATTERNS.scan(text);
    assert_eq!(code_points(text, &findings), std::iter::once(4..21).collect::<Vec<_>>());
}

/// A megabyte that was made to be slow takes no more than some factor of ordinary text.
#[test]
fn hostile_text_takes_linear_time() {
    let megabyte = 1 << 20;
    let nested =
        (0..12).fold("a@b.test.org ".repeat(40), |text, _| serde_json::to_string(&[text]).unwrap());
    let cases = [
        ("digits", "7".repeat(megabyte)),
        ("numbers", "123456789 ".repeat(megabyte / 10)),
        ("at signs", "@".repeat(megabyte)),
        ("addresses without an end", "a@b.".repeat(megabyte / 4)),
        ("dots", "a.".repeat(megabyte / 2)),
        ("braces", "{".repeat(megabyte)),
        ("brackets", "[".repeat(megabyte)),
        ("percent signs", "%41".repeat(megabyte / 3)),
        ("Base64", "QUJD".repeat(megabyte / 4)),
        ("keywords", "password=".repeat(megabyte / 9)),
        ("context words", "ssn phone account ".repeat(megabyte / 18)),
        ("nested JSON", nested),
    ];
    for (name, text) in cases {
        let start = Instant::now();
        let _ = PATTERNS.scan(&text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(60), "{name}: {took:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn findings_of_any_text_ascend_apart_and_on_characters(
        text in "([ -~]|[가-힣]|[０-９]|\\n|010-1234-5678|a@b\\.co|%40|password=|ssn |4111 1111 1111 1111 ){0,60}"
    ) {
        let findings = DETECTOR.scan(&text);
        let mut end = 0;
        for finding in &findings {
            prop_assert!(end <= finding.range.start && finding.range.start < finding.range.end);
            prop_assert!(text.get(finding.range.clone()).is_some());
            prop_assert!((0.5..=1.0).contains(&finding.score));
            end = finding.range.end;
        }
    }

    #[test]
    fn leaves_of_any_document_hold_their_findings(
        values in proptest::collection::vec("([ -~]|[가-힣]|010-1234-5678|a@b\\.co){0,20}", 0..6)
    ) {
        let document = serde_json::json!({ "a/b": values, "n": 1 });
        for leaf in scan_json(&document.to_string()) {
            let value = document.pointer(&leaf.pointer).and_then(serde_json::Value::as_str);
            for finding in &leaf.findings {
                prop_assert!(value.is_some_and(|value| value.get(finding.range.clone()).is_some()));
            }
        }
    }
}
