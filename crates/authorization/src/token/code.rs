//! A code for tokens (RFC 6749 §4.1.3, OAuth 2.1 §4.1.3).

use haechi_core::{StoreError, StoredGrant, StoredUser, TicketKind, TokenActKind};
use haechi_identity::{Confirmation, Holder, sha256};

use super::refresh::Details;
use super::{TokenAnswer, TokenOrder, TokenRequest};
use crate::page::cover;
use crate::protocol::code::Code;
use crate::protocol::resource;
use crate::record::{Act, Subject};
use crate::ticket::TakenTicket;
use crate::{AuthorizationServer, OAuthError};

/// The shortest and the longest verifier (RFC 7636 §4.1).
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

impl AuthorizationServer {
    /// Takes a code and gives tokens for it. The code is gone whatever comes of it, but for a proof
    /// of a key that does not hold (RFC 9449 §5); one that comes a second time, be it at the same
    /// moment, ends all that followed from it (RFC 9700 §2.1.1).
    pub(crate) async fn redeem(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        let (code, binding) = self.take_code(request).await?;
        check(request, &code)?;
        let resources = resource::narrow(&code.resources, request.form)?;
        let user = self.standing_user(&code.user_id).await?;
        check_key(&code, &binding)?;
        let (grant, refresh) = self.grant(request, &code, &binding).await?;
        self.check_consent(&code).await?;
        let order = TokenOrder {
            holder: Holder::User(&user),
            scopes: &code.scopes,
            resources: &resources,
            grant_id: Some(&grant.grant_id),
            authenticated_at: Some(code.authenticated_at),
            methods: &code.methods,
            binding: &binding,
            actor: None,
            lifetime: self.config.grant_lifetime,
        };
        let access = self.issue(request, &order).await?;
        let nonce = code.nonce.as_deref();
        let id_token = self.id_token(request.client, (&user, &order), nonce, &access).await?;
        Ok(TokenAnswer {
            access,
            bound_to_key: binding.key.is_some(),
            scopes: code.scopes.clone(),
            refresh,
            id_token,
            issued_token_type: None,
        })
    }

    /// Takes the code, with what its tokens are to be bound to.
    ///
    /// The proof comes before the code is taken, so that who is told to prove again with a nonce (RFC
    /// 9449 §8) comes back with the same code; and after the code is found, so that nobody without
    /// one fills the memory of proofs that were used.
    async fn take_code(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<(Code, Confirmation), OAuthError> {
        let text = request.form.required("code")?;
        let waits = self.find_ticket::<Code>(TicketKind::Code, text).await?.is_some();
        let binding = if waits { Some(self.binding(request).await?) } else { None };
        match (self.take_ticket(TicketKind::Code, text).await?, binding) {
            (TakenTicket::Now(code), Some(binding)) => Ok((code, binding)),
            (TakenTicket::Before(code), _) => Err(self.code_came_again(request, &code).await?),
            (TakenTicket::Now(_), None) | (TakenTicket::Never, _) => {
                let text =
                    "the code is unknown or too old; start again at the authorization endpoint";
                Err(OAuthError::grant("code-unknown", text))
            }
        }
    }

    async fn code_came_again(
        &self,
        request: &TokenRequest<'_>,
        code: &Code,
    ) -> Result<OAuthError, OAuthError> {
        self.end_grant_of(code).await?;
        let act = Act {
            kind: TokenActKind::Revoked,
            subject: Subject::User(&code.user_id),
            client_id: &code.client_id,
            grant_type: request.grant.as_str(),
            scopes: &code.scopes,
            resources: &code.resources,
            reason: Some("code-reused"),
        };
        self.record(&act).await?;
        Ok(code_reused())
    }

    /// Ends the grant that followed from a code. Where the first request with it is still under way,
    /// there is none yet: one that is revoked already takes its place.
    async fn end_grant_of(&self, code: &Code) -> Result<(), OAuthError> {
        let now = self.now();
        if self.stores.grants.revoke(&code.grant_id, now).await? {
            return Ok(());
        }
        let ended = StoredGrant {
            expires_at: now,
            revoked_at: Some(now),
            ..self.grant_of(code, &Details::default())?
        };
        match self.stores.grants.add(ended, None).await {
            Err(StoreError::Exists(_)) => {
                self.stores.grants.revoke(&code.grant_id, now).await?;
            }
            // Nothing follows from a code of a person who is gone.
            Err(StoreError::Missing(_)) => {}
            added => added?,
        }
        Ok(())
    }

    /// Checks that the person has not taken back since what the code was made for. After the grant is
    /// kept: whoever takes access back removes consents first and ends grants then, so that one of
    /// the two sees the other.
    async fn check_consent(&self, code: &Code) -> Result<(), OAuthError> {
        let Code { user_id, client_id, redirect_uri, resources, scopes, .. } = code;
        let all = self.stores.consents.list(user_id, Some(client_id)).await?;
        if cover(&all, redirect_uri, resources, scopes) {
            return Ok(());
        }
        self.stores.grants.revoke(&code.grant_id, self.now()).await?;
        let text = "the person has taken this access back; start again";
        Err(OAuthError::grant("consent-gone", text))
    }

    /// The user, if tokens may still be issued for it.
    pub(crate) async fn standing_user(&self, user_id: &str) -> Result<StoredUser, OAuthError> {
        let user = self.stores.users.by_id(user_id).await?.filter(|user| user.enabled);
        let text = "the person behind this is not let in any more";
        user.ok_or_else(|| OAuthError::grant("user-gone", text))
    }

    /// Keeps the grant, with a refresh token where the client may have one.
    async fn grant(
        &self,
        request: &TokenRequest<'_>,
        code: &Code,
        binding: &Confirmation,
    ) -> Result<(StoredGrant, Option<haechi_core::Secret>), OAuthError> {
        // Of a public client nothing but its key says that it is the same (RFC 9449 §5).
        let key = binding.key.filter(|_| request.client.is_public());
        let details =
            Details { methods: code.methods.clone(), key: key.map(|key| key.to_string()) };
        let grant = self.grant_of(code, &details)?;
        let refresh = self.new_refresh_token(request.client, &grant)?;
        let (text, stored) = refresh.unzip();
        match self.stores.grants.add(grant.clone(), stored).await {
            Err(StoreError::Exists(_)) => Err(code_reused()),
            added => Ok(added.map(|()| (grant, text))?),
        }
    }

    /// The grant that follows from a code.
    fn grant_of(&self, code: &Code, details: &Details) -> Result<StoredGrant, OAuthError> {
        let now = self.now();
        Ok(StoredGrant {
            grant_id: code.grant_id.clone(),
            client_id: code.client_id.clone(),
            user_id: code.user_id.clone(),
            scopes: code.scopes.clone(),
            resources: code.resources.clone(),
            details: details.written()?,
            authenticated_at: code.authenticated_at,
            created_at: now,
            expires_at: now.after(self.config.grant_lifetime),
            revoked_at: None,
        })
    }
}

fn code_reused() -> OAuthError {
    let text = "the code was used before; everything that followed from it was revoked";
    OAuthError::grant("code-reused", text)
}

/// A code is good for whom and for what it was made.
fn check(request: &TokenRequest<'_>, code: &Code) -> Result<(), OAuthError> {
    let refused = |word, text: &'static str| Err(OAuthError::grant(word, text));
    if code.client_id != request.client.id() {
        return refused("code-client", "the code was made for another client");
    }
    // OAuth 2.1 lets clients leave it out; one that sends it must send the same.
    let redirect_uri = request.form.one("redirect_uri");
    if redirect_uri.is_some_and(|it| it != code.redirect_uri) {
        return refused("code-redirect", "redirect_uri is not that of the authorization request");
    }
    let Some(verifier) = request.form.one("code_verifier") else {
        return refused("pkce-verifier-missing", "code_verifier is missing");
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let fits = VERIFIER_CHARS.contains(&verifier.len()) && verifier.bytes().all(unreserved);
    if !fits || challenge(verifier) != code.code_challenge {
        return refused("pkce-verifier", "code_verifier does not belong to code_challenge");
    }
    Ok(())
}

/// RFC 7636 §4.6.
fn challenge(verifier: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// RFC 9449 §10.
fn check_key(code: &Code, binding: &Confirmation) -> Result<(), OAuthError> {
    let shown = binding.key.map(|key| key.to_string());
    let same = code.dpop_thumbprint.is_none() || code.dpop_thumbprint == shown;
    let text = "the code is bound to the key of dpop_jkt; send its DPoP proof";
    if same { Ok(()) } else { Err(OAuthError::grant("code-key", text)) }
}
