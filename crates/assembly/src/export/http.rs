//! An address that takes POST: a collector of OpenTelemetry, or whatever takes lines.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_audit::export::{Format, Line, Receipt, Sink, SinkError, otlp_request};
use haechi_core::Secret;
use haechi_outbound::UpstreamClient;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::Value;

use super::VERSION;
use crate::settings::HttpDestination;

/// How long one batch may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is read of an answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends records to an address. They are confirmed by a status of success.
pub(super) struct HttpSink {
    url: url::Url,
    bearer: Option<Secret>,
    format: Format,
    client: UpstreamClient,
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink").field("format", &self.format).finish_non_exhaustive()
    }
}

impl HttpSink {
    pub(super) fn new(to: &HttpDestination, format: Format, client: UpstreamClient) -> Self {
        Self { url: to.url.clone(), bearer: to.bearer.clone(), format, client }
    }

    fn request(&self, lines: &[Line]) -> Result<Request<Full<Bytes>>, SinkError> {
        let (kind, body) = if self.format == Format::Otlp {
            ("application/json", otlp_request(lines, VERSION))
        } else {
            let mut body = String::new();
            for line in lines {
                body.push_str(&line.text);
                body.push('\n');
            }
            (if self.format == Format::Cef { "text/plain" } else { "application/x-ndjson" }, body)
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.as_str())
            .header("content-type", kind);
        if let Some(bearer) = &self.bearer {
            let value = [b"Bearer ".as_slice(), bearer.expose()].concat();
            let value = HeaderValue::from_bytes(&value);
            let mut value = value.map_err(|_| unreachable("the secret is no bearer token"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(Full::new(body.into())).map_err(|error| SinkError::Unreachable(error.into()))
    }
}

fn unreachable(why: &'static str) -> SinkError {
    SinkError::Unreachable(why.into())
}

#[async_trait]
impl Sink for HttpSink {
    async fn send(&mut self, lines: &[Line]) -> Result<Receipt, SinkError> {
        let request = self.request(lines)?;
        let sent = async {
            let response = self.client.send(request).await;
            let response = response.map_err(|error| SinkError::Unreachable(error.into()))?;
            let (head, body) = response.into_parts();
            if !head.status.is_success() {
                return Err(refused(head.status, &head.headers));
            }
            // The answer is read to its end, so that the connection can be used again.
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            Ok(body.map(|body| body.to_bytes()).unwrap_or_default())
        };
        let late = |_| SinkError::TimedOut(TIMEOUT);
        let answer = tokio::time::timeout(TIMEOUT, sent).await.map_err(late)??;
        let refused = if self.format == Format::Otlp { rejected(&answer) } else { 0 };
        Ok(Receipt { refused })
    }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> SinkError {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|text| text.trim().parse().ok());
    SinkError::Refused { status: status.as_u16(), again_in: seconds.map(Duration::from_secs) }
}

/// Records that a collector refused for good (OTLP, partial success): sending them again would be
/// against the protocol.
fn rejected(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = answer.pointer("/partialSuccess/rejectedLogRecords");
    let text = rejected.and_then(|rejected| rejected.as_str().and_then(|text| text.parse().ok()));
    text.or_else(|| rejected.and_then(Value::as_u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use haechi_core::Timestamp;
    use haechi_outbound::{Outbound, OutboundConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Sends two records to a server that answers with `answer`; what the server read.
    async fn send(format: Format, answer: &'static str) -> (Result<Receipt, SinkError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/logs", listener.local_addr().unwrap()).parse().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"}\n") && !read.ends_with(b"]}]}]}") {
                let mut piece = [0; 4096];
                let length = stream.read(&mut piece).await.unwrap();
                assert!(length > 0, "it hung up early");
                read.extend_from_slice(&piece[..length]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(read).unwrap()
        });
        let to = HttpDestination { url, bearer: Some(Secret::from("s3cret".to_owned())) };
        let client = Outbound::new(OutboundConfig::default()).unwrap().upstream_client();
        let mut sink = HttpSink::new(&to, format, client);
        assert!(!format!("{sink:?}").contains("s3cret"));
        let line = |text: &str| Line { text: text.to_owned(), at: Timestamp(1) };
        let sent = sink.send(&[line("{\"a\":1}"), line("{\"a\":2}")]).await;
        (sent, serving.await.unwrap())
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    #[tokio::test]
    async fn lines_are_posted_with_the_secret_and_confirmed_by_success() {
        let (sent, read) = send(Format::Json, OK).await;
        assert_eq!(sent.unwrap(), Receipt::default());
        assert!(read.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{read}");
        assert!(read.contains("authorization: Bearer s3cret\r\n"), "{read}");
        assert!(read.contains("content-type: application/x-ndjson\r\n"), "{read}");
        assert!(read.ends_with("\r\n\r\n{\"a\":1}\n{\"a\":2}\n"), "{read}");
    }

    #[tokio::test]
    async fn no_status_but_success_confirms() {
        let later = "HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        let moved = "HTTP/1.1 307 Moved\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n";
        let bad = "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n";
        for (answer, wanted, pause) in [(later, 503, Some(7)), (moved, 307, None), (bad, 400, None)]
        {
            let (sent, _) = send(Format::Json, answer).await;
            let Err(SinkError::Refused { status, again_in }) = sent else { panic!("{sent:?}") };
            assert_eq!((status, again_in), (wanted, pause.map(Duration::from_secs)));
        }
    }

    #[tokio::test]
    async fn a_collector_may_refuse_some_records_for_good() {
        let partly = "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n{\"partialSuccess\":{\"rejectedLogRecords\":\"1\"}}";
        let (sent, read) = send(Format::Otlp, partly).await;
        assert_eq!(sent.unwrap(), Receipt { refused: 1 });
        assert!(read.contains("content-type: application/json\r\n"), "{read}");
        assert!(read.contains("{\"resourceLogs\":[{\"resource\":"), "{read}");
    }
}
