//! What a company's provider asserts of a person, for a token (RFC 7523 §2.1 with an identity
//! assertion, "ID-JAG": MCP's enterprise-managed authorization).

use std::collections::BTreeSet;

use haechi_core::{StoredGrant, StoredUser};
use haechi_identity::jose::TokenError;
use haechi_identity::{Holder, IdentityAssertion};

use super::refresh::Details;
use super::{TokenAnswer, TokenOrder, TokenRequest};
use crate::clients::{AssertionUse, ClientError};
use crate::error::ErrorCode;
use crate::protocol::{resource, scope};
use crate::{AuthorizationServer, OAuthError};

impl AuthorizationServer {
    /// Gives a token for an identity assertion. There is no refresh token: whoever asserted it
    /// decides again when the token ends.
    pub(crate) async fn assertion(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        if request.client.is_public() {
            let text = "a client without a way to prove itself cannot use assertions";
            let code = ErrorCode::UnauthorizedClient;
            return Err(OAuthError::new(code, "client-public", text));
        }
        let asserted = self.asserted(request).await?;
        let resources = self.asserted_resources(request, &asserted)?;
        let scopes = asserted_scopes(request, &asserted)?;
        let scopes = self.offered_scopes(request.client, scopes.as_deref(), &resources)?;
        let IdentityAssertion { issuer, subject, claims, .. } = &asserted;
        let user = self.person_of(issuer, subject, claims).await?;
        let binding = self.binding(request).await?;
        self.spend(&asserted).await?;
        let methods = vec!["fed".to_owned()];
        let grant = self.asserted_grant(request, &asserted, (&user, &scopes, &resources))?;
        self.stores.grants.add(grant.clone(), None).await?;
        let order = TokenOrder {
            holder: Holder::User(&user),
            scopes: &scopes,
            resources: &resources,
            grant_id: Some(&grant.grant_id),
            authenticated_at: asserted.authenticated_at,
            methods: &methods,
            binding: &binding,
            actor: None,
            lifetime: self.config.access_lifetime,
        };
        let access = self.issue(request, &order).await?;
        Ok(TokenAnswer {
            access,
            bound_to_key: binding.key.is_some(),
            scopes: scopes.clone(),
            refresh: None,
            id_token: None,
            issued_token_type: None,
        })
    }

    /// The assertion, verified, for the client that presents it.
    async fn asserted(&self, request: &TokenRequest<'_>) -> Result<IdentityAssertion, OAuthError> {
        let text = request.form.required("assertion")?;
        let (audience, issuers) = (&self.config.issuer, &self.config.assertion_issuers);
        let verified = self.rooms.identity.verify_identity_assertion(text, audience, issuers);
        let asserted = verified.await.map_err(refused)?;
        if asserted.client_id == request.client.id() {
            return Ok(asserted);
        }
        let text = "the assertion was made for another client";
        Err(OAuthError::grant("assertion-client", text))
    }

    /// What the assertion is for: addresses of ours, of which the request may name some.
    fn asserted_resources(
        &self,
        request: &TokenRequest<'_>,
        asserted: &IdentityAssertion,
    ) -> Result<Vec<String>, OAuthError> {
        let offered = self.resources();
        let known = |uri: &String| offered.iter().any(|it| it.uris.contains(uri));
        if !asserted.resources.iter().all(known) {
            let text = "the assertion is for a resource that is no address of this server";
            let code = ErrorCode::InvalidTarget;
            return Err(OAuthError::new(code, "assertion-resource", text));
        }
        resource::narrow(&asserted.resources, request.form)
    }

    /// Makes it worthless from here on.
    async fn spend(&self, asserted: &IdentityAssertion) -> Result<(), OAuthError> {
        let IdentityAssertion { issuer, token_id, ends_at, .. } = asserted;
        let spent = self.spend_assertion(AssertionUse::Identity, issuer, token_id, *ends_at).await;
        spent.map_err(|error| match error {
            ClientError::Replayed => {
                let text = "the assertion was used before; ask its issuer for another";
                OAuthError::grant("assertion-replayed", text)
            }
            other => other.into(),
        })
    }

    /// The grant that the token follows from, so that it ends with the client, the person, or by an
    /// administrator's word.
    fn asserted_grant(
        &self,
        request: &TokenRequest<'_>,
        asserted: &IdentityAssertion,
        (user, scopes, resources): (&StoredUser, &BTreeSet<String>, &[String]),
    ) -> Result<StoredGrant, OAuthError> {
        let now = self.now();
        Ok(StoredGrant {
            grant_id: self.random_text()?,
            client_id: request.client.id().to_owned(),
            user_id: user.user_id.clone(),
            scopes: scopes.clone(),
            resources: resources.to_vec(),
            details: Details::default().written()?,
            authenticated_at: asserted.authenticated_at.unwrap_or(now).min(now),
            created_at: now,
            expires_at: now.after(self.config.access_lifetime),
            revoked_at: None,
        })
    }
}

/// What is asked for: never more than what was asserted. `None` where neither says anything.
fn asserted_scopes(
    request: &TokenRequest<'_>,
    asserted: &IdentityAssertion,
) -> Result<Option<String>, OAuthError> {
    let asked = request.form.one("scope");
    match &asserted.scopes {
        None => Ok(asked.map(str::to_owned)),
        Some(most) => scope::narrow(most, asked).map(|scopes| Some(scope::written(&scopes))),
    }
}

/// RFC 7521 §4.1.1 has one code for every flaw of an assertion.
fn refused(error: TokenError) -> OAuthError {
    if error == TokenError::KeysUnavailable {
        return OAuthError::unavailable(error.word());
    }
    OAuthError::grant(error.word(), format!("the assertion is not accepted: {error}"))
}
