use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn read(value: &Value, source: MetadataSource) -> Result<ClientMetadata, MetadataError> {
    ClientMetadata::read(value.to_string().as_bytes(), source)
}

/// Metadata that all sources take.
fn good() -> Value {
    json!({
        "client_name": "A program",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut all = good();
    all[name] = value;
    all
}

#[test]
fn metadata_says_what_a_client_may_do() {
    for source in [MetadataSource::Operator, MetadataSource::Dynamic, MetadataSource::Document] {
        let metadata = read(&good(), source).unwrap();
        assert_eq!(metadata.method, ClientMethod::None);
        assert_eq!(metadata.application_type, ApplicationType::Native);
        assert!(metadata.grant_types.contains(&GrantType::RefreshToken));
        assert!(metadata.redirect_uris[0].covers("http://127.0.0.1:7/cb"));
    }
}

#[test]
fn what_metadata_does_not_say_is_the_least() {
    let bare = json!({ "client_name": "A", "redirect_uris": ["https://a.example/cb"] });
    let metadata = read(&bare, MetadataSource::Dynamic).unwrap();
    assert_eq!(metadata.method, ClientMethod::SecretBasic);
    assert_eq!(metadata.grant_types, BTreeSet::from([GrantType::AuthorizationCode]));
    assert_eq!(metadata.application_type, ApplicationType::Web);
    let metadata = read(&bare, MetadataSource::Document).unwrap();
    assert_eq!(metadata.method, ClientMethod::None);
}

#[test]
fn every_flaw_of_metadata_is_refused_for_its_reason() {
    use MetadataError as E;
    use MetadataSource::{Document, Dynamic, Operator};
    let redirect = |uri: &str| with("redirect_uris", json!([uri]));
    let many = json!(vec!["https://a.example/cb"; 17]);
    let jwks: Value = serde_json::from_str(&format!(r#"{{"keys":[{JWK}]}}"#)).unwrap();
    let mut both = with("jwks", jwks);
    both["jwks_uri"] = json!("https://a.example/jwks");
    let mut private: Value = serde_json::from_str(JWK).unwrap();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let cases = [
        ("no object", json!([]), Dynamic, E::NotAnObject),
        ("name", with("client_name", json!("a\u{202e}b")), Dynamic, NameError::Deceptive.into()),
        ("no name", with("client_name", json!(7)), Dynamic, E::Member("client_name")),
        ("redirect", redirect("http://a.example/cb"), Document, RedirectUriError::Scheme.into()),
        ("no redirect", with("redirect_uris", json!([])), Document, E::Missing("redirect_uris")),
        ("redirects", with("redirect_uris", many), Dynamic, E::Member("redirect_uris")),
        (
            "secret",
            with("client_secret", json!("s")),
            Document,
            E::Contradiction("a document that everybody can read cannot hold a secret"),
        ),
        (
            "secret method",
            with("token_endpoint_auth_method", json!("client_secret_basic")),
            Document,
            E::NotOffered("token_endpoint_auth_method"),
        ),
        (
            "unknown method",
            with("token_endpoint_auth_method", json!("client_secret_jwt")),
            Operator,
            E::NotOffered("token_endpoint_auth_method"),
        ),
        (
            "no keys",
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            Document,
            E::Missing("jwks"),
        ),
        (
            "two places of keys",
            both,
            Dynamic,
            E::Contradiction("`jwks` and `jwks_uri` do not go together"),
        ),
        ("private key", with("jwks", json!({ "keys": [private] })), Document, E::Member("jwks")),
        ("no keys in the set", with("jwks", json!({ "keys": [] })), Document, E::Member("jwks")),
    ];
    all_refused(&cases);
    let twice = r#"{"client_name":"A","client_name":"B","redirect_uris":["https://a.example/"]}"#;
    let read = ClientMetadata::read(twice.as_bytes(), Dynamic);
    assert!(matches!(read, Err(E::Json(_))), "a name stands twice");
}

type Case = (&'static str, Value, MetadataSource, MetadataError);

fn all_refused(cases: &[Case]) {
    for (name, value, source, expected) in cases {
        assert_eq!(read(value, *source).map(|_| ()), Err(expected.clone()), "{name}");
    }
}

#[test]
fn grants_and_other_words_that_are_not_offered_are_refused_for_their_reason() {
    use MetadataError as E;
    use MetadataSource::{Dynamic, Operator};
    let cases = [
        ("grant", with("grant_types", json!(["password"])), Dynamic, E::NotOffered("grant_types")),
        (
            "grants",
            with("grant_types", json!(["authorization_code", "implicit"])),
            Operator,
            E::Member("grant_types"),
        ),
        (
            "own acts",
            with("grant_types", json!(["client_credentials"])),
            Dynamic,
            E::NotOffered("grant_types"),
        ),
        (
            "own acts unproved",
            with("grant_types", json!(["client_credentials"])),
            Operator,
            E::Contradiction("a client that acts by itself must prove itself: `none` does not"),
        ),
        (
            "token response",
            with("response_types", json!(["token"])),
            Dynamic,
            E::NotOffered("response_types"),
        ),
        (
            "token beside code",
            with("response_types", json!(["code", "token"])),
            Operator,
            E::Member("response_types"),
        ),
        (
            "web to this machine",
            with("application_type", json!("web")),
            Dynamic,
            E::Contradiction(
                "a redirection to this machine or to a program is for `application_type` `native`",
            ),
        ),
        ("scope", with("scope", json!("a  b")), Dynamic, E::Member("scope")),
        (
            "flag",
            with("dpop_bound_access_tokens", json!("yes")),
            Dynamic,
            E::Member("dpop_bound_access_tokens"),
        ),
        (
            "HS256",
            with("id_token_signed_response_alg", json!("HS256")),
            Dynamic,
            E::Member("id_token_signed_response_alg"),
        ),
        (
            "none",
            with("id_token_signed_response_alg", json!("none")),
            Dynamic,
            E::Member("id_token_signed_response_alg"),
        ),
    ];
    all_refused(&cases);
}

#[test]
fn what_is_not_offered_is_left_out_where_the_client_speaks_for_itself() {
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let asked = with("grant_types", json!(["authorization_code", device, "client_credentials"]));
    for source in [MetadataSource::Dynamic, MetadataSource::Document] {
        let metadata = read(&asked, source).unwrap();
        assert_eq!(metadata.grant_types, BTreeSet::from([GrantType::AuthorizationCode]));
    }
}

#[test]
fn only_an_operator_says_for_whom_tokens_are_exchanged() {
    let asked = with("token_exchange_audiences", json!(["https://elsewhere.example"]));
    assert!(read(&asked, MetadataSource::Dynamic).unwrap().exchange_audiences.is_empty());
    assert_eq!(read(&asked, MetadataSource::Operator).unwrap().exchange_audiences.len(), 1);
}

#[test]
fn scopes_are_words_between_single_spaces() {
    assert_eq!(scopes("").unwrap().len(), 0);
    assert_eq!(scopes("a b:c a").unwrap().len(), 2);
    let long = "a".repeat(129);
    let many = vec!["a"; 65].join(" ");
    for bad in [" ", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "가", &long, &many] {
        assert!(scopes(bad).is_none(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for source in [MetadataSource::Operator, MetadataSource::Dynamic, MetadataSource::Document] {
            prop_assert!(ClientMetadata::read(&bytes, source).is_err());
        }
    }

    #[test]
    fn no_member_of_another_shape_makes_the_reader_fall(
        member in prop::sample::select(vec![
            "client_name", "redirect_uris", "grant_types", "response_types", "scope", "jwks",
            "jwks_uri", "token_endpoint_auth_method", "application_type",
            "dpop_bound_access_tokens", "token_exchange_audiences",
        ]),
        value in prop::sample::select(vec![
            json!(null), json!(true), json!(7), json!(""), json!([]), json!({}), json!([null]),
            json!([[]]), json!({"keys": 7}), json!({"keys": [{}]}), json!("\u{0}"), json!(["\u{0}"]),
        ]),
    ) {
        for source in [MetadataSource::Operator, MetadataSource::Dynamic, MetadataSource::Document] {
            if let Ok(metadata) = read(&with(member, value.clone()), source) {
                prop_assert!(!metadata.redirect_uris.is_empty() && !metadata.grant_types.is_empty());
            }
        }
    }
}
