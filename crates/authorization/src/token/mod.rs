//! `/oauth/token`: what a client gets tokens for.

use bytes::Bytes;
use http::Response;

use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    pub(crate) async fn token(&self, visit: &Visit<'_>) -> Response<Bytes> {
        self.problem(visit, &OAuthError::failed("pending"))
    }
}
