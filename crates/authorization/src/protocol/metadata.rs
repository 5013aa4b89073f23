//! What this server says of itself (RFC 8414 §2, OpenID Connect Discovery §3).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::scope::STANDARD;
use crate::{AuthorizationServer, Dynamic, Visit};

impl AuthorizationServer {
    /// The document, at every address where clients look for it.
    pub(crate) fn metadata(&self, _visit: &Visit<'_>) -> Response<Bytes> {
        let issuer = &self.config.issuer;
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": self.endpoint("authorize"),
            "token_endpoint": self.endpoint("token"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": STANDARD,
        });
        if let (Some(document), Dynamic::Open) =
            (document.as_object_mut(), self.config.dynamic_registration)
        {
            document.insert("registration_endpoint".to_owned(), json!(self.endpoint("register")));
        }
        super::answer::json(StatusCode::OK, &document)
    }
}
