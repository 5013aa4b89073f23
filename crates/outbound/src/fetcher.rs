//! Reading small documents whose addresses strangers may have chosen.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_core::{Fetch, FetchError, Fetched};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use url::{Host, Url};

use crate::client::{OutboundError, UpstreamClient, pooled};
use crate::connect::{CheckingResolver, Connector, is_refused};
use crate::{OutboundConfig, Reach};

/// How much one [`Fetcher`] may read, and from where.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Which addresses are allowed.
    pub reach: Reach,
    /// Largest body in bytes.
    pub max_bytes: usize,
    /// How long resolving, connecting, asking and reading may take together.
    pub timeout: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { reach: Reach::Public, max_bytes: 256 << 10, timeout: Duration::from_secs(10) }
    }
}

/// Reads documents by HTTP GET. No redirects, no cookies, no credentials, no compression.
///
/// The address that was checked is the one that is connected to, and no connection is kept, so that
/// every fetch is checked anew.
#[derive(Clone, Debug)]
pub struct Fetcher {
    secure: UpstreamClient,
    plain: UpstreamClient,
    limits: FetchLimits,
}

impl Fetcher {
    pub(crate) fn new(
        config: &OutboundConfig,
        tls: &Arc<rustls::ClientConfig>,
        limits: FetchLimits,
    ) -> Self {
        let client = |resolver| {
            let connector = Connector::new(config, tls, resolver, false);
            UpstreamClient::from_pool(pooled(config, connector, 0))
        };
        let reach = limits.reach;
        Self {
            secure: client(CheckingResolver::new(move |address| reach.allows(address))),
            plain: client(CheckingResolver::new(move |address| reach.allows_plain(address))),
            limits,
        }
    }

    /// The address in `url`, its host, and the client for it, when it may be gone to at all.
    pub(crate) fn way_to(&self, url: &str) -> Result<(Url, String, &UpstreamClient), FetchError> {
        let parsed = Url::parse(url).ok().filter(|url| {
            url.username().is_empty() && url.password().is_none() && url.host().is_some()
        });
        // An address that is not even a URL, or holds credentials, is not repeated.
        let Some(mut parsed) = parsed else {
            return Err(FetchError::AddressNotAllowed("(malformed)".to_owned()));
        };
        parsed.set_fragment(None);
        let host = parsed.host_str().unwrap_or_default().to_owned();
        match self.client_for(&parsed) {
            Some(client) => Ok((parsed, host, client)),
            None => Err(FetchError::AddressNotAllowed(host)),
        }
    }

    /// How long all of it may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// The client for `url`, when its address may be gone to at all.
    fn client_for(&self, url: &Url) -> Option<&UpstreamClient> {
        let literal = match url.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        let reach = self.limits.reach;
        match url.scheme() {
            "https" => literal.is_none_or(|a| reach.allows(a)).then_some(&self.secure),
            "http" if reach == Reach::Public => None,
            "http" => literal.is_none_or(|a| reach.allows_plain(a)).then_some(&self.plain),
            _ => None,
        }
    }

    async fn read(
        &self,
        client: &UpstreamClient,
        url: &Url,
        host: &str,
        max_bytes: usize,
    ) -> Result<Fetched, FetchError> {
        let unreachable = || FetchError::Unreachable(host.to_owned());
        let request = Request::get(url.as_str())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("haechi/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::new()))
            .map_err(|_| unreachable())?;
        let response = client.send(request).await.map_err(|error| why(&error, host))?;
        if response.status() != http::StatusCode::OK {
            let status = response.status().as_u16();
            return Err(FetchError::Status { host: host.to_owned(), status });
        }
        if response.headers().contains_key(CONTENT_ENCODING) {
            return Err(unreachable());
        }
        let content_type = content_type(response.headers());
        let max_age_secs = max_age(response.headers());
        let body = body(response, host, max_bytes).await?;
        Ok(Fetched { status: 200, content_type, body, max_age_secs })
    }

    pub(crate) async fn body(
        &self,
        response: Response<Incoming>,
        host: &str,
    ) -> Result<Bytes, FetchError> {
        body(response, host, self.limits.max_bytes).await
    }
}

#[async_trait]
impl Fetch for Fetcher {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.fetch_within(url, self.limits.max_bytes).await
    }

    /// Stops reading at the limit.
    async fn fetch_within(&self, url: &str, max_bytes: usize) -> Result<Fetched, FetchError> {
        let (parsed, host, client) = self.way_to(url)?;
        let max_bytes = max_bytes.min(self.limits.max_bytes);
        tokio::time::timeout(self.limits.timeout, self.read(client, &parsed, &host, max_bytes))
            .await
            .unwrap_or_else(|_| Err(FetchError::TimedOut(host.clone())))
    }
}

async fn body(
    response: Response<Incoming>,
    host: &str,
    max_bytes: usize,
) -> Result<Bytes, FetchError> {
    let limited = Limited::new(response.into_body(), max_bytes);
    let collected = limited.collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return FetchError::TooLarge(host.to_owned());
        }
        FetchError::Unreachable(host.to_owned())
    })?;
    Ok(collected.to_bytes())
}

pub(crate) fn why(error: &OutboundError, host: &str) -> FetchError {
    let host = host.to_owned();
    match error {
        OutboundError::ConnectTimedOut => FetchError::TimedOut(host),
        OutboundError::Connect(_) if is_refused(error) => FetchError::AddressNotAllowed(host),
        OutboundError::Connect(_) | OutboundError::Broken(_) => FetchError::Unreachable(host),
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// `max-age` (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(','));
    directives.find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| seconds.trim().parse().ok())?
    })
}
