//! What a server says about itself as a protected resource (RFC 9728).

use url::Url;

use crate::address::{is_same_resource, is_secure, origin, path};
use crate::document::{METADATA, Malformed, address, flag, list, object};
use crate::error::DiscoveryError;

/// A server that wants tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Its name, exactly as it states it: what `resource` says in every request (RFC 8707).
    pub resource: String,
    /// Who issues its tokens; never empty.
    pub authorization_servers: Vec<String>,
    /// The scopes it names for a beginning.
    pub scopes: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (RFC 9449).
    pub dpop_required: bool,
}

/// Where metadata of the server at `url` may be: for its path, then for the whole host.
pub(crate) fn places(url: &Url) -> Vec<String> {
    let (origin, path) = (origin(url), path(url));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let well_known = format!("{origin}/.well-known/oauth-protected-resource");
    let mut places = vec![format!("{well_known}{path}{query}")];
    if !path.is_empty() || !query.is_empty() {
        places.push(well_known);
    }
    places
}

/// Reads the metadata of the server at `url`. What it says must be about that server, or about its
/// whole host: a document of somebody else must not say who gets tokens for it (RFC 9728 §3.3).
pub(crate) fn read(
    bytes: &[u8],
    url: &Url,
    local: bool,
) -> Result<ProtectedResource, DiscoveryError> {
    let stated = stated(bytes).map_err(|Malformed| DiscoveryError::Malformed)?;
    let own = is_same_resource(&stated.resource, url.as_str());
    if !own && !is_same_resource(&stated.resource, &origin(url)) {
        return Err(DiscoveryError::OtherResource);
    }
    if stated.authorization_servers.is_empty() {
        return Err(DiscoveryError::Malformed);
    }
    if !stated.authorization_servers.iter().all(|issuer| is_secure(issuer, local)) {
        return Err(DiscoveryError::Insecure);
    }
    Ok(stated)
}

fn stated(bytes: &[u8]) -> Result<ProtectedResource, Malformed> {
    let document = object(bytes, &METADATA)?;
    Ok(ProtectedResource {
        resource: address(document, "resource")?.ok_or(Malformed)?,
        authorization_servers: list(document, "authorization_servers")?.unwrap_or_default(),
        scopes: list(document, "scopes_supported")?,
        dpop_required: flag(document, "dpop_bound_access_tokens_required")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_before_the_host() {
        let places = |url: &str| places(&Url::parse(url).unwrap());
        let root = "https://a.example/.well-known/oauth-protected-resource";
        assert_eq!(places("https://a.example/mcp/"), [format!("{root}/mcp"), root.to_owned()]);
        assert_eq!(places("https://a.example/"), [root]);
    }
}
