//! The contract for reading a small document over HTTP, kept by `outbound`.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// A document that was read whole.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status; always 200 here.
    pub status: u16,
    /// `Content-Type` without parameters, lower case; empty when absent.
    pub content_type: String,
    /// The body, within the limit the source was made with.
    pub body: Bytes,
    /// `Cache-Control: max-age` in seconds, when stated.
    pub max_age_secs: Option<u64>,
}

/// Why a document could not be read. No variant carries the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not an address this source may go to: scheme, credentials in it, or a private range.
    #[error("the address of `{0}` is not allowed")]
    AddressNotAllowed(String),
    /// The server answered something else than 200; redirects are not followed.
    #[error("`{host}` answered status {status}")]
    Status {
        /// Whom we asked.
        host: String,
        /// What it answered.
        status: u16,
    },
    /// The body is larger than allowed.
    #[error("the answer of `{0}` is larger than allowed")]
    TooLarge(String),
    /// It took longer than allowed.
    #[error("`{0}` did not answer in time")]
    TimedOut(String),
    /// Connection, TLS or protocol failed.
    #[error("`{0}` could not be reached")]
    Unreachable(String),
}

/// Reads small documents by HTTP GET, with limits on address, redirects, size and time.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Reads `url` whole.
    ///
    /// # Errors
    ///
    /// Every [`FetchError`]; nothing is retried.
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError>;
}
