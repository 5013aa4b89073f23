//! Who the person is, for a client that may know (OpenID Connect Core §5.3).

use bytes::Bytes;
use http::Response;

use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    pub(crate) async fn userinfo(&self, visit: &Visit<'_>) -> Response<Bytes> {
        self.problem(visit, &OAuthError::failed("pending"))
    }
}
