//! What a POST must declare, and its body within bounds.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use haechi_core::json::{Checked, Limits};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::BodyExt;

use crate::problem::TransportError;

/// How much of a body that is too large is read and thrown away, in limits, and for how long.
const THROWN_AWAY: usize = 32;
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest `Accept` that is looked at, in bytes.
const MAX_ACCEPT_BYTES: usize = 2048;

/// What an answer may be.
const BOTH: &str = "both `application/json` and `text/event-stream`";
const EVENTS: &str = "`text/event-stream`";

/// A body as it arrives from a stranger; every body of bytes is one.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin
{
}
impl<B> RequestBody for B
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
}

/// Bounds on a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Its length, in bytes.
    pub bytes: usize,
    /// From the headers to its end.
    pub timeout: Duration,
}

impl Default for BodyLimits {
    /// 4 MiB within 30 seconds.
    fn default() -> Self {
        Self { bytes: 4 << 20, timeout: Duration::from_secs(30) }
    }
}

/// Reads a body that is declared as JSON, and strictly is: the next step is
/// [`haechi_core::rpc::Body::read`].
///
/// # Errors
///
/// Those of [`is_json`], [`read`] and [`checked`].
pub async fn json(
    headers: &HeaderMap,
    body: impl RequestBody,
    limits: BodyLimits,
) -> Result<Checked, TransportError> {
    is_json(headers)?;
    checked(read(body, limits).await?, limits)
}

/// A POST takes JSON or events, as the server likes (Streamable HTTP, sending messages).
///
/// # Errors
///
/// [`TransportError::NotAcceptable`] unless both are listed.
pub fn accepts_both(headers: &HeaderMap) -> Result<(), TransportError> {
    let fine = accepts(headers, "application", "json") && accepts(headers, "text", "event-stream");
    if fine { Ok(()) } else { Err(TransportError::NotAcceptable(BOTH)) }
}

/// A GET takes events.
///
/// # Errors
///
/// [`TransportError::NotAcceptable`] unless they are listed.
pub fn accepts_events(headers: &HeaderMap) -> Result<(), TransportError> {
    let fine = accepts(headers, "text", "event-stream");
    if fine { Ok(()) } else { Err(TransportError::NotAcceptable(EVENTS)) }
}

/// Whether a media type is listed, by name or by a range, with a weight above zero (RFC 9110
/// §12.5.1).
fn accepts(headers: &HeaderMap, kind: &str, subtype: &str) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.filter(|value| value.len() <= MAX_ACCEPT_BYTES).flat_map(|value| value.split(',')).any(
        |range| {
            let mut parts = range.split(';').map(str::trim);
            let Some((of_kind, of_subtype)) = parts.next().and_then(|name| name.split_once('/'))
            else {
                return false;
            };
            let named = |wanted: &str, word: &str| word == "*" || word.eq_ignore_ascii_case(wanted);
            named(kind, of_kind) && named(subtype, of_subtype) && !parts.any(is_zero_weight)
        },
    )
}

fn is_zero_weight(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.bytes().all(|byte| matches!(byte, b'0' | b'.')))
}

/// The body must be declared as JSON; in UTF-8, where it names a charset at all (RFC 8259 §8.1).
///
/// # Errors
///
/// [`TransportError::MediaType`], also for two declarations.
pub fn is_json(headers: &HeaderMap) -> Result<(), TransportError> {
    let value = sole(headers, &CONTENT_TYPE, "Content-Type").ok().flatten();
    let value = value.ok_or(TransportError::MediaType)?;
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return parameter.is_empty() };
        let charset = name.eq_ignore_ascii_case("charset");
        !charset || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if json && utf8 { Ok(()) } else { Err(TransportError::MediaType) }
}

/// The one value of a header, which errors call `shown`; `None` when it is absent.
///
/// # Errors
///
/// [`TransportError::BadHeader`] when it stands twice or is not visible ASCII.
pub fn sole<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'h str>, TransportError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(TransportError::BadHeader(shown));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| TransportError::BadHeader(shown))
}

/// Reads a body within the limits of size and time.
///
/// Of a body that is too large a little more is thrown away: a client that is still writing would
/// otherwise lose its connection before it reads why.
///
/// # Errors
///
/// [`TransportError::TooLarge`] from its declared length where it declares one,
/// [`TransportError::SlowBody`], [`TransportError::BrokenBody`].
pub async fn read(mut body: impl RequestBody, limits: BodyLimits) -> Result<Bytes, TransportError> {
    let limit = limits.bytes;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let whole = if declared > limit {
        Err(TransportError::TooLarge { limit })
    } else {
        let whole = tokio::time::timeout(limits.timeout, collect(&mut body, limit)).await;
        whole.map_err(|_| TransportError::SlowBody)?
    };
    let thrown_away = limit.saturating_mul(THROWN_AWAY);
    if matches!(whole, Err(TransportError::TooLarge { .. })) && declared <= thrown_away {
        // Whatever comes of it, the answer is the same.
        let _ = tokio::time::timeout(PATIENCE, throw_away(&mut body, thrown_away)).await;
    }
    whole
}

async fn throw_away(body: &mut impl RequestBody, limit: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}

/// Puts the pieces together; a body that comes in one piece, as most do, is not copied.
async fn collect(body: &mut impl RequestBody, limit: usize) -> Result<Bytes, TransportError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| TransportError::BrokenBody)?;
        let Ok(piece) = frame.into_data() else { continue };
        if first.len() + rest.len() + piece.len() > limit {
            return Err(TransportError::TooLarge { limit });
        }
        if first.is_empty() {
            first = piece;
        } else {
            rest.extend_from_slice(&piece);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// A body as strict JSON.
///
/// # Errors
///
/// [`TransportError::NotJson`].
pub fn checked(body: Bytes, limits: BodyLimits) -> Result<Checked, TransportError> {
    let limits = Limits { max_bytes: limits.bytes, ..Limits::WIRE };
    Checked::new(body, &limits).map_err(TransportError::NotJson)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let pairs = values
            .iter()
            .map(|value| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn both_kinds_of_answer_must_be_accepted() {
        let cases: [(&[&str], bool); 9] = [
            (&["application/json, text/event-stream"], true),
            (&["text/event-stream;q=0.5,application/json"], true),
            (&["application/json", "text/event-stream"], true),
            (&["*/*"], true),
            (&["Application/JSON, TEXT/*"], true),
            (&["application/json"], false),
            (&["text/event-stream"], false),
            (&["application/json, text/event-stream;q=0.0"], false),
            (&[], false),
        ];
        for (values, fine) in cases {
            assert_eq!(accepts_both(&headers("accept", values)).is_ok(), fine, "{values:?}");
        }
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        let cases: [(&[&str], bool); 9] = [
            (&["application/json"], true),
            (&["Application/Json; charset=UTF-8"], true),
            (&["application/json; charset=\"utf-8\"; odd=1"], true),
            (&["application/json; charset=utf-16"], false),
            (&["application/jsonp"], false),
            (&["text/plain"], false),
            (&["application/x-www-form-urlencoded"], false),
            (&["application/json", "text/plain"], false),
            (&[], false),
        ];
        for (values, fine) in cases {
            assert_eq!(is_json(&headers("content-type", values)).is_ok(), fine, "{values:?}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_before_it_is_whole() {
        let limits = BodyLimits { bytes: 8, ..BodyLimits::default() };
        let pieces = |sizes: &[usize]| {
            let frames: Vec<Result<_, std::convert::Infallible>> = sizes
                .iter()
                .map(|size| Ok(http_body::Frame::data(Bytes::from(vec![b'a'; *size]))))
                .collect();
            http_body_util::StreamBody::new(futures::stream::iter(frames))
        };
        assert_eq!(read(pieces(&[3, 3, 2]), limits).await.unwrap().len(), 8);
        let over = read(pieces(&[3, 3, 3]), limits).await;
        assert!(matches!(over, Err(TransportError::TooLarge { limit: 8 })));
        let declared = http_body_util::Full::new(Bytes::from_static(b"123456789"));
        let over = read(declared, limits).await;
        assert!(matches!(over, Err(TransportError::TooLarge { limit: 8 })));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let endless = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::convert::Infallible>,
        >());
        let timeout = Duration::from_millis(20);
        let limits = BodyLimits { timeout, ..BodyLimits::default() };
        assert!(matches!(read(endless, limits).await, Err(TransportError::SlowBody)));
    }
}
