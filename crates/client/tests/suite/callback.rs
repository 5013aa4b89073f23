use std::collections::HashMap;

use haechi_client::{
    Authentication, AuthorizationRequest, AuthorizeError, CallbackError, Challenge, CodeChallenge,
    Pending, Registration, ServerMetadata, requested_scopes,
};
use haechi_core::SeededEntropy;
use proptest::prelude::*;

use crate::world::{ISSUER, server};

fn client(issuer: &str) -> Registration {
    Registration {
        issuer: issuer.to_owned(),
        client_id: "me".to_owned(),
        authentication: Authentication::None,
        expires_at: None,
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: "http://127.0.0.1:9/callback".to_owned(),
        resource: Some("https://mcp.example/mcp".to_owned()),
        scopes: vec!["a".to_owned(), "b".to_owned()],
        ..AuthorizationRequest::default()
    }
}

fn pending(server: &ServerMetadata) -> Result<Pending, AuthorizeError> {
    Pending::new(server, &client(ISSUER), request(), &SeededEntropy::new(1))
}

fn query(url: &str) -> HashMap<String, String> {
    url::Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

#[test]
fn a_person_is_sent_with_a_challenge_a_state_and_a_resource() {
    let pending = pending(&server()).unwrap();
    assert!(pending.url.starts_with("https://id.example/authorize?tenant=a&"));
    let query = query(&pending.url);
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "me");
    assert_eq!(query["resource"], "https://mcp.example/mcp");
    assert_eq!(query["scope"], "a b");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert_eq!(query["state"], pending.state.expose_str().unwrap());
    assert_ne!(query["code_challenge"], pending.verifier.expose_str().unwrap());
    assert!(!pending.url.contains(pending.verifier.expose_str().unwrap()));
    assert!(!format!("{pending:?}").contains(pending.verifier.expose_str().unwrap()));
}

#[test]
fn without_scopes_the_server_decides() {
    let request = AuthorizationRequest { scopes: Vec::new(), nonce: true, ..request() };
    let entropy = SeededEntropy::new(1);
    let pending = Pending::new(&server(), &client(ISSUER), request, &entropy).unwrap();
    let query = query(&pending.url);
    assert!(!query.contains_key("scope"));
    assert_eq!(query["nonce"], pending.nonce.unwrap().expose_str().unwrap());
}

#[test]
fn a_server_that_does_not_say_it_takes_a_challenge_is_refused() {
    assert!(pending(&server()).is_ok());
    for methods in [Vec::new(), vec!["plain".to_owned()]] {
        let silent = ServerMetadata { code_challenge_methods_supported: methods, ..server() };
        assert!(matches!(pending(&silent), Err(AuthorizeError::NoCodeChallenge)));
        let lenient = AuthorizationRequest { code_challenge: CodeChallenge::Sent, ..request() };
        let entropy = SeededEntropy::new(1);
        let sent = Pending::new(&silent, &client(ISSUER), lenient, &entropy).unwrap();
        assert_eq!(query(&sent.url)["code_challenge_method"], "S256");
    }
}

#[test]
fn a_client_of_another_server_is_never_shown_to_this_one() {
    let other = client("https://other.example");
    let shown = Pending::new(&server(), &other, request(), &SeededEntropy::new(1));
    assert!(matches!(shown, Err(AuthorizeError::OtherIssuer)));
}

/// The answer to `pending` with these parameters besides.
fn answer(pending: &Pending, more: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("state", pending.state.expose_str().unwrap());
    form.extend_pairs(more).finish()
}

/// RFC 9207 §2.4 as a table: what the metadata says, what the answer says, and what follows.
#[test]
fn an_answer_names_the_server_that_was_asked() {
    let cases = [
        ("named and the same", true, Some(ISSUER), Ok(())),
        ("not named although it always is", true, None, Err(CallbackError::NoIssuer)),
        ("another server", true, Some("https://evil.example"), Err(CallbackError::OtherIssuer)),
        ("a slash more", true, Some("https://id.example/"), Err(CallbackError::OtherIssuer)),
        ("another case", true, Some("https://ID.example"), Err(CallbackError::OtherIssuer)),
        ("a port more", true, Some("https://id.example:443"), Err(CallbackError::OtherIssuer)),
        ("empty", true, Some(""), Err(CallbackError::OtherIssuer)),
        ("nobody names it", false, None, Ok(())),
        ("named though not announced", false, Some(ISSUER), Ok(())),
        (
            "another server though not announced",
            false,
            Some("https://evil.example"),
            Err(CallbackError::OtherIssuer),
        ),
    ];
    for (name, announced, stated, expected) in cases {
        let server = ServerMetadata { response_names_issuer: announced, ..server() };
        let pending = pending(&server).unwrap();
        let issuer = stated.map(|issuer| ("iss", issuer));
        let more: Vec<_> = [Some(("code", "c1")), issuer].into_iter().flatten().collect();
        assert_eq!(pending.accept(&answer(&pending, &more)).map(|_| ()), expected, "{name}");
        // The same holds where the server says no: its word counts only when it is its own.
        let more: Vec<_> =
            [Some(("error", "access_denied")), issuer].into_iter().flatten().collect();
        let refused = expected.and(Err(CallbackError::Refused("access_denied".to_owned())));
        assert_eq!(pending.accept(&answer(&pending, &more)).map(|_| ()), refused, "{name}");
    }
}

#[test]
fn an_answer_belongs_to_the_question_and_says_everything_once() {
    let pending = pending(&server()).unwrap();
    let good = answer(&pending, &[("code", "c1"), ("iss", ISSUER)]);
    assert_eq!(pending.accept(&good).unwrap().0.expose(), b"c1");
    assert!(pending.is_answered_by(&good));
    let cases = [
        ("no state", good.replacen("state=", "stat=", 1), CallbackError::OtherState),
        ("another state", good.replacen("state=", "state=x", 1), CallbackError::OtherState),
        ("two states", format!("{good}&state=x"), CallbackError::Malformed),
        ("two codes", format!("{good}&code=c2"), CallbackError::Malformed),
        ("two issuers", format!("{good}&iss={ISSUER}"), CallbackError::Malformed),
        ("no code", good.replacen("code=", "cod=", 1), CallbackError::Malformed),
        ("an empty code", good.replacen("code=c1", "code=", 1), CallbackError::Malformed),
        ("too long", format!("{good}&x={}", "x".repeat(16 << 10)), CallbackError::Malformed),
        ("too many", format!("{good}{}", "&x=1".repeat(40)), CallbackError::Malformed),
    ];
    for (name, query, expected) in cases {
        assert_eq!(pending.accept(&query).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn an_error_is_shown_only_when_it_is_one() {
    let pending = pending(&server()).unwrap();
    for (error, shown) in [("access_denied", "access_denied"), ("<script>", "(unreadable)")] {
        let refused = pending.accept(&answer(&pending, &[("error", error), ("iss", ISSUER)]));
        assert_eq!(refused.unwrap_err(), CallbackError::Refused(shown.to_owned()));
    }
}

#[test]
fn scopes_are_those_of_the_challenge_or_of_the_resource_and_never_lost() {
    let challenge = Challenge::read([r#"Bearer scope="w""#]).unwrap();
    let (w, r) = (["w".to_owned()], ["r".to_owned()]);
    let online = server();
    let offline =
        ServerMetadata { scopes_supported: vec!["offline_access".to_owned()], ..server() };
    let cases = [
        ("the challenge's", Some(&challenge), Some(&r[..]), &[][..], &online, "w"),
        ("the resource's", None, Some(&r[..]), &[][..], &online, "r"),
        ("none", None, None, &[][..], &online, ""),
        ("none, and nothing added to it", None, None, &[][..], &offline, ""),
        ("a step up keeps what was", Some(&challenge), Some(&r[..]), &r[..], &online, "r w"),
        ("nothing twice", Some(&challenge), None, &w[..], &online, "w"),
        ("offline where it is offered", None, Some(&r[..]), &[][..], &offline, "r offline_access"),
    ];
    for (name, challenge, resource, before, server, expected) in cases {
        let scopes = requested_scopes(challenge, resource, before, server);
        assert_eq!(scopes.join(" "), expected, "{name}");
    }
    let named = ["offline_access".to_owned(), "r".to_owned()];
    assert_eq!(requested_scopes(None, Some(&named), &[], &online), ["r"]);
}

proptest! {
    #[test]
    fn no_answer_but_the_right_one_gives_a_code(query in ".{0,200}") {
        prop_assert!(pending(&server()).unwrap().accept(&query).is_err());
    }
}
