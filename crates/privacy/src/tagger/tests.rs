use super::*;

fn found(text: &str, keys: &[&str]) -> Vec<(String, String)> {
    let mut findings = Vec::new();
    Tagger::embedded().tag(text, keys, &mut findings);
    findings
        .iter()
        .map(|finding| {
            (finding.kind.to_string(), text.get(finding.range.clone()).unwrap().to_owned())
        })
        .collect()
}

fn is_found(text: &str, keys: &[&str], kind: &str, value: &str) -> bool {
    found(text, keys).iter().any(|(own, part)| own == kind && part == value)
}

#[test]
fn persons_places_and_organisations_are_found_in_prose() {
    let text = "Please tell Margaret Hollis that Siemens AG has moved its office to Rotterdam.";
    for (kind, value) in
        [("PERSON", "Margaret Hollis"), ("ORGANIZATION", "Siemens AG"), ("LOCATION", "Rotterdam")]
    {
        assert!(is_found(text, &[], kind, value), "{kind}: {:?}", found(text, &[]));
    }
}

#[test]
fn an_address_is_found_with_its_town() {
    let text = "Deliver it to 221 Kingsland Road, Apt 4, Springfield, IL 62704 before noon.";
    let spans = found(text, &[]);
    assert!(
        spans
            .iter()
            .any(|(kind, part)| kind == "STREET_ADDRESS" && part.contains("Kingsland Road")),
        "{spans:?}"
    );
}

#[test]
fn the_name_of_a_member_tells_a_person_from_a_product() {
    assert!(is_found("jordan ashford", &["customer", "full_name"], "PERSON", "jordan ashford"));
    assert_eq!(found("Wireless Keyboard", &["product", "name"]), []);
    assert_eq!(found("Quarterly report", &["issue", "title"]), []);
}

#[test]
fn korean_names_are_found_without_their_particles() {
    assert!(is_found("담당자 김민준에게 연락 바랍니다.", &[], "PERSON", "김민준"));
    assert!(is_found("성명: 박서연\n주소: 서울특별시 강남구 테헤란로 12", &[], "PERSON", "박서연"));
    assert_eq!(found("오늘은 회의가 없습니다.", &[]), []);
}

#[test]
fn plain_technical_text_is_left_alone() {
    for text in [
        "Reads a file and returns its contents as text.",
        "error[E0308]: mismatched types in src/main.rs:12",
        "GET /api/v1/orders/12 HTTP/1.1",
    ] {
        assert_eq!(found(text, &[]), [], "{text}");
    }
}

#[test]
fn nothing_but_an_address_goes_over_a_line() {
    for (kind, part) in found("Name: Anna Kowalska\nBernd Schulze\nCity: Porto", &[]) {
        assert!(kind == "STREET_ADDRESS" || !part.contains('\n'), "{kind} {part:?}");
    }
}

proptest::proptest! {
    #[test]
    fn findings_ascend_on_letters_and_claim_what_a_tagger_may(text in "([A-Z][a-z]{1,8}|[가-힣]{1,4}|[0-9]{1,5}|.|\n| ){0,40}") {
        let mut findings = Vec::new();
        Tagger::embedded().tag(&text, &["any"], &mut findings);
        let mut at = 0;
        for finding in findings {
            proptest::prop_assert!(finding.range.start >= at && finding.range.end > finding.range.start);
            proptest::prop_assert!(text.get(finding.range.clone()).is_some());
            proptest::prop_assert!((0.5..=0.95).contains(&finding.score));
            at = finding.range.end;
        }
    }

    #[test]
    fn any_bytes_are_weights_that_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000)) {
        let mut findings = Vec::new();
        Tagger::new(&bytes, &bytes, &bytes).tag("Anna lives in Oslo. 김민준", &[], &mut findings);
    }
}
