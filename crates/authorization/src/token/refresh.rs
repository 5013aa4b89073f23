//! Refresh tokens (RFC 6749 §6): each is good once, and one that comes twice ends its family
//! (RFC 9700 §4.14).

use haechi_core::{Rotation, Secret, StoredGrant, StoredRefreshToken, TokenActKind};
use haechi_identity::{Confirmation, Holder, sha256};
use serde::{Deserialize, Serialize};

use super::{TokenAnswer, TokenOrder, TokenRequest};
use crate::clients::{Client, GrantType};
use crate::protocol::{resource, scope};
use crate::record::{Act, Subject};
use crate::{AuthorizationServer, OAuthError};

/// What leads the text of a refresh token, so that people and scanners know one.
pub(crate) const PREFIX: &str = "hr_";
/// The longest refresh token that is looked up, in bytes.
const MAX_BYTES: usize = 128;

/// What else the tokens of a grant need.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Details {
    /// `amr`.
    pub(crate) methods: Vec<String>,
    /// The key that a public client must go on proving.
    pub(crate) key: Option<String>,
}

impl Details {
    pub(crate) fn written(&self) -> Result<String, OAuthError> {
        serde_json::to_string(self).map_err(|_| OAuthError::failed("grant-details"))
    }

    fn of(grant: &StoredGrant) -> Result<Self, OAuthError> {
        serde_json::from_str(&grant.details).map_err(|_| OAuthError::failed("grant-details"))
    }
}

/// The digest a refresh token is kept by; `None` for what cannot be one.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let fits = text.len() <= MAX_BYTES && text.starts_with(PREFIX);
    fits.then(|| sha256(text.as_bytes()))
}

fn unknown() -> OAuthError {
    let text = "the refresh token is unknown, or what it followed from has ended; sign in again";
    OAuthError::grant("refresh-unknown", text)
}

impl AuthorizationServer {
    /// Gives new tokens for a refresh token.
    pub(crate) async fn refresh(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        let presented = request.form.required("refresh_token")?;
        let old = digest(presented).ok_or_else(unknown)?;
        let known = self.stores.grants.refresh_token(&old).await?;
        let (_, grant) = known.ok_or_else(unknown)?;
        if grant.client_id != request.client.id() {
            let text = "the refresh token was issued to another client";
            return Err(OAuthError::grant("refresh-client", text));
        }
        if !self.refreshes.admits(&grant.grant_id, self.now()) {
            let text = "this grant is refreshed too often; use the tokens until they end";
            return Err(OAuthError::slow_down("refresh-often", text, 60));
        }
        let scopes = scope::narrow(&grant.scopes, request.form.one("scope"))?;
        let resources = resource::narrow(&grant.resources, request.form)?;
        self.ask_provider(&grant, request.grant.as_str()).await?;
        let user = self.standing_user(&grant.user_id).await?;
        if grant.authenticated_at < user.not_before {
            let text = "everything this person had granted was ended; sign in again";
            return Err(OAuthError::grant("user-tokens-ended", text));
        }
        let binding = self.binding(request).await?;
        let details = Details::of(&grant)?;
        check_key(&details, &binding)?;
        let refresh = self.rotate(request, &old, &grant).await?;
        let order = TokenOrder {
            holder: Holder::User(&user),
            scopes: &scopes,
            resources: &resources,
            grant_id: Some(&grant.grant_id),
            authenticated_at: Some(grant.authenticated_at),
            methods: &details.methods,
            binding: &binding,
            actor: None,
            lifetime: grant.expires_at.since(self.now()),
        };
        let access = self.issue(request, &order).await?;
        let id_token = self.id_token(request.client, (&user, &order), None, &access).await?;
        Ok(TokenAnswer {
            access,
            bound_to_key: binding.key.is_some(),
            scopes: scopes.clone(),
            refresh: Some(refresh),
            id_token,
            issued_token_type: None,
        })
    }

    async fn rotate(
        &self,
        request: &TokenRequest<'_>,
        old: &[u8; 32],
        grant: &StoredGrant,
    ) -> Result<Secret, OAuthError> {
        let (text, new) = self.made_refresh_token(grant)?;
        let grace = self.config.refresh_grace;
        match self.stores.grants.rotate(old, new, self.now(), grace).await? {
            Rotation::Rotated(_) | Rotation::Repeated(_) => Ok(text),
            Rotation::Refused => Err(unknown()),
            Rotation::Reused(grant) => {
                let act = Act {
                    kind: TokenActKind::Revoked,
                    subject: Subject::User(&grant.user_id),
                    client_id: &grant.client_id,
                    grant_type: request.grant.as_str(),
                    scopes: &grant.scopes,
                    resources: &grant.resources,
                    reason: Some("refresh-reused"),
                };
                self.record(&act).await?;
                let text =
                    "the refresh token was used before; all tokens of this grant were revoked";
                Err(OAuthError::grant("refresh-reused", text))
            }
        }
    }

    /// The first refresh token of a grant, for a client that may have one.
    pub(crate) fn new_refresh_token(
        &self,
        client: &Client,
        grant: &StoredGrant,
    ) -> Result<Option<(Secret, StoredRefreshToken)>, OAuthError> {
        let may = client.may(GrantType::RefreshToken);
        may.then(|| self.made_refresh_token(grant)).transpose()
    }

    fn made_refresh_token(
        &self,
        grant: &StoredGrant,
    ) -> Result<(Secret, StoredRefreshToken), OAuthError> {
        let text = format!("{PREFIX}{}", self.random_text()?);
        let now = self.now();
        let stored = StoredRefreshToken {
            sha256: sha256(text.as_bytes()),
            grant_id: grant.grant_id.clone(),
            issued_at: now,
            expires_at: now.after(self.config.refresh_idle).min(grant.expires_at),
            replaced_at: None,
        };
        Ok((text.into(), stored))
    }
}

/// A public client goes on with the key it began with (RFC 9449 §5).
fn check_key(details: &Details, binding: &Confirmation) -> Result<(), OAuthError> {
    let shown = binding.key.map(|key| key.to_string());
    let same = details.key.is_none() || details.key == shown;
    let text = "the refresh token is bound to a key; send a DPoP proof of it";
    if same { Ok(()) } else { Err(OAuthError::grant("refresh-key", text)) }
}
