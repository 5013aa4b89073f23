use std::time::Duration;

use haechi_core::{Exchange as _, FetchError, Post, Secret};
use haechi_outbound::{Exchanger, FetchLimits, Outbound, OutboundConfig, Reach};

use crate::server::{Server, ok};

const NO_DELAY: Duration = Duration::ZERO;

fn exchanger(reach: Reach) -> Exchanger {
    let outbound = Outbound::new(OutboundConfig::default()).unwrap();
    outbound.exchanger(FetchLimits { reach, max_bytes: 100, timeout: Duration::from_millis(500) })
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn post(url: String) -> Post {
    let headers = vec![("content-type", secret("application/json")), ("x-token", secret("t0k"))];
    Post { url, headers, body: secret("{\"a\":1}") }
}

#[tokio::test]
async fn headers_and_body_arrive_and_the_answer_comes_back_whatever_its_status() {
    for answer in [ok("{}"), "HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\n{}".to_owned()] {
        let expected = if answer.contains("403") { 403 } else { 200 };
        let server = Server::answering(answer, NO_DELAY).await;
        let url = format!("http://127.0.0.1:{}/v1/x", server.port);
        let answered = exchanger(Reach::Loopback).post(post(url)).await.unwrap();
        assert_eq!((answered.status, answered.body.expose()), (expected, &b"{}"[..]));
        assert!(!format!("{answered:?}").contains("{}"));
        let asked = server.asked().concat().to_lowercase();
        assert!(asked.starts_with("post /v1/x http/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{asked}");
        assert!(asked.contains("x-token: t0k\r\n") && asked.ends_with("{\"a\":1}"), "{asked}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_never_sees_the_token() {
    let target = Server::answering(ok("{}"), NO_DELAY).await;
    let redirect = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        target.port
    );
    let server = Server::answering(redirect, NO_DELAY).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    assert_eq!(exchanger(Reach::Loopback).post(post(url)).await.unwrap().status, 307);
    assert!(target.asked().is_empty());
}

#[tokio::test]
async fn the_limits_of_a_fetcher_hold_here_too() {
    let large = Server::answering(ok(&"x".repeat(101)), NO_DELAY).await;
    let slow = Server::answering(ok("{}"), Duration::from_secs(5)).await;
    let local = |port| format!("http://127.0.0.1:{port}/");
    let asker = exchanger(Reach::Loopback);
    let error = asker.post(post(local(large.port))).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
    let error = asker.post(post(local(slow.port))).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error:?}");
    for (reach, url) in [
        (Reach::Public, local(large.port)),
        (Reach::DangerousPrivate, "https://169.254.169.254/".to_owned()),
        (Reach::DangerousPrivate, "http://10.0.0.1/".to_owned()),
        (Reach::Loopback, "https://user:word@127.0.0.1/".to_owned()),
    ] {
        let error = exchanger(reach).post(post(url.clone())).await.unwrap_err();
        assert!(matches!(error, FetchError::AddressNotAllowed(_)), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("word"));
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_not_sent_in_part() {
    let server = Server::answering(ok("{}"), NO_DELAY).await;
    let mut post = post(format!("http://127.0.0.1:{}/", server.port));
    post.headers.push(("x-token", secret("a\r\nx-other: b")));
    assert!(exchanger(Reach::Loopback).post(post).await.is_err());
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn reading_sends_its_headers_and_keeps_the_same_limits() {
    let token = || vec![("authorization", secret("Bearer t0k"))];
    let local = |port| format!("http://127.0.0.1:{port}/userinfo");
    let asker = exchanger(Reach::Loopback);
    let server = Server::answering(ok("{}"), NO_DELAY).await;
    let answered = asker.get(&local(server.port), token()).await.unwrap();
    assert_eq!((answered.status, answered.body.expose()), (200, &b"{}"[..]));
    let asked = server.asked().concat().to_lowercase();
    assert!(asked.starts_with("get /userinfo http/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: bearer t0k\r\n"), "{asked}");
    let target = Server::answering(ok("{}"), NO_DELAY).await;
    let redirect = format!(
        "HTTP/1.1 302 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        local(target.port)
    );
    let server = Server::answering(redirect, NO_DELAY).await;
    assert_eq!(asker.get(&local(server.port), token()).await.unwrap().status, 302);
    assert!(target.asked().is_empty());
    let large = Server::answering(ok(&"x".repeat(101)), NO_DELAY).await;
    let error = asker.get(&local(large.port), token()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
    let slow = Server::answering(ok("{}"), Duration::from_secs(5)).await;
    let error = asker.get(&local(slow.port), token()).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error:?}");
    let error = exchanger(Reach::Public).get(&local(slow.port), token()).await.unwrap_err();
    assert!(matches!(error, FetchError::AddressNotAllowed(_)), "{error:?}");
}
