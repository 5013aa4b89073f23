//! Values that are sealed, and those who may see them.

use haechi_embed::Sealed;
use haechi_embed::rooms::vault::{Place, Secret};

use crate::clinic::House;

const NUMBER: &str = "010-2345-6789";
const FIELD: (&str, &str) = ("keep", "/phone");
const SETTINGS: &str = r#"
[privacy]
arguments = { default = "encrypt" }

[privacy.reveal]
roles = ["doctor"]
purposes = ["support"]
"#;

async fn house(role: &str) -> (House, String) {
    let house = House::with(&[role], |builder| builder.settings(SETTINGS)).await;
    let place = Place {
        tenant: "".into(),
        upstream: "clinic".into(),
        tool: FIELD.0.into(),
        field: FIELD.1.into(),
        kind: "PHONE_NUMBER".into(),
    };
    let number = Secret::from(NUMBER.to_owned());
    let sealed = house.haechi.vault().encrypt(&place, &number, None).await.unwrap();
    (house, sealed)
}

#[tokio::test]
async fn a_value_is_shown_to_the_role_of_the_settings_and_the_look_is_recorded() {
    let (house, sealed) = house("doctor").await;
    let caller = house.haechi.stdio_caller().await.unwrap();
    let sealed = Sealed::argument(&sealed, FIELD, "PHONE_NUMBER");
    assert!(sealed.is_protected() && !Sealed::token(NUMBER).is_protected());
    let shown = house.haechi.reveal(&caller, sealed, "support").await.unwrap();
    assert_eq!(shown.expose_str(), Some(NUMBER));
    let entries = house.entries().await;
    let look = entries.iter().find(|entry| entry["event"] == "reveal").unwrap();
    assert_eq!(look["purpose"], "support");
    assert!(!look.to_string().contains(NUMBER), "{look}");
}

#[tokio::test]
async fn nobody_else_sees_it_nor_for_another_purpose_nor_as_another_argument() {
    let (other, envelope) = house("nurse").await;
    let sealed = Sealed::argument(&envelope, FIELD, "PHONE_NUMBER");
    let nurse = other.haechi.stdio_caller().await.unwrap();
    other.haechi.reveal(&nurse, sealed, "support").await.unwrap_err();

    let (own, envelope) = house("doctor").await;
    let doctor = own.haechi.stdio_caller().await.unwrap();
    let sealed = Sealed::argument(&envelope, FIELD, "PHONE_NUMBER");
    let refused = own.haechi.reveal(&doctor, sealed, "curiosity").await.unwrap_err();
    assert!(refused.to_string().contains("purposes are: support"), "{refused}");
    let elsewhere = Sealed::argument(&envelope, ("keep", "/fax"), "PHONE_NUMBER");
    own.haechi.reveal(&doctor, elsewhere, "support").await.unwrap_err();
}
