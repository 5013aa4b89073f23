//! What a client must know to come in: protected-resource metadata and public keys.

use bytes::Bytes;
use haechi_core::json::quote;
use haechi_identity::{Audience, Identity};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

use crate::reply;

/// Where protected-resource metadata is, followed by the path of the resource (RFC 9728 §3.1).
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";
/// Where [`keys`] are.
pub const KEYS_PATH: &str = "/.well-known/jwks.json";

/// How long others may keep the public keys: as long as a rotation overlaps at the very least.
const KEYS_MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// One address of the protocol as clients see it (RFC 9728).
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// For whom tokens must be: the address by each of its names, the one to show first.
    pub audience: &'a Audience,
    /// What these names end in, such as `/mcp`.
    pub path: &'a str,
    /// The scopes a newcomer should ask for; may be empty.
    pub scopes: &'a [String],
}

impl<'a> Resource<'a> {
    /// The canonical URI (RFC 8707 §2), as a client that called `host` knows it; `""` when the
    /// audience is empty.
    #[must_use]
    pub fn uri(&self, host: &str) -> &'a str {
        let of_host = self.audience.resources.iter().find(|resource| {
            let rest = resource.split_once("://").map(|(_, rest)| rest);
            let authority = rest.and_then(|rest| rest.split('/').next());
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        });
        of_host.or(self.audience.resources.first()).map_or("", String::as_str)
    }

    /// Where its metadata is (RFC 9728 §3.1), for a client that called `host`: what
    /// [`Challenge`](crate::Challenge) points to.
    #[must_use]
    pub fn metadata_address(&self, host: &str) -> String {
        format!("{}{METADATA_PATH}{}", self.base(host), self.path)
    }

    /// The answer at [`Resource::metadata_address`]. Without `authorization_servers` this server is
    /// its own.
    #[must_use]
    pub fn metadata(&self, host: &str, authorization_servers: &[String]) -> Response<Bytes> {
        let mut issuers = list(authorization_servers);
        if issuers.is_empty() {
            issuers = quote(self.base(host));
        }
        let scopes = match list(self.scopes) {
            none if none.is_empty() => String::new(),
            some => format!(r#","scopes_supported":[{some}]"#),
        };
        let resource = quote(self.uri(host));
        let body = format!(
            r#"{{"resource":{resource},"authorization_servers":[{issuers}],"bearer_methods_supported":["header"]{scopes}}}"#
        );
        reply::json(StatusCode::OK, body)
    }

    fn base(&self, host: &str) -> &'a str {
        let uri = self.uri(host);
        uri.strip_suffix(self.path).unwrap_or(uri)
    }
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    quoted.join(",")
}

/// The keys that own tokens and assertions verify with (RFC 7517 §5).
#[must_use]
pub fn keys(identity: &Identity) -> Response<Bytes> {
    let response = reply::json(StatusCode::OK, identity.jwks().to_string());
    reply::with(response, CACHE_CONTROL, Some(KEYS_MAX_AGE))
}
