//! A result as tools give it, with everything that is built in.

use serde_json::{Value, json};

use crate::scenes::House;

const PERSONAL: [&str; 4] =
    ["900101-1234568", "010-1234-5678", "ghp_016C7A5bQ4Vd2eXn8LrTy9WzKpHs3M1JfGuO", "123-45-67891"];

fn result() -> String {
    let customer = json!({
        "id": 17,
        "주민등록번호": "900101-1234568",
        "휴대전화": "010-1234-5678",
        "사업자등록번호": "123-45-67891",
        "note": "연락처는 010-1234-5678 입니다.",
        "010-1234-5678": true,
        "github_token": "ghp_016C7A5bQ4Vd2eXn8LrTy9WzKpHs3M1JfGuO",
        "email": "ann.lee@example.com",
        "phone": "+1 415-555-0132",
        "card_number": "4111 1111 1111 1111",
        "ssn": "536-90-4399",
        "iban": "DE89370400440532013000",
        "remark": "Write to ann.lee@example.com or call 415-555-0132.",
        "ann.lee@example.com": true,
        "balance": 12.5,
    });
    json!({
        "content": [{ "type": "text", "text": customer.to_string() }],
        "structuredContent": customer,
    })
    .to_string()
}

#[test]
fn nothing_personal_is_left_and_nothing_more_is_found() {
    for action in ["redact", "tokenize", "tokenize-same", "hash", "encrypt", "mask"] {
        let house = House::with_built_in(action);
        let screened = house.screened(&result());
        for value in PERSONAL {
            assert!(!screened.contains(value), "{action}: {value} in {screened}");
        }
        assert_eq!(house.screened(&screened), screened, "{action}");
        let value: Value = serde_json::from_str(&screened).unwrap();
        let copy = value["content"][0]["text"].as_str().unwrap();
        let copy: Value = serde_json::from_str(copy).unwrap();
        if action != "encrypt" {
            assert_eq!(copy, value["structuredContent"], "{action}");
        }
        assert_eq!((&value["content"][0]["type"], &copy["id"]), (&json!("text"), &json!(17)));
    }
}

#[test]
fn what_the_model_hands_back_is_what_was() {
    for action in ["tokenize", "tokenize-same"] {
        let house = House::with_built_in(action);
        let screened = house.screened(&result());
        if action == "tokenize" {
            assert_eq!(house.restored(&screened), result());
        } else {
            // These do not say for whom they are.
            assert_eq!(house.restored(&screened), screened);
        }
    }
}
