//! What other parts of this server will do; each piece goes when its part comes.

use crate::token::{TokenAnswer, TokenRequest};
use crate::{AuthorizationServer, OAuthError};

impl AuthorizationServer {
    /// One token for another (RFC 8693).
    pub(crate) async fn exchange(
        &self,
        _request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        Err(OAuthError::failed("pending"))
    }

    /// What another issuer asserts (RFC 7523).
    pub(crate) async fn assertion(
        &self,
        _request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        Err(OAuthError::failed("pending"))
    }
}
