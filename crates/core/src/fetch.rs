//! The contracts for reading a small document and for asking a service over HTTP, kept by `outbound`.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Secret;

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

    /// Reads `url` whole when it has at most `max_bytes`; the source's own limit holds as well.
    ///
    /// # Errors
    ///
    /// As [`Fetch::fetch`].
    async fn fetch_within(&self, url: &str, max_bytes: usize) -> Result<Fetched, FetchError> {
        let fetched = self.fetch(url).await?;
        if fetched.body.len() <= max_bytes {
            return Ok(fetched);
        }
        Err(FetchError::TooLarge("(the source)".to_owned()))
    }
}

/// A JSON question to a service the operator chose. Headers and body may hold keys and tokens.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Headers besides `Host`, `Content-Length` and `User-Agent`; names in lower case.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body, whose type a header states.
    pub body: Secret,
}

/// What a service answered, whatever its status.
#[derive(Clone, Debug)]
pub struct Answered {
    /// HTTP status; a redirect is an answer and is not followed.
    pub status: u16,
    /// The body, within the limit the asker was made with.
    pub body: Secret,
}

/// Asks services by HTTP, with limits on address, redirects, size and time.
#[async_trait]
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Sends `post` and reads the answer whole.
    ///
    /// # Errors
    ///
    /// Every [`FetchError`] but [`FetchError::Status`]; nothing is retried.
    async fn post(&self, post: Post) -> Result<Answered, FetchError>;

    /// The same, with those of the answer's headers that `wanted` names in lower case, the first of
    /// each name. Whoever has no way to tell headers tells none.
    ///
    /// # Errors
    ///
    /// As [`Exchange::post`].
    async fn post_for(
        &self,
        post: Post,
        wanted: &'static [&'static str],
    ) -> Result<(Answered, Vec<(&'static str, Secret)>), FetchError> {
        let _ = wanted;
        Ok((self.post(post).await?, Vec::new()))
    }

    /// Reads `url` by HTTP GET with `headers`, which may hold keys and tokens. Whoever has no way to
    /// do that could not reach it.
    ///
    /// # Errors
    ///
    /// Every [`FetchError`] but [`FetchError::Status`]; nothing is retried.
    async fn get(
        &self,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Answered, FetchError> {
        let _ = (url, headers);
        Err(FetchError::Unreachable("(no way to read)".to_owned()))
    }
}
