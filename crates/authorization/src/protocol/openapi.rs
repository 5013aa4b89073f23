//! The description of all addresses that strangers reach (OpenAPI 3.1).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use crate::{AuthorizationServer, Visit};

impl AuthorizationServer {
    pub(crate) fn openapi(&self, _visit: &Visit<'_>) -> Response<Bytes> {
        super::answer::json(StatusCode::OK, &json!({}))
    }
}
