//! A client that acts for nobody (RFC 6749 §4.4).

use haechi_identity::Holder;

use super::{TokenAnswer, TokenOrder, TokenRequest};
use crate::error::ErrorCode;
use crate::protocol::scope::STANDARD;
use crate::{AuthorizationServer, OAuthError};

impl AuthorizationServer {
    /// Gives a client a token of its own: its roles are the operator's word. There is no refresh
    /// token (RFC 6749 §4.4.3) and no person, so no ID token.
    pub(crate) async fn client_token(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        if request.client.is_public() {
            let text = "a client without a way to prove itself cannot act by itself";
            let code = ErrorCode::UnauthorizedClient;
            return Err(OAuthError::new(code, "client-public", text));
        }
        let resources = self.asked_resources(request.form)?;
        let mut scopes =
            self.offered_scopes(request.client, request.form.one("scope"), &resources)?;
        scopes.retain(|scope| !STANDARD.contains(&scope.as_str()));
        let binding = self.binding(request).await?;
        let order = TokenOrder {
            holder: Holder::Client,
            scopes: &scopes,
            resources: &resources,
            grant_id: None,
            authenticated_at: None,
            methods: &[],
            binding: &binding,
            actor: None,
            lifetime: self.config.access_lifetime,
        };
        let access = self.issue(request, &order).await?;
        Ok(TokenAnswer {
            access,
            bound_to_key: binding.key.is_some(),
            scopes,
            refresh: None,
            id_token: None,
            issued_token_type: None,
        })
    }
}
