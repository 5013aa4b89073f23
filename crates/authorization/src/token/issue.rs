//! From a grant to tokens: bound to a key where the client has one, recorded before they leave.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_core::{Secret, StoredUser, Thumbprint, Timestamp, TokenActKind};
use haechi_identity::{
    AccessToken, AccessTokenOrder, Confirmation, DpopError, DpopRequest, Holder, IdTokenOrder,
    IssueError,
};
use serde_json::Value;

use super::TokenRequest;
use crate::clients::Client;
use crate::error::ErrorCode;
use crate::protocol::scope::OPENID;
use crate::record::{Act, Subject};
use crate::{AuthorizationServer, OAuthError};

/// What tokens are ordered for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenOrder<'a> {
    pub(crate) holder: Holder<'a>,
    pub(crate) scopes: &'a BTreeSet<String>,
    pub(crate) resources: &'a [String],
    pub(crate) grant_id: Option<&'a str>,
    pub(crate) authenticated_at: Option<Timestamp>,
    pub(crate) methods: &'a [String],
    pub(crate) binding: &'a Confirmation,
    pub(crate) actor: Option<&'a Value>,
    /// At most; the settings say less.
    pub(crate) lifetime: Duration,
}

impl AuthorizationServer {
    /// What the tokens of this request are bound to: the key of its proof (RFC 9449 §5), the
    /// certificate of its connection (RFC 8705 §3). The proof is used up: ask last.
    pub(crate) async fn binding(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<Confirmation, OAuthError> {
        let mut proofs = request.visit.head.headers.get_all("dpop").iter();
        let key = match (proofs.next(), proofs.next()) {
            (None, _) if request.client.dpop_bound() => {
                let text = "this client is registered for DPoP; send a proof in the header DPoP";
                return Err(invalid_proof("dpop-missing", text));
            }
            (None, _) => None,
            (Some(proof), None) => {
                let text = "the header DPoP is not a proof";
                let proof = proof.to_str().map_err(|_| invalid_proof("dpop-malformed", text))?;
                let urls = [self.endpoint("token")];
                let request = DpopRequest { proof, method: "POST", urls: &urls };
                Some(self.rooms.identity.check_dpop(&request).await.map_err(proof_error)?)
            }
            _ => {
                return Err(invalid_proof("dpop-repeated", "send the header DPoP once"));
            }
        };
        let certificate = request.visit.certificate.map(Thumbprint);
        Ok(Confirmation { key, certificate })
    }

    /// Issues an access token, and records that.
    pub(crate) async fn issue(
        &self,
        request: &TokenRequest<'_>,
        order: &TokenOrder<'_>,
    ) -> Result<AccessToken, OAuthError> {
        let confirmation = order.binding.claim();
        let wanted = AccessTokenOrder {
            holder: order.holder,
            client_id: request.client.id(),
            audiences: order.resources,
            scopes: order.scopes,
            grant_id: order.grant_id,
            authenticated_at: order.authenticated_at,
            methods: order.methods,
            confirmation: confirmation.as_ref(),
            actor: order.actor,
            lifetime: order.lifetime.min(self.config.access_lifetime),
        };
        let issued = self.rooms.identity.issue_access_token(&wanted).await;
        let issued = issued.map_err(|error| not_issued(&error))?;
        let subject = match order.holder {
            Holder::User(user) => Subject::User(&user.user_id),
            Holder::Client => Subject::Client,
        };
        let act = Act {
            kind: TokenActKind::Issued,
            subject,
            client_id: request.client.id(),
            grant_type: request.grant.as_str(),
            scopes: order.scopes,
            resources: order.resources,
            reason: None,
        };
        self.record(&act).await?;
        Ok(issued)
    }

    /// Issues the ID token beside `access`, where the client asked for one.
    pub(crate) async fn id_token(
        &self,
        client: &Client,
        (user, order): (&StoredUser, &TokenOrder<'_>),
        nonce: Option<&str>,
        access: &AccessToken,
    ) -> Result<Option<Secret>, OAuthError> {
        let identity = &self.rooms.identity;
        if !order.scopes.contains(OPENID) || identity.id_token_algorithm().is_none() {
            return Ok(None);
        }
        let wanted = IdTokenOrder {
            user,
            client_id: client.id(),
            scopes: order.scopes,
            authenticated_at: order.authenticated_at.unwrap_or_default(),
            methods: order.methods,
            nonce,
            access_token: &access.token,
            lifetime: access.expires_in,
        };
        identity.issue_id_token(&wanted).await.map(Some).map_err(|error| not_issued(&error))
    }
}

fn invalid_proof(word: &'static str, text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidDpopProof, word, text)
}

fn proof_error(error: DpopError) -> OAuthError {
    match error {
        DpopError::NonceNeeded(nonce) => OAuthError::new(
            ErrorCode::UseDpopNonce,
            "dpop-nonce",
            "the DPoP proof needs the nonce of the header DPoP-Nonce",
        )
        .with_nonce(nonce),
        DpopError::Unavailable(error) => error.into(),
        other => OAuthError::new(ErrorCode::InvalidDpopProof, other.word(), other.to_string()),
    }
}

fn not_issued(error: &IssueError) -> OAuthError {
    tracing::error!(%error, "no token was issued");
    match error {
        IssueError::Unavailable(_) => OAuthError::unavailable("store-unavailable"),
        _ => OAuthError::failed("token-not-issued"),
    }
}
