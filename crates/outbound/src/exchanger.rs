//! Asking services whose addresses the operator chose: key services and issuers, with tokens in the
//! headers.

use async_trait::async_trait;
use bytes::Bytes;
use haechi_core::{Answered, Exchange, FetchError, Post, Secret};
use http::header::{CONTENT_ENCODING, USER_AGENT};
use http::request::Builder;
use http::{HeaderValue, Request};
use http_body_util::Full;

use crate::client::UpstreamClient;
use crate::fetcher::{Fetcher, why};

/// Headers of an answer that were asked for.
type Headers = Vec<(&'static str, Secret)>;

/// Asks by HTTP POST and GET within the limits of a [`Fetcher`]. No redirects, no cookies, no compression.
///
/// Headers are marked as sensitive. What stands in the buffers of HTTP and TLS is not wiped; what is
/// handed out is.
#[derive(Clone, Debug)]
pub struct Exchanger(Fetcher);

impl Exchanger {
    pub(crate) const fn new(within: Fetcher) -> Self {
        Self(within)
    }

    async fn ask(
        &self,
        client: &UpstreamClient,
        request: Request<Full<Bytes>>,
        host: &str,
        wanted: &'static [&'static str],
    ) -> Result<(Answered, Headers), FetchError> {
        let response = client.send(request).await.map_err(|error| why(&error, host))?;
        if response.headers().contains_key(CONTENT_ENCODING) {
            return Err(FetchError::Unreachable(host.to_owned()));
        }
        let status = response.status().as_u16();
        let told = |name: &&'static str| {
            let value = response.headers().get(*name)?;
            Some((*name, Secret::new(value.as_bytes().to_vec())))
        };
        let headers = wanted.iter().filter_map(told).collect();
        let body = self.0.body(response, host).await?;
        Ok((Answered { status, body: Secret::new(body.to_vec()) }, headers))
    }

    async fn exchange(
        &self,
        url: &str,
        wanted: &'static [&'static str],
        request: impl FnOnce(&str) -> Option<Request<Full<Bytes>>>,
    ) -> Result<(Answered, Headers), FetchError> {
        let (url, host, client) = self.0.way_to(url)?;
        let request = request(url.as_str()).ok_or_else(|| FetchError::Unreachable(host.clone()))?;
        tokio::time::timeout(self.0.timeout(), self.ask(client, request, &host, wanted))
            .await
            .unwrap_or_else(|_| Err(FetchError::TimedOut(host.clone())))
    }
}

#[async_trait]
impl Exchange for Exchanger {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        Ok(self.post_for(post, &[]).await?.0)
    }

    async fn post_for(
        &self,
        post: Post,
        wanted: &'static [&'static str],
    ) -> Result<(Answered, Headers), FetchError> {
        let body = || Full::new(Bytes::copy_from_slice(post.body.expose()));
        let request = |url: &str| with(Request::post(url), &post.headers, body());
        self.exchange(&post.url, wanted, request).await
    }

    async fn get(
        &self,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Answered, FetchError> {
        let request = |url: &str| with(Request::get(url), &headers, Full::default());
        Ok(self.exchange(url, &[], request).await?.0)
    }
}

/// `None` when a header cannot be sent as it is.
fn with(
    request: Builder,
    headers: &[(&'static str, Secret)],
    body: Full<Bytes>,
) -> Option<Request<Full<Bytes>>> {
    let agent = concat!("haechi/", env!("CARGO_PKG_VERSION"));
    let mut builder = request.header(USER_AGENT, agent);
    for (name, value) in headers {
        let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
        value.set_sensitive(true);
        builder = builder.header(*name, value);
    }
    builder.body(body).ok()
}
