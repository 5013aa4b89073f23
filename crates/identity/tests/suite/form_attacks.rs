//! Attacks on the form of a token: its parts, its base64url, its JSON, its size. Each first shows
//! that a good token is accepted.

use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use serde_json::json;

use crate::attacks::{flaw, sign, world};
use crate::support::{ISSUER, NOW, RESOURCE, Signer, claims, encode, header};

/// The same with header and claims as text, for what a JSON tree cannot hold.
async fn refuse_texts(attacks: &[(&str, &str, &str, TokenError)]) {
    let signer = Signer::p256();
    let world = world(&signer).await;
    for (name, header_text, claims_text, expected) in attacks {
        assert_eq!(
            world.refusal(&sign(&signer, &header(), &claims())).await,
            None,
            "{name}: before"
        );
        let fill = |text: &str| {
            let exp = (NOW + 600).to_string();
            text.replace("ISS", ISSUER).replace("AUD", RESOURCE).replace("EXP", &exp)
        };
        let attacked = signer.sign(Algorithm::Es256, &fill(header_text), &fill(claims_text));
        assert_eq!(world.refusal(&attacked).await, Some(*expected), "{name}");
    }
}

#[tokio::test]
async fn names_that_stand_twice_are_refused_at_any_depth() {
    const GOOD: &str = r#"{"iss":"ISS","sub":"alice","aud":"AUD","exp":EXP}"#;
    const HEADER: &str = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    let (in_header, in_claims) = (flaw(Flaw::Header), flaw(Flaw::Claims));
    refuse_texts(&[
        ("alg", r#"{"alg":"ES256","alg":"ES256","kid":"k1","typ":"at+jwt"}"#, GOOD, in_header),
        ("kid", r#"{"alg":"ES256","kid":"k0","kid":"k1","typ":"at+jwt"}"#, GOOD, in_header),
        (
            "alg escaped",
            r#"{"alg":"none","\u0061lg":"ES256","kid":"k1","typ":"at+jwt"}"#,
            GOOD,
            in_header,
        ),
        (
            "sub",
            HEADER,
            r#"{"iss":"ISS","sub":"alice","sub":"admin","aud":"AUD","exp":EXP}"#,
            in_claims,
        ),
        (
            "private",
            HEADER,
            r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":EXP,"x":1,"x":2}"#,
            in_claims,
        ),
        (
            "deep",
            HEADER,
            r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":EXP,"x":[{"y":{"z":1,"z":2}}]}"#,
            in_claims,
        ),
        (
            "sub escaped",
            HEADER,
            r#"{"iss":"ISS","sub":"a","s\u0075b":"b","aud":"AUD","exp":EXP}"#,
            in_claims,
        ),
    ])
    .await;
}

#[tokio::test]
async fn texts_that_are_not_strict_json_are_refused() {
    const GOOD: &str = r#"{"iss":"ISS","sub":"alice","aud":"AUD","exp":EXP}"#;
    const HEADER: &str = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    let (in_header, in_claims) = (flaw(Flaw::Header), flaw(Flaw::Claims));
    let deep = format!(
        r#"{{"iss":"ISS","sub":"a","aud":"AUD","exp":EXP,"x":{}{}}}"#,
        "[".repeat(16),
        "]".repeat(16)
    );
    refuse_texts(&[
        ("header an array", "[]", GOOD, in_header),
        ("header a string", "\"ES256\"", GOOD, in_header),
        ("header empty", "", GOOD, in_header),
        ("header trailed", r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}x"#, GOOD, in_header),
        (
            "header with a comment",
            r#"{"alg":"ES256"/**/,"kid":"k1","typ":"at+jwt"}"#,
            GOOD,
            in_header,
        ),
        ("claims an array", HEADER, "[]", in_claims),
        ("claims a string", HEADER, "\"x\"", in_claims),
        ("claims empty", HEADER, "", in_claims),
        ("claims two values", HEADER, "{}{}", in_claims),
        ("claims cut off", HEADER, r#"{"iss":"ISS""#, in_claims),
        ("exp 1e400", HEADER, r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":1e400}"#, in_claims),
        (
            "exp 1e10",
            HEADER,
            r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":1e10}"#,
            flaw(Flaw::Expiry),
        ),
        ("exp NaN", HEADER, r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":NaN}"#, in_claims),
        (
            "exp of 40 digits",
            HEADER,
            r#"{"iss":"ISS","sub":"a","aud":"AUD","exp":9999999999999999999999999999999999999999}"#,
            flaw(Flaw::Expiry),
        ),
        ("17 deep", HEADER, &deep, in_claims),
        (
            "a lone surrogate",
            HEADER,
            r#"{"iss":"ISS","sub":"\ud800","aud":"AUD","exp":EXP}"#,
            in_claims,
        ),
    ])
    .await;
}

#[tokio::test]
async fn only_three_parts_of_canonical_base64url_are_a_token() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let good = sign(&signer, &header(), &claims());
    assert_eq!(world.refusal(&good).await, None);
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, tail] = parts[..] else { panic!("three parts") };
    let (parts, base64) = (flaw(Flaw::Parts), flaw(Flaw::Base64));
    let compact_jwe = format!("{head}.{body}.{tail}.{tail}.{tail}");
    let json_form = json!({ "payload": body, "protected": head, "signature": tail }).to_string();
    let attacks: [(&str, String, TokenError); 14] = [
        ("empty", String::new(), parts),
        ("one part", head.to_owned(), parts),
        ("two parts", format!("{head}.{body}"), parts),
        ("four parts", format!("{good}."), parts),
        ("four parts, first empty", format!(".{good}"), parts),
        ("five parts: JWE", compact_jwe, parts),
        ("JSON serialisation", json_form, parts),
        ("padding", format!("{head}=.{body}.{tail}"), base64),
        ("padded signature", format!("{head}.{body}.{tail}=="), base64),
        ("a space", format!("{head}.{body}.{tail} "), base64),
        ("a line break", format!("{head}.\n{body}.{tail}"), base64),
        ("standard alphabet", format!("{head}.{body}.+/{}", &tail[2..]), base64),
        ("trailing bits", trailing_bits(&good), base64),
        ("Unicode", format!("{head}.{body}.{tail}é"), base64),
    ];
    for (name, attacked, expected) in attacks {
        assert_eq!(world.refusal(&attacked).await, Some(expected), "{name}");
    }
}

/// The last character of a signature of 64 bytes carries four bits that must be zero.
fn trailing_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}

#[tokio::test]
async fn a_token_within_a_token_is_refused() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let inner = sign(&signer, &header(), &claims());
    assert_eq!(world.refusal(&inner).await, None);
    let nested = signer.sign(Algorithm::Es256, &header().to_string(), &inner);
    assert_eq!(world.refusal(&nested).await, Some(flaw(Flaw::Claims)));
    let unsigned =
        format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(claims().to_string().as_bytes()));
    let jwe = format!(
        "{}.AAAA.AAAA.{}.AAAA",
        encode(br#"{"alg":"dir","enc":"A256GCM","cty":"JWT"}"#),
        encode(unsigned.as_bytes())
    );
    assert_eq!(world.refusal(&jwe).await, Some(flaw(Flaw::Parts)));
}

#[tokio::test]
async fn size_is_checked_before_anything_is_read() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let mut large = claims();
    large["pad"] = json!("x".repeat(5_000));
    assert_eq!(world.refusal(&sign(&signer, &header(), &large)).await, None, "within 8 KiB");
    large["pad"] = json!("x".repeat(7_000));
    assert_eq!(world.refusal(&sign(&signer, &header(), &large)).await, Some(TokenError::TooLong));
    for huge in ["a".repeat(20_000_000), "hk_".to_owned() + &"a".repeat(9_000), ".".repeat(9_000)] {
        assert_eq!(world.refusal(&huge).await, Some(TokenError::TooLong));
    }
    assert_eq!(
        haechi_identity::jose::Compact::parse(&"a.".repeat(5_000)).unwrap_err(),
        TokenError::TooLong
    );
}
