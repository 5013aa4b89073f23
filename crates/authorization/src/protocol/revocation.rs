//! Revocation (RFC 7009) and introspection (RFC 7662) of own tokens.

use bytes::Bytes;
use http::Response;

use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    pub(crate) async fn revoke(&self, visit: &Visit<'_>) -> Response<Bytes> {
        self.problem(visit, &OAuthError::failed("pending"))
    }

    pub(crate) async fn introspect(&self, visit: &Visit<'_>) -> Response<Bytes> {
        self.problem(visit, &OAuthError::failed("pending"))
    }
}
