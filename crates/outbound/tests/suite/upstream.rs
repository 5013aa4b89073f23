use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use haechi_core::Fetch as _;
use haechi_outbound::{
    FetchLimits, Outbound, OutboundConfig, OutboundError, Reach, TlsSetupError, UpstreamClient,
};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, ok};

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::new(Bytes::from_static(b"{}"))).unwrap()
}

fn client(config: OutboundConfig) -> UpstreamClient {
    Outbound::new(config).unwrap().upstream_client()
}

#[tokio::test]
async fn a_private_upstream_is_reached_and_its_redirect_handed_on() {
    let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\
                  content-length: 0\r\n\r\n";
    let server = Server::answering(answer, Duration::ZERO).await;
    let url = format!("http://localhost:{}/mcp", server.port);
    let response = client(OutboundConfig::default()).send(post(&url)).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_head_over_the_limit_breaks_the_answer() {
    let filler = "x".repeat(20_000);
    let answer = format!("HTTP/1.1 200 OK\r\nx-filler: {filler}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::answering(answer, Duration::ZERO).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let roomy = client(OutboundConfig::default()).send(post(&url)).await;
    assert!(roomy.is_ok());
    let config = OutboundConfig { max_head_bytes: 8192, ..OutboundConfig::default() };
    let error = client(config).send(post(&url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    // Accepts TCP and says nothing: the TLS handshake hangs.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let config =
        OutboundConfig { connect_timeout: Duration::from_millis(200), ..OutboundConfig::default() };
    let started = Instant::now();
    let error = client(config).send(post(&url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::ConnectTimedOut), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn connections_are_kept_and_a_dropped_body_closes_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let client = client(OutboundConfig::default());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        for _ in 0..2 {
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
        stream.write_all(endless.as_bytes()).await.unwrap();
        // The end of the stream, or a reset: either tells that nobody listens any more.
        stream.read(&mut request).await.unwrap_or(0)
    });
    for _ in 0..2 {
        let response = client.send(post(&url)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    }
    let response = client.send(post(&url)).await.unwrap();
    drop(response);
    let heard = tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert_eq!(heard, 0);
}

/// A TLS server for `localhost` with a certificate of its own making, and that certificate's file.
async fn tls_server(folder: &std::path::Path) -> (u16, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = folder.join("authority.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 4096];
                let _asked = stream.read(&mut request).await;
                let _closed_early = stream.write_all(ok("{}").as_bytes()).await;
                let _closed = stream.shutdown().await;
            });
        }
    });
    (port, file)
}

#[tokio::test]
async fn a_stranger_s_certificate_is_refused_until_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (port, authority) = tls_server(folder.path()).await;
    let url = format!("https://localhost:{port}/");
    let error = client(OutboundConfig::default()).send(post(&url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");

    let config = OutboundConfig { extra_authorities: Some(authority), ..OutboundConfig::default() };
    assert!(client(config.clone()).send(post(&url)).await.is_ok());
    let other_name = format!("https://127.0.0.1:{port}/");
    assert!(client(config.clone()).send(post(&other_name)).await.is_err());
    let limits = FetchLimits { reach: Reach::Loopback, ..FetchLimits::default() };
    let fetched = Outbound::new(config).unwrap().fetcher(limits).fetch(&url).await.unwrap();
    assert_eq!(fetched.body, "{}");
}

#[tokio::test]
async fn a_file_of_authorities_that_holds_none_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing here").unwrap();
    let config =
        |path| OutboundConfig { extra_authorities: Some(path), ..OutboundConfig::default() };
    let error = Outbound::new(config(empty)).unwrap_err();
    assert!(matches!(&error, TlsSetupError::NoAuthority(_)), "{error:?}");
    assert!(error.to_string().contains("empty.pem"));
    let error = Outbound::new(config(folder.path().join("absent.pem"))).unwrap_err();
    assert!(matches!(error, TlsSetupError::Authorities { .. }), "{error:?}");
}
