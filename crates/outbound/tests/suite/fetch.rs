use std::time::Duration;

use haechi_core::{Fetch as _, FetchError};
use haechi_outbound::{FetchLimits, Fetcher, Outbound, OutboundConfig, Reach};

use crate::server::{Server, ok};

const NO_DELAY: Duration = Duration::ZERO;

fn fetcher(reach: Reach) -> Fetcher {
    let outbound = Outbound::new(OutboundConfig::default()).unwrap();
    let limits = FetchLimits { reach, max_bytes: 100, timeout: Duration::from_millis(500) };
    outbound.fetcher(limits)
}

#[tokio::test]
async fn a_document_is_read_with_its_type_and_age_and_nothing_is_told_about_us() {
    let server = Server::answering(ok("{}"), NO_DELAY).await;
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/keys#part", server.port);
        let fetched = fetcher(Reach::Loopback).fetch(&url).await.unwrap();
        assert_eq!((fetched.status, &fetched.body[..]), (200, &b"{}"[..]));
        assert_eq!(fetched.content_type, "application/json");
        assert_eq!(fetched.max_age_secs, Some(300));
    }
    let asked = server.asked().concat().to_lowercase();
    assert!(asked.starts_with("get /keys http/1.1\r\n"), "{asked}");
    for absent in ["authorization", "cookie", "accept-encoding", "#part"] {
        assert!(!asked.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_never_connected_to() {
    let server = Server::answering(ok("{}"), NO_DELAY).await;
    let port = server.port;
    let loopback = ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:7f00:1]"];
    for host in loopback {
        for scheme in ["http", "https"] {
            let result = fetcher(Reach::Public).fetch(&format!("{scheme}://{host}:{port}/")).await;
            assert!(matches!(result, Err(FetchError::AddressNotAllowed(_))), "{scheme} {host}");
        }
    }
    let special = [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://224.0.0.1/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "http://10.0.0.1/",
        "http://1.1.1.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user:word@127.0.0.1/",
        "nonsense",
    ];
    for url in special {
        let result = fetcher(Reach::Loopback).fetch(url).await;
        assert!(matches!(result, Err(FetchError::AddressNotAllowed(_))), "{url}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn credentials_in_an_address_are_not_repeated_in_the_error() {
    let error = fetcher(Reach::Loopback).fetch("https://user:word@host/").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("word"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let target = Server::answering(ok("{}"), NO_DELAY).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        target.port
    );
    let server = Server::answering(redirect, NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let error = fetcher(Reach::Loopback).fetch(&url).await.unwrap_err();
    assert_eq!(error, FetchError::Status { host: "127.0.0.1".to_owned(), status: 302 });
    assert!(target.asked().is_empty());
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    for (size, declared, fits) in [(100, true, true), (101, true, false), (101, false, false)] {
        let body = "x".repeat(size);
        let answer = if declared { ok(&body) } else { format!("HTTP/1.0 200 OK\r\n\r\n{body}") };
        let server = Server::answering(answer, NO_DELAY).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        let result = fetcher(Reach::Loopback).fetch(&url).await;
        match result {
            Ok(fetched) => assert!(fits && fetched.body.len() == size),
            Err(error) => {
                assert!(!fits && matches!(error, FetchError::TooLarge(_)), "{size} {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_asks_can_lower_the_limit_and_not_raise_it() {
    let server = Server::answering(ok(&"x".repeat(50)), NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let reader = fetcher(Reach::Loopback);
    assert_eq!(reader.fetch_within(&url, 50).await.unwrap().body.len(), 50);
    let error = reader.fetch_within(&url, 49).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
    let large = Server::answering(ok(&"x".repeat(101)), NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", large.port);
    let error = reader.fetch_within(&url, 1000).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn a_slow_a_silent_and_an_absent_server_are_told_apart() {
    let slow = Server::answering(ok("{}"), Duration::from_secs(5)).await;
    let url = format!("http://127.0.0.1:{}/", slow.port);
    let error = fetcher(Reach::Loopback).fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error:?}");

    let nonsense = Server::answering("SSH-2.0-nonsense\r\n", NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", nonsense.port);
    let error = fetcher(Reach::Loopback).fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        fetcher(Reach::Loopback).fetch(&format!("http://127.0.0.1:{closed}/")).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_compressed_body_is_not_taken() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}";
    let server = Server::answering(answer, NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let error = fetcher(Reach::Loopback).fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
}
