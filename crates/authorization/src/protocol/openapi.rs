//! The description of all addresses that strangers reach (OpenAPI 3.1).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::error::ErrorCode;
use crate::{AuthorizationServer, OAuthError, Visit};

/// Written by hand; a test holds it against what is answered.
const DOCUMENT: &str = include_str!("openapi.json");

impl AuthorizationServer {
    /// The document, with this server's own address in it.
    pub(crate) fn openapi(&self, visit: &Visit<'_>) -> Response<Bytes> {
        let Ok(Value::Object(mut document)) = serde_json::from_str(DOCUMENT) else {
            let text = "the description of this server is broken";
            let error = OAuthError::new(ErrorCode::ServerError, "openapi", text);
            return self.problem(visit, &error);
        };
        document.insert("servers".to_owned(), json!([{ "url": self.config.issuer }]));
        super::answer::json(StatusCode::OK, &Value::Object(document))
    }
}
