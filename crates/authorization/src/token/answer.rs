//! What a client gets (RFC 6749 §5.1).

use std::collections::BTreeSet;

use bytes::Bytes;
use haechi_core::Secret;
use haechi_core::json::quote;
use haechi_face::reply;
use haechi_identity::{AccessToken, Identity};
use http::header::{HeaderValue, PRAGMA};
use http::{Response, StatusCode};
use zeroize::Zeroizing;

use crate::protocol::answer::DPOP_NONCE;
use crate::protocol::scope::written;

/// Tokens for a client.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) access: AccessToken,
    /// Whether it is bound to a key, so that it must come as `DPoP` (RFC 9449 §5).
    pub(crate) bound_to_key: bool,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) refresh: Option<Secret>,
    pub(crate) id_token: Option<Secret>,
    /// `issued_token_type` (RFC 8693 §2.2.1).
    pub(crate) issued_token_type: Option<&'static str>,
}

impl TokenAnswer {
    /// The answer, which nobody may keep.
    pub(crate) fn response(&self, identity: &Identity) -> Response<Bytes> {
        let mut body = Zeroizing::new(String::with_capacity(2048));
        let kind = if self.bound_to_key { "DPoP" } else { "Bearer" };
        let expires_in = self.access.expires_in.as_secs();
        body.push_str(&format!(r#"{{"token_type":"{kind}","expires_in":{expires_in}"#));
        let tokens = [
            ("access_token", Some(&self.access.token)),
            ("refresh_token", self.refresh.as_ref()),
            ("id_token", self.id_token.as_ref()),
        ];
        for (name, token) in tokens {
            let text = token.and_then(Secret::expose_str);
            body.push_str(&text.map(|it| member(name, it)).unwrap_or_default());
        }
        if !self.scopes.is_empty() {
            body.push_str(&member("scope", &written(&self.scopes)));
        }
        body.push_str(
            &self.issued_token_type.map(|it| member("issued_token_type", it)).unwrap_or_default(),
        );
        body.push('}');
        let mut response = reply::json(StatusCode::OK, Bytes::copy_from_slice(body.as_bytes()));
        response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if self.bound_to_key && identity.demands_dpop_nonce() {
            let nonce = HeaderValue::from_str(&identity.dpop_nonce());
            response.headers_mut().extend(nonce.ok().map(|nonce| (DPOP_NONCE, nonce)));
        }
        response
    }
}

fn member(name: &str, value: &str) -> String {
    format!(r#","{name}":{}"#, quote(value))
}
