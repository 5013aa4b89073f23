use proptest::prelude::*;

use super::check::Check;
use super::*;

fn key() -> FormatKey {
    FormatKey::new(&[7; 32]).unwrap()
}

fn digits(value: &str) -> Vec<u16> {
    value.chars().filter_map(|c| c.to_digit(10)).map(|d| u16::try_from(d).unwrap()).collect()
}

fn holds(check: Check, value: &str) -> bool {
    let digits = digits(value);
    let (last, before) = digits.split_last().unwrap();
    check.digit(before) == *last
}

/// Enciphers, compares shape, and deciphers; answers the new value.
#[track_caller]
fn there_and_back(kind: &str, value: &str) -> String {
    let other = key().seal(kind, value, b"tweak").unwrap();
    let shape = |text: &str| text.chars().map(shape_of).collect::<Vec<_>>();
    assert_eq!(shape(value), shape(&other), "{kind} {value} {other}");
    assert_eq!(key().open(kind, &other, b"tweak").unwrap(), value, "{kind} {value} {other}");
    other
}

/// What of `c` stays: a separator itself, the class and case of anything else.
fn shape_of(c: char) -> char {
    match c {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        '가'..='힣' => '가',
        other => other,
    }
}

#[test]
fn values_keep_their_form() {
    let cases = [
        ("CREDIT_CARD", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "4111-1111-1111-1112"),
        ("KR_RRN", "900101-1234568"),
        ("KR_RRN", "000229-3234567"),
        ("KR_RRN", "991399-9234567"),
        ("KR_FRN", "900101-5234560"),
        ("KR_BRN", "220-81-62517"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("IBAN_CODE", "GB82WEST12345698765432"),
        ("IBAN_CODE", "GB83WEST12345698765432"),
        ("IBAN_CODE", "GB00WEST12345698765432"),
        ("PHONE_NUMBER", "010-1234-5678"),
        ("PHONE_NUMBER", "+1 (415) 555-2671"),
        ("EMAIL_ADDRESS", "mina.kim@example.com"),
        ("PERSON", "김민아"),
        ("US_SSN", "078-05-1120"),
        ("PASSPORT", "M12345678"),
        ("VEHICLE_PLATE", "12가3456"),
        ("PERSON", "Mina Kim-Lee"),
        ("EMAIL_ADDRESS", "firstname.lastname2024@some-company.department.co.kr"),
        (
            "STREET_ADDRESS",
            "서울특별시 중구 세종대로 110길 12-3 101동 1502호 한글아파트 Apt B, Seoul 04524",
        ),
        ("STREET_ADDRESS", "서울시 중구 12-3 Apt B"),
        ("ID", "ab-12-CD-34"),
    ];
    for (kind, value) in cases {
        assert_ne!(there_and_back(kind, value), value);
    }
}

#[test]
fn what_a_value_is_recognised_by_stays() {
    assert!(there_and_back("CREDIT_CARD", "4111 1111 1111 1111").starts_with("41"));
    assert!(there_and_back("PHONE_NUMBER", "010-1234-5678").starts_with("010-"));
    assert!(there_and_back("PHONE_NUMBER", "+1 (415) 555-2671").starts_with("+1 (415) "));
    assert!(there_and_back("EMAIL_ADDRESS", "mina@example.com").ends_with(".com"));
    assert!(there_and_back("IBAN_CODE", "GB82WEST12345698765432").contains("WEST"));
    assert!(there_and_back("PASSPORT", "M12345678").starts_with('M'));
    assert!(there_and_back("VEHICLE_PLATE", "12가3456").contains('가'));
}

#[test]
fn too_few_or_too_many_symbols_are_refused() {
    for value in ["", "-", "12345", "1-2-3-4-5", "ab", "é", "민", "a1b2"] {
        let refused = key().seal("ID", value, b"");
        assert_eq!(refused, Err(FormatError::Small), "{value}");
    }
    assert_eq!(key().seal("ID", &"1".repeat(257), b""), Err(FormatError::Long));
    assert_eq!(key().seal("ID", &"1a".repeat(129), b""), Err(FormatError::Long));
    assert_eq!(key().seal("CREDIT_CARD", "123456", b""), Err(FormatError::Small));
    assert_eq!(key().seal("EMAIL_ADDRESS", "a@b.com", b""), Err(FormatError::Small));
}

#[test]
fn keys_tweaks_and_kinds_give_other_values() {
    let seal = |key: &FormatKey, tweak: &[u8]| key.seal("ID", "1234567890", tweak).unwrap();
    let other = FormatKey::new(&[8; 32]).unwrap();
    assert_ne!(seal(&key(), b"a"), seal(&key(), b"b"));
    assert_ne!(seal(&key(), b"a"), seal(&other, b"a"));
}

proptest! {
    #[test]
    fn a_card_that_holds_holds_afterwards(payload in "[0-9]{15}", off in 0_u16..10) {
        let right = Check::Luhn.digit(&digits(&payload));
        let card = format!("{payload}{}", (right + off) % 10);
        let other = there_and_back("CREDIT_CARD", &card);
        prop_assert_eq!(holds(Check::Luhn, &card), holds(Check::Luhn, &other));
    }

    #[test]
    fn a_resident_number_keeps_a_real_date(
        year in 0..100_u32, month in 1..=12_u32, day in 1..=28_u32, class in 1..=4_u32,
        serial in 0..1_000_000_u32,
    ) {
        let value = format!("{year:02}{month:02}{day:02}-{class}{serial:06}");
        let other = there_and_back("KR_RRN", &value);
        let parts = digits(&other);
        prop_assert!((1..=12).contains(&(parts[2] * 10 + parts[3])), "{}", other);
        prop_assert!((1..=31).contains(&(parts[4] * 10 + parts[5])), "{}", other);
        prop_assert!((1..=4).contains(&parts[6]), "{}", other);
        let check = Check::KoreanResident;
        prop_assert_eq!(holds(check, &value), holds(check, &other));
    }

    #[test]
    fn any_text_comes_back_or_is_refused(
        kind in "ID|PERSON|CREDIT_CARD|KR_RRN|KR_FRN|KR_BRN|IBAN_CODE|PHONE_NUMBER|EMAIL_ADDRESS|US_SSN",
        value in "[0-9a-zA-Z가-힣é@. +-]{0,30}|[0-9 -]{6,20}|[A-Z]{2}[0-9]{18}",
    ) {
        if let Ok(other) = key().seal(&kind, &value, b"") {
            prop_assert_eq!(key().open(&kind, &other, b"").unwrap(), value);
        }
    }
}
