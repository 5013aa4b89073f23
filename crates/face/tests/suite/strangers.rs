//! What strangers send, in any shape.

use haechi_core::Credentials;
use haechi_core::json::{Limits, check};
use haechi_core::rpc::{Body, Envelope};
use haechi_face::sse::{Decoder, Event, message};
use haechi_face::{
    Language, Names, NamesConfig, Resource, TransportError, client, credentials, era, session,
};
use haechi_identity::Audience;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Request};
use proptest::collection::vec;
use proptest::prelude::*;

fn head(target: &str, headers: &[(HeaderName, &[u8])]) -> Option<Parts> {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn names() -> Names {
    Names::new(&NamesConfig {
        public_url: Some("https://mcp.example".to_owned()),
        ..NamesConfig::default()
    })
}

fn read(value: &[u8]) -> Option<Result<Credentials, TransportError>> {
    head("/mcp", &[(AUTHORIZATION, value)]).map(|head| presented(&head))
}

fn presented(head: &Parts) -> Result<Credentials, TransportError> {
    let audience = Audience::of("https://mcp.example/mcp");
    let (path, scopes, certificates) = ("/mcp", &[][..], false);
    credentials::read(head, &Resource { audience: &audience, path, scopes, certificates })
}

/// Near what is accepted beside a token, in one header or several.
fn nearly_proofs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let parts = ["eyJh", ".", "eyJi", "c2ln", "-_", "=", ",", " ", "\t", "é", "\"", "+"];
    let parts = vec(prop::sample::select(parts.to_vec()), 0..7);
    let one = parts.prop_map(|parts| parts.concat().into_bytes());
    vec(prop_oneof![one, vec(any::<u8>(), 0..20)], 0..3)
}

/// Near what is accepted, so that the edges are met often.
fn nearly_bearer() -> impl Strategy<Value = Vec<u8>> {
    let parts = ["Bearer", "bearer", "Basic", " ", "  ", "\t", "a", "b=", ",", "\"", "é", "a.b.c"];
    let parts = vec(prop::sample::select(parts.to_vec()), 0..6);
    prop_oneof![vec(any::<u8>(), 0..40), parts.prop_map(|parts| parts.concat().into_bytes())]
}

fn nearly_host() -> impl Strategy<Value = String> {
    let parts = [
        "mcp.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "evil.example",
        ".",
        ":",
        "@",
        "/",
        ":80",
        " ",
        "[",
        "]",
        "MCP",
    ];
    vec(prop::sample::select(parts.to_vec()), 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn only_one_word_after_bearer_is_a_token(value in nearly_bearer()) {
        let Some(result) = read(&value) else { return Ok(()) };
        match result {
            Ok(Credentials::Bearer(token)) => {
                let token = token.expose();
                prop_assert!(!token.is_empty());
                prop_assert!(token.iter().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(value.ends_with(token));
                let scheme = &value[..value.len() - token.len()];
                prop_assert!(scheme.to_ascii_lowercase().starts_with(b"bearer "), "{value:?}");
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(error) => prop_assert!(matches!(error, TransportError::BadAuthorization(_))),
        }
    }

    #[test]
    fn only_one_compact_token_in_one_header_is_a_proof(proofs in nearly_proofs()) {
        let mut headers = vec![(AUTHORIZATION, &b"DPoP abc"[..])];
        headers.extend(proofs.iter().map(|proof| (credentials::DPOP, &**proof)));
        let Some(head) = head("/mcp", &headers) else { return Ok(()) };
        match presented(&head) {
            Ok(Credentials::Dpop(read)) => {
                prop_assert_eq!(proofs.len(), 1);
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
                let proof = read.proof.expose();
                prop_assert!(!proof.is_empty() && proof.iter().all(plain));
                prop_assert_eq!(proofs[0].trim_ascii(), proof);
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(error) => prop_assert!(matches!(error, TransportError::BadHeader("DPoP"))),
        }
    }

    #[test]
    fn a_token_is_read_as_it_was_sent(token in "[A-Za-z0-9._~+/-]{1,60}=*") {
        let Some(Ok(Credentials::Bearer(read))) = read(format!("Bearer {token}").as_bytes()) else {
            return Err(TestCaseError::fail("it was not read"));
        };
        prop_assert_eq!(read.expose(), token.as_bytes());
    }

    #[test]
    fn what_is_wrong_with_credentials_never_shows_them(token in "[a-z]{12}[ ,;\"]{1,3}[a-z]{12}") {
        let Some(Err(error)) = read(format!("Bearer {token}").as_bytes()) else {
            return Err(TestCaseError::fail("it was read"));
        };
        let shown = format!("{error} {error:?} {}", error.rpc(Language::Korean).message(None));
        prop_assert!(token.split([' ', ',', ';', '"']).all(|part| part.is_empty() || !shown.contains(part)));
    }

    #[test]
    fn a_host_that_is_let_in_is_ours_or_loopback(host in nearly_host()) {
        let Some(head) = head("/mcp", &[(HOST, host.as_bytes())]) else { return Ok(()) };
        let ours = ["mcp.example", "localhost", "127.0.0.1", "[::1]"];
        let lower = host.to_ascii_lowercase();
        let expected = ours.iter().any(|name| {
            let rest = lower.strip_prefix(name);
            rest.is_some_and(|rest| {
                let digits = rest.strip_prefix(':').unwrap_or_default();
                rest.is_empty() || digits.parse::<u16>().is_ok()
            })
        });
        prop_assert_eq!(names().check(&head).is_ok(), expected, "{}", host);
    }

    #[test]
    fn an_origin_that_is_let_in_is_ours(origin in prop_oneof![nearly_host(), nearly_host().prop_map(|host| format!("https://{host}"))]) {
        let headers = [(HOST, b"mcp.example".as_slice()), (ORIGIN, origin.as_bytes())];
        let Some(head) = head("/mcp", &headers) else { return Ok(()) };
        let expected = origin.eq_ignore_ascii_case("https://mcp.example");
        prop_assert_eq!(names().check(&head).is_ok(), expected, "{}", origin);
    }

    #[test]
    fn no_header_makes_anything_panic(value in vec(any::<u8>(), 0..80), name in 0_usize..6) {
        let names = ["mcp-session-id", "mcp-protocol-version", "last-event-id", "user-agent", "accept-language", "mcp-method"];
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(HeaderName::from_static(names[name]), value)]);
        let _ = (session::session_id(&headers), session::legacy_version(&headers));
        let _ = (session::last_event_id(&headers), Language::of_headers(&headers));
        let name = client::of_headers(&headers);
        prop_assert!(name.is_none_or(|name| !name.is_empty() && name.chars().count() <= 128));
        let source = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let text = check(source.as_bytes(), &Limits::WIRE).unwrap();
        let Ok(Body::Single(envelope)) = Body::read(text) else { return Ok(()) };
        let _ = (era::is_modern(&headers, &envelope), era::check_modern(&headers, &envelope));
    }

    #[test]
    fn an_event_is_read_back_whole(data in "[a-z:é \n\r]{1,40}", id in "[ -~]{0,20}") {
        let written = message(&data, Some(&id));
        let mut decoder = Decoder::new(1000);
        decoder.push(&written);
        decoder.end();
        let event = decoder.next_event().unwrap().unwrap();
        let lines = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(event.data.as_deref(), Some(lines.as_str()));
        prop_assert_eq!(event.id.as_deref(), Some(id.as_str()));
        prop_assert_eq!(&event.original, &written);
        prop_assert_eq!(decoder.next_event(), Ok(None));
    }

    #[test]
    fn other_data_keeps_what_surrounds_it(id in "[a-z0-9]{1,10}", kind in "[a-z]{1,10}") {
        let event = Event { id: Some(id), event: Some(kind), data: Some("old".to_owned()), ..Event::default() };
        let mut decoder = Decoder::new(1000);
        decoder.push(&event.with_data("new"));
        let read = decoder.next_event().unwrap().unwrap();
        prop_assert_eq!((read.id, read.event), (event.id, event.event));
        prop_assert_eq!(read.data.as_deref(), Some("new"));
    }
}

fn envelope(source: &str) -> Envelope<'_> {
    match Body::read(check(source.as_bytes(), &Limits::WIRE).unwrap()) {
        Ok(Body::Single(envelope)) => envelope,
        other => panic!("{other:?}"),
    }
}

fn modern(method: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"desk","version":"2"}}}}}}}}"#
    )
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn the_body_says_which_era_it_is_of_and_the_header_only_where_it_is_silent() {
    let (none, stated) = (headers(&[]), headers(&[("mcp-protocol-version", "2026-07-28")]));
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    let source = modern("tools/list");
    let cases = [
        (&none, source.as_str(), true),
        (&none, bare, false),
        (&stated, bare, true),
        (&stated, initialize, false),
        (&stated, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, false),
    ];
    for (headers, source, expected) in cases {
        assert_eq!(era::is_modern(headers, &envelope(source)).unwrap(), expected, "{source}");
    }
}

#[test]
fn a_modern_message_states_itself_and_its_headers_agree() {
    let agreeing = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let list = modern("tools/list");
    assert!(era::check_modern(&headers(&agreeing), &envelope(&list)).is_ok());
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let missing = era::check_modern(&headers(&agreeing), &envelope(bare));
    assert!(matches!(missing, Err(TransportError::MissingMeta { id: Some(_), .. })), "{missing:?}");
    let other = modern("prompts/list");
    let mismatch = era::check_modern(&headers(&agreeing), &envelope(&other));
    assert!(matches!(mismatch, Err(TransportError::Headers { .. })), "{mismatch:?}");
    let removed = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "ping")];
    let ping = modern("ping");
    let removed = era::check_modern(&headers(&removed), &envelope(&ping));
    assert!(matches!(removed, Err(TransportError::RemovedMethod { .. })), "{removed:?}");
}

#[test]
fn a_client_is_called_what_it_calls_itself() {
    let list = modern("tools/list");
    assert_eq!(client::of_message(&envelope(&list)).as_deref(), Some("desk/2"));
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"a\u0007b"}}}"#;
    assert_eq!(client::of_message(&envelope(initialize)).as_deref(), Some("ab"));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"clientInfo":{"name":"x"}}}"#;
    assert_eq!(client::of_message(&envelope(call)), None);
    assert_eq!(client::of_headers(&headers(&[("user-agent", "x/1")])).as_deref(), Some("x/1"));
}

#[test]
fn a_session_has_one_name_of_at_most_128_bytes() {
    let long: &'static str = "a".repeat(129).leak();
    let one = headers(&[("mcp-session-id", "s-1")]);
    assert_eq!(session::session_id(&one).unwrap(), Some("s-1"));
    assert_eq!(session::session_id(&headers(&[])).unwrap(), None);
    for bad in [headers(&[("mcp-session-id", "")]), headers(&[("mcp-session-id", long)])] {
        let verdict = session::session_id(&bad);
        assert!(matches!(verdict, Err(TransportError::BadHeader("Mcp-Session-Id"))));
    }
    let mut twice = one;
    twice.append("mcp-session-id", HeaderValue::from_static("s-2"));
    assert!(session::session_id(&twice).is_err());
    let unknown = headers(&[("mcp-protocol-version", "1999-01-01")]);
    let unknown = session::legacy_version(&unknown);
    assert!(matches!(unknown, Err(TransportError::UnsupportedVersion)));
}
