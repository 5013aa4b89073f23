//! What a client must know to come in: protected-resource metadata and public keys.

use bytes::Bytes;
use haechi_core::json::quote;
use haechi_identity::{Audience, DPOP_ALGORITHMS, Identity};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use crate::credentials::Scheme;
use crate::{Challenge, reply};

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
    /// Whether clients may come with a certificate ([`ClientCertificate`]).
    ///
    /// [`ClientCertificate`]: crate::credentials::ClientCertificate
    pub certificates: bool,
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
        let (resource, constraints) = (quote(self.uri(host)), self.constraints());
        let body = format!(
            r#"{{"resource":{resource},"authorization_servers":[{issuers}],"bearer_methods_supported":["header"]{scopes}{constraints}}}"#
        );
        reply::json(StatusCode::OK, body)
    }

    /// What binds tokens to their senders here (RFC 9728 §2).
    fn constraints(&self) -> String {
        let sender = self.audience.sender;
        let mut members = String::new();
        if sender.admits_dpop() {
            let algorithms: Vec<String> = DPOP_ALGORITHMS.iter().map(|name| quote(name)).collect();
            let algorithms = algorithms.join(",");
            members += &format!(r#","dpop_signing_alg_values_supported":[{algorithms}]"#);
        }
        if !sender.admits_bearer() {
            members += r#","dpop_bound_access_tokens_required":true"#;
        }
        if self.certificates {
            members += r#","tls_client_certificate_bound_access_tokens":true"#;
        }
        members
    }

    /// The address `path` beside this resource, by each of its names: what a proof that comes with
    /// a request may be for (RFC 9449 §4.2).
    #[must_use]
    pub fn urls(&self, path: &str) -> Vec<String> {
        let of = |resource: &String| match resource.strip_suffix(self.path) {
            Some(base) => Some(format!("{base}{path}")),
            None => (path == self.path).then(|| resource.clone()),
        };
        self.audience.resources.iter().filter_map(of).collect()
    }

    /// What a client that called `host` with these headers must bring; `metadata` is
    /// [`Resource::metadata_address`].
    #[must_use]
    pub fn challenge<'c>(&'c self, metadata: &'c str, headers: &HeaderMap) -> Challenge<'c> {
        Challenge {
            resource_metadata: metadata,
            scopes: self.scopes,
            sender: self.audience.sender,
            scheme: Scheme::of_headers(headers),
        }
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
