//! What an issuer says about itself: the address where its tokens are asked about (RFC 8414,
//! OpenID Connect Discovery 1.0).

use haechi_core::json::{self, Kind, Limits};
use haechi_core::{Clock, Fetch, Timestamp, server_metadata_addresses};
use tokio::sync::Mutex;
use url::Url;

use crate::{AskError, KeyRefresh};

/// Metadata is larger than a token and never large.
const LIMITS: Limits = Limits { max_bytes: 64 << 10, max_depth: 16, max_members: 2048 };

/// The address of one endpoint, read from the issuer's metadata when it is needed.
#[derive(Debug)]
pub(crate) struct Discovery {
    issuer: String,
    /// The metadata's name for the endpoint.
    member: &'static str,
    refresh: KeyRefresh,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tried_at: Option<Timestamp>,
    found: Option<(String, Timestamp)>,
}

impl Discovery {
    pub(crate) fn new(issuer: &str, member: &'static str, refresh: KeyRefresh) -> Self {
        Self { issuer: issuer.to_owned(), member, refresh, state: Mutex::default() }
    }

    /// The endpoint: as read a while ago, read again when that is due, and believed for a time while
    /// reading fails.
    pub(crate) async fn endpoint(
        &self,
        clock: &dyn Clock,
        fetch: &dyn Fetch,
    ) -> Result<String, AskError> {
        let mut state = self.state.lock().await;
        let now = clock.now();
        let within = |at: Timestamp, time| now >= at && now < at.after(time);
        let younger = |state: &State, than| {
            state.found.as_ref().filter(|(_, at)| within(*at, than)).map(|(url, _)| url.clone())
        };
        if let Some(url) = younger(&state, self.refresh.every) {
            return Ok(url);
        }
        let tried = state.tried_at.is_some_and(|at| within(at, self.refresh.minimum_interval));
        if !tried {
            state.tried_at = Some(now);
            match self.read(fetch).await {
                Ok(url) => state.found = Some((url, now)),
                Err(error) => {
                    tracing::warn!(issuer = self.issuer, %error, "an issuer's metadata cannot be used");
                }
            }
        }
        younger(&state, self.refresh.stale_limit).ok_or(AskError::NoMetadata)
    }

    async fn read(&self, fetch: &dyn Fetch) -> Result<String, AskError> {
        let mut why = AskError::NoMetadata;
        for place in places(&self.issuer) {
            match fetch.fetch(&place).await {
                Ok(fetched) if fetched.content_type == "application/json" => {
                    if let Some(url) = self.stated(&fetched.body)? {
                        return Ok(url);
                    }
                }
                Ok(_) => why = AskError::Malformed,
                Err(error) => why = error.into(),
            }
        }
        Err(why)
    }

    /// What one document says; `None` when it does not name the endpoint. A document of another
    /// issuer ends the search: whoever serves it must not say where tokens are sent to.
    fn stated(&self, body: &[u8]) -> Result<Option<String>, AskError> {
        let document = json::check(body, &LIMITS).map_err(|_| AskError::Malformed)?;
        let text = |name: &str| document.member(name).and_then(|value| value.string());
        let same =
            document.kind() == Kind::Object && text("issuer").is_some_and(|it| it == self.issuer);
        crate::jose::ensure(same, AskError::OtherIssuer)?; // check: metadata's issuer is identical
        let Some(endpoint) = text(self.member) else { return Ok(None) };
        let secure = is_secure(&endpoint, is_loopback(&self.issuer));
        crate::jose::ensure(secure, AskError::Insecure)?; // check: the endpoint is reached over TLS
        Ok(Some(endpoint.into_owned()))
    }
}

/// Where metadata may be; nowhere for an issuer that is no address.
fn places(issuer: &str) -> Vec<String> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    server_metadata_addresses(&url.origin().ascii_serialization(), url.path())
}

fn is_loopback(issuer: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// An issuer on this machine may name an endpoint on this machine without TLS.
fn is_secure(endpoint: &str, local: bool) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    bare && (url.scheme() == "https" || (url.scheme() == "http" && local && is_loopback(endpoint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_tls_is_taken_from_this_machine_only() {
        for (endpoint, local, fits) in [
            ("https://a.example/i", false, true),
            ("http://a.example/i", false, false),
            ("http://a.example/i", true, false),
            ("http://127.0.0.1:9/i", true, true),
            ("http://127.0.0.1:9/i", false, false),
            ("https://u:p@a.example/i", false, false),
            ("https://a.example/i#f", false, false),
            ("file:///etc/passwd", true, false),
            ("nothing", true, false),
        ] {
            assert_eq!(is_secure(endpoint, local), fits, "{endpoint}");
        }
    }
}
