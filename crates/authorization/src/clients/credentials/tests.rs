use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn header(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
    headers
}

fn basic_of(name: &str, secret: &str) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(name), encode(secret))))
}

#[test]
fn a_basic_header_holds_a_name_and_a_secret_encoded_as_in_a_form() {
    let (name, secret) = read_basic(b"basic YSUzQWI6YyslMmJk").unwrap();
    assert_eq!((name.as_str(), secret.expose()), ("a:b", b"c +d".as_slice()));
}

#[test]
fn a_basic_header_of_another_form_is_refused() {
    let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = encode("client:secret");
    assert!(read_basic(good.as_bytes()).is_some());
    let bad = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Bearer Y2xpZW50OnNlY3JldA==".to_owned(),
        "Basic Y2xpZW50OnNlY3JldA".to_owned(),
        "Basic  Y2xpZW50OnNlY3JldA==".to_owned(),
        "Basic Y2xpZW50OnNlY3JldA== x".to_owned(),
        encode("client"),
        encode(":secret"),
        encode("client:"),
        encode("cli%6:secret"),
        encode("client:%zz"),
        encode("cl\u{7}ient:secret"),
        encode("cl%00ient:secret"),
        encode("cl가:secret"),
        encode(&format!("client:{}", "s".repeat(513))),
        encode(&format!("{}:secret", "c".repeat(2049))),
    ];
    for text in bad {
        assert!(read_basic(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn a_client_presents_itself_in_one_way() {
    let fields = |secret, kind, assertion| ClientFields {
        client_id: Some("client"),
        client_secret: secret,
        client_assertion_type: kind,
        client_assertion: assertion,
    };
    let none = HeaderMap::new();
    let basic = header(&basic_of("client", "secret"));
    let read = |headers: &HeaderMap, fields| ClientCredentials::read(headers, fields).map(|_| ());
    let bare = fields(None, None, None);
    let signed = fields(None, Some(ASSERTION_TYPE), Some("a.b.c"));
    assert!(read(&none, bare).is_ok());
    assert!(read(&basic, bare).is_ok());
    assert!(read(&none, fields(Some("secret"), None, None)).is_ok());
    assert!(read(&none, signed).is_ok());
    let two = [
        (&basic, fields(Some("secret"), None, None)),
        (&basic, signed),
        (&none, fields(Some("secret"), Some(ASSERTION_TYPE), Some("a.b.c"))),
        (&basic, ClientFields { client_id: Some("other"), ..bare }),
    ];
    for (headers, fields) in two {
        assert!(matches!(read(headers, fields), Err(ClientError::Several)), "{fields:?}");
    }
    let malformed = [
        fields(None, None, Some("a.b.c")),
        fields(None, Some(ASSERTION_TYPE), None),
        fields(None, Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), Some("a")),
        fields(Some(""), None, None),
        ClientFields { client_id: Some(""), ..bare },
        ClientFields { client_id: Some("a\nb"), ..bare },
    ];
    for fields in malformed {
        assert!(matches!(read(&none, fields), Err(ClientError::Malformed)), "{fields:?}");
    }
    let nobody = ClientFields::default();
    assert!(matches!(read(&none, nobody), Err(ClientError::Missing)));
    let mut twice = basic.clone();
    twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
    assert!(matches!(read(&twice, bare), Err(ClientError::Several)));
    assert!(matches!(read(&header("Bearer x"), bare), Err(ClientError::Malformed)));
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(name in "[ -~]{1,60}", secret in "\\PC{1,60}") {
        let (read, proof) = read_basic(basic_of(&name, &secret).as_bytes()).unwrap();
        prop_assert_eq!(read, name);
        prop_assert_eq!(proof.expose(), secret.as_bytes());
    }

    #[test]
    fn no_header_makes_the_reader_fall(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = read_basic(&bytes);
        let _ = read_basic(&[b"Basic ".as_slice(), STANDARD.encode(&bytes).as_bytes()].concat());
    }
}
