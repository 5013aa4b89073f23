//! Finding out who issues tokens for a server.

use haechi_core::{Fetch, FetchError, server_metadata_addresses};
use url::Url;

use crate::address::{is_local, is_loopback, is_secure, origin};
use crate::challenge::{Challenge, Scheme};
use crate::error::DiscoveryError;
use crate::resource::{self, ProtectedResource};
use crate::server::ServerMetadata;

/// Who issues tokens for a server, and what for.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// What the server says about itself; made up of its address where it says nothing (2025-03-26).
    pub resource: ProtectedResource,
    /// Its authorization server.
    pub server: ServerMetadata,
    /// Whether the server wants tokens that are bound to a key (RFC 9449).
    pub wants_bound_tokens: bool,
}

/// Finds out who issues tokens for the server at `url`: from the metadata its challenge names, or at
/// the well-known places; of several issuers `wanted`, or the first.
pub(crate) async fn discover(
    fetch: &dyn Fetch,
    url: &str,
    challenge: Option<&Challenge>,
    wanted: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    let parsed = Url::parse(url).map_err(|_| DiscoveryError::Malformed)?;
    let named = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let Some(resource) = find_resource(fetch, &parsed, named).await? else {
        return fallback(fetch, &parsed, wanted).await;
    };
    let issuers = &resource.authorization_servers;
    let issuer = match wanted {
        Some(wanted) => issuers.iter().find(|issuer| *issuer == wanted),
        None => issuers.first(),
    };
    let server = find_server(fetch, issuer.ok_or(DiscoveryError::NotNamed)?).await?;
    let asked = challenge.is_some_and(|challenge| challenge.scheme == Scheme::Dpop);
    Ok(Discovered { server, wants_bound_tokens: asked || resource.dpop_required, resource })
}

async fn find_resource(
    fetch: &dyn Fetch,
    url: &Url,
    named: Option<&str>,
) -> Result<Option<ProtectedResource>, DiscoveryError> {
    let local = is_loopback(url);
    if let Some(named) = named {
        if !is_secure(named, local) {
            return Err(DiscoveryError::Insecure);
        }
        let read = fetch.fetch(named).await?;
        return resource::read(&read.body, url, local).map(Some);
    }
    for place in resource::places(url) {
        if let Some(body) = read(fetch, &place).await? {
            return resource::read(&body, url, local).map(Some);
        }
    }
    Ok(None)
}

/// The metadata of `issuer`.
pub(crate) async fn find_server(
    fetch: &dyn Fetch,
    issuer: &str,
) -> Result<ServerMetadata, DiscoveryError> {
    let parsed = Url::parse(issuer).map_err(|_| DiscoveryError::Malformed)?;
    if !is_secure(issuer, is_local(issuer)) {
        return Err(DiscoveryError::Insecure);
    }
    for place in server_metadata_addresses(&origin(&parsed), parsed.path()) {
        if let Some(body) = read(fetch, &place).await? {
            return ServerMetadata::read(&body, issuer);
        }
    }
    Err(DiscoveryError::NoMetadata)
}

/// A server of revision 2025-03-26 is its own authorization server; without metadata its endpoints
/// have fixed names.
async fn fallback(
    fetch: &dyn Fetch,
    url: &Url,
    wanted: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    let own = origin(url);
    let server = match find_server(fetch, wanted.unwrap_or(&own)).await {
        Err(DiscoveryError::NoMetadata) if wanted.is_none() => ServerMetadata::assumed(url),
        found => found?,
    };
    let resource = ProtectedResource {
        resource: url.as_str().trim_end_matches('/').to_owned(),
        authorization_servers: vec![server.issuer.clone()],
        scopes: None,
        dpop_required: false,
    };
    Ok(Discovered { server, resource, wants_bound_tokens: false })
}

/// A document, when one is there: another status, or another type, is a place without one.
async fn read(fetch: &dyn Fetch, place: &str) -> Result<Option<bytes::Bytes>, DiscoveryError> {
    match fetch.fetch(place).await {
        Ok(fetched) if is_json(&fetched.content_type) => Ok(Some(fetched.body)),
        Ok(_) | Err(FetchError::Status { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type == "application/json" || content_type.ends_with("+json")
}
