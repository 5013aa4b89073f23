//! Everything readable about one person.

use std::time::Duration;

use haechi_core::{ProtectError, Protection, Sealer as _, Timestamp};
use haechi_vault::{DATA_SUBJECT, ErasureRequest, ExportedEntry, SubjectError};
use serde_json::{Value, json};

use crate::people::{People, folder};

#[tokio::test]
async fn an_export_holds_what_was_protected_for_one_person_and_for_nobody_else() {
    let folder = folder();
    let people = People::open(folder.path(), 1).await;
    let subjects = &people.subjects;
    let ann = subjects.register(DATA_SUBJECT, "customer-17").await.unwrap();
    let bob = subjects.register(DATA_SUBJECT, "customer-18").await.unwrap();
    people.clock.advance(Duration::from_secs(1));
    subjects.add_name(&ann, "email", "ann@example.com").await.unwrap();
    let taken = subjects.add_name(&bob, "email", "ann@example.com").await;
    assert!(matches!(taken, Err(SubjectError::NameTaken)), "{taken:?}");
    assert_eq!(subjects.find("email", "ann@example.com").await.unwrap(), ann);
    assert_eq!(subjects.register("email", "ann@example.com").await.unwrap(), ann);
    assert!(matches!(subjects.find("email", "x").await, Err(SubjectError::UnknownName)));

    people.protect(Protection::Token, "ann, \"private\"\nvalue", &ann).await.unwrap();
    people.protect(Protection::Format, "4111111111111111", &ann).await.unwrap();
    people.protect(Protection::Token, "value of bob", &bob).await.unwrap();
    subjects.hold(&ann, "case-7", "court order").await.unwrap();
    let mut export = subjects.export(&ann).await.unwrap();
    export.entries.push(ExportedEntry {
        at: Timestamp(7).to_string(),
        event: "call".to_owned(),
        entry: json!({"tool": "find", "=danger": 1}),
    });
    let read: Value = serde_json::from_str(&export.to_json()).unwrap();
    assert_eq!(read["sid"], json!(ann.0));
    let names: Vec<_> = read["names"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["customer-17", "ann@example.com"]);
    let mut values: Vec<_> = read["values"].as_array().unwrap().iter().collect();
    values.sort_by_key(|value| value["how"].to_string());
    assert_eq!(values.len(), 2);
    assert_eq!(values[0]["value"], "4111111111111111");
    assert_eq!(values[1]["value"], "ann, \"private\"\nvalue");
    assert_eq!(values[1]["kind"], "EMAIL_ADDRESS");
    assert_eq!(values[1]["field"], "/customers/*/email");
    assert_eq!(read["holds"], json!(["case-7"]));
    assert_eq!(read["entries"][0]["entry"]["tool"], "find");
    let csv = export.to_csv();
    assert!(csv.starts_with("record,kind,value,tenant,"));
    assert!(csv.contains("\"ann, \"\"private\"\"\nvalue\""));
    assert!(csv.contains("name,email,ann@example.com,"));
    assert!(csv.contains("entry,call,"));
    for text in [export.to_json(), csv] {
        assert!(!text.contains("value of bob") && !text.contains("customer-18"));
    }
    assert!(!format!("{export:?}").contains("private"));
}

#[tokio::test]
async fn a_restricted_person_is_exported_and_nothing_else_is_done_with_it() {
    let (folder, copies, fresh) = (folder(), folder(), folder());
    let people = People::open(folder.path(), 1).await;
    let other = People::open(folder.path(), 2).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let token = other.protect(Protection::Token, "value of ann", &ann).await.unwrap();
    assert!(people.subjects.restrict(&ann).await.unwrap());
    assert!(!people.subjects.restrict(&ann).await.unwrap());
    for process in [&people, &other] {
        let opened = process.read(&token).await;
        assert!(matches!(opened, Err(ProtectError::Disabled)), "{opened:?}");
        let refused = process.protect(Protection::Token, "more", &ann).await;
        assert!(matches!(refused, Err(ProtectError::Disabled)), "{refused:?}");
        // The audit log goes on.
        process.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
        process.sealer.seal(&ann, "who", b"ann").unwrap();
        let export = process.subjects.export(&ann).await.unwrap();
        assert_eq!(export.values[0].value.as_deref(), Some("value of ann"));
    }
    assert!(people.subjects.list(None, 9).await.unwrap()[0].restricted_since.is_some());

    // A copy of keys carries the restriction along.
    let day = Duration::from_secs(86_400);
    let (_, copy) = people.subjects.back_up_keys(copies.path(), day).await.unwrap();
    people.back_up(fresh.path()).await;
    let restored = People::open(fresh.path(), 3).await;
    restored.subjects.restore_keys(&copy).await.unwrap();
    assert!(matches!(restored.read(&token).await, Err(ProtectError::Disabled)));

    assert!(people.subjects.lift_restriction(&ann).await.unwrap());
    assert_eq!(other.read(&token).await.unwrap().value.expose(), b"value of ann");
    people.subjects.restrict(&ann).await.unwrap();
    let certificate = people.subjects.erase(&ann, ErasureRequest::default()).await.unwrap();
    assert_eq!(certificate.before.values, certificate.before.values_opened);
    assert_eq!(certificate.after.values_opened, 0);
}

#[tokio::test]
async fn a_cell_that_a_spreadsheet_would_run_is_disarmed() {
    let folder = folder();
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "=1+1").await.unwrap();
    let export = people.subjects.export(&ann).await.unwrap();
    assert!(export.to_csv().contains(",\"'=1+1\","));
    assert!(export.to_json().contains("\"=1+1\""));
}

#[tokio::test]
async fn there_is_nothing_to_export_of_who_was_erased() {
    let folder = folder();
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    people.subjects.erase(&ann, ErasureRequest::default()).await.unwrap();
    let refused = people.subjects.export(&ann).await;
    assert!(matches!(refused, Err(SubjectError::Erased(_))), "{refused:?}");
}
