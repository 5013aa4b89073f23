use proptest::prelude::*;

use super::*;

#[test]
fn a_redirection_is_https_or_to_this_machine_or_of_the_program() {
    let good = [
        ("https://app.example/cb", RedirectKind::Https),
        ("https://app.example:8443/cb?x=1", RedirectKind::Https),
        ("https://app.example", RedirectKind::Https),
        ("http://127.0.0.1/cb", RedirectKind::Loopback),
        ("http://127.0.0.1:33418/", RedirectKind::Loopback),
        ("http://[::1]:8/cb", RedirectKind::Loopback),
        ("http://localhost:8080/cb", RedirectKind::Loopback),
        ("com.example.app:/cb", RedirectKind::PrivateUse),
        ("com.example.app://cb", RedirectKind::PrivateUse),
    ];
    for (text, kind) in good {
        let read = RedirectUri::parse(text).unwrap();
        assert_eq!((read.kind(), read.as_str()), (kind, text));
    }
}

#[test]
fn every_other_redirection_is_refused_for_its_reason() {
    use RedirectUriError as E;
    let long = format!("https://app.example/{}", "a".repeat(MAX_REDIRECT_URI_BYTES));
    let bad = [
        (long.as_str(), E::TooLong),
        ("https://app.example/ cb", E::Characters),
        ("https://app.example\\@evil.example/cb", E::Characters),
        ("https://앱.example/cb", E::Characters),
        ("https://app.example/\r\nSet-Cookie:a", E::Characters),
        ("https://*.app.example/cb", E::Wildcard),
        ("https://app.example/*", E::Wildcard),
        ("https://app.example/cb#", E::Fragment),
        ("https://app.example/cb#x", E::Fragment),
        ("https://user@app.example/cb", E::Credentials),
        ("https://a:b@app.example/cb", E::Credentials),
        ("com.example.app://user@host/cb", E::Credentials),
        ("/cb", E::NotAbsolute),
        ("", E::NotAbsolute),
        ("https://", E::NotAbsolute),
        ("http://app.example/cb", E::Scheme),
        ("http://127.0.0.1.evil.example/cb", E::Scheme),
        ("http://localhost.evil.example/cb", E::Scheme),
        ("http://127.1/cb", E::Scheme),
        ("http://0x7f000001/cb", E::Scheme),
        ("http://127.0.0.1:080/cb", E::Scheme),
        ("http://127.0.0.1:/cb", E::Scheme),
        ("javascript:alert(1)", E::Scheme),
        ("data:text/html,x", E::Scheme),
        ("file:///etc/passwd", E::Scheme),
        ("HTTPS://app.example/cb", E::Scheme),
        ("app:/cb", E::Scheme),
        ("com..app:/cb", E::Scheme),
        ("https://APP.example/cb", E::Host),
        ("https://app%2eexample/cb", E::Host),
        ("https:app.example/cb", E::Host),
        ("https:///app.example/cb", E::Host),
        ("https://0x7f.1/cb", E::Host),
        ("https://app.example:443/cb", E::Port),
        ("https://app.example:08443/cb", E::Port),
        ("https://app.example:/cb", E::Port),
    ];
    for (text, expected) in bad {
        assert_eq!(RedirectUri::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn a_redirection_is_compared_exactly_but_for_the_port_of_this_machine() {
    let covers = |own: &str, asked: &str| RedirectUri::parse(own).unwrap().covers(asked);
    let https = "https://app.example/cb";
    assert!(covers(https, https));
    let others = [
        "https://app.example/cb/",
        "https://app.example/cb?x=1",
        "https://app.example:8443/cb",
        "https://app.example/cb/../cb",
        "https://app.example/CB",
        "https://app.example.evil.example/cb",
        "https://app.example/c%62",
        "http://app.example/cb",
        "https://app.example/cb#x",
        "",
    ];
    for other in others {
        assert!(!covers(https, other), "{other}");
    }
    let here = "http://127.0.0.1:1234/cb?a=b";
    assert!(covers(here, "http://127.0.0.1:65535/cb?a=b"));
    assert!(covers(here, "http://127.0.0.1/cb?a=b"));
    assert!(covers("http://localhost/cb", "http://localhost:9/cb"));
    let others = [
        "http://127.0.0.1:1234/cb",
        "http://127.0.0.1:1234/cb?a=c",
        "http://127.0.0.1:65536/cb?a=b",
        "http://127.0.0.1:0/cb?a=b",
        "http://127.0.0.1:x/cb?a=b",
        "http://localhost:1234/cb?a=b",
        "http://[::1]:1234/cb?a=b",
        "https://127.0.0.1:1234/cb?a=b",
        "http://127.0.0.1:1234@evil.example/cb?a=b",
        "http://127.0.0.1:1@evil.example/cb?a=b",
        "http://127.0.0.1:1234/cb?a=b#",
    ];
    for other in others {
        assert!(!covers(here, other), "{other}");
    }
}

proptest! {
    #[test]
    fn whatever_is_read_covers_itself_and_leads_where_it_says(
        text in "(https|http|com.example|javascript)://?[a-z0-9.:@%/?#\\[\\]*-]{0,40}",
    ) {
        if let Ok(read) = RedirectUri::parse(&text) {
            prop_assert!(read.covers(&text));
            let url = Url::parse(&text).unwrap();
            prop_assert!(url.fragment().is_none() && url.username().is_empty());
            if read.kind() != RedirectKind::PrivateUse {
                let host = url.host_str().unwrap();
                let (_, after) = text.split_once("://").unwrap();
                prop_assert!(after.starts_with(host));
            }
        }
    }

    #[test]
    fn no_text_at_all_makes_the_reader_fall(text in "\\PC{0,80}", other in "\\PC{0,80}") {
        let _ = RedirectUri::parse(&text);
        prop_assert!(!RedirectUri::parse("http://[::1]/cb").unwrap().covers(&other));
    }

    #[test]
    fn what_is_covered_leads_to_the_same_host(
        asked in "http://(127\\.0\\.0\\.1|localhost)[0-9:@./a-z?#]{0,12}/cb",
    ) {
        let own = RedirectUri::parse("http://127.0.0.1:7/cb").unwrap();
        if own.covers(&asked) {
            let url = Url::parse(&asked).unwrap();
            prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
            prop_assert_eq!(url.path(), "/cb");
        }
    }
}
