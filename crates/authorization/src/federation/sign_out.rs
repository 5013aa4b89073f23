//! Signing out: at the provider after signing out here (OpenID Connect RP-Initiated Logout 1.0), and
//! here when somebody signs out there (Back-Channel Logout 1.0).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    Sealed, Sealer, Secret, Sid, StoreError, StoredBrowserSession, Ticket, TicketKind,
};
use haechi_identity::{IdTokenError, LogoutToken, sha256};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::federation::provider::{Arrival, Provider};
use crate::federation::{Federation, FederationError, Label};

/// What an ID token is sealed for.
const SEALED_FOR: &str = "federation-id-token";
/// Access that was granted for when the person is away stays (Back-Channel Logout §2.7).
const OFFLINE: &str = "offline_access";

/// What a sign-out needs, as a browser's session keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Details {
    /// By which provider this browser came in.
    provider: String,
    /// Digest of the session there (`sid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// The ID token, sealed for the person once it is kept.
    id_token: String,
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Details").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What a sign-out at a provider ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOutElsewhere {
    /// Who; nobody where the person was never here.
    pub user_id: Option<String>,
    /// How many browsers.
    pub sessions: usize,
    /// How many grants.
    pub grants: usize,
}

impl Details {
    pub(crate) fn of(provider: &str, arrival: &Arrival) -> Self {
        Self {
            provider: provider.to_owned(),
            session: arrival.id_token.session_id.as_deref().map(session_digest),
            id_token: arrival.text.expose_str().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn sealed(self, sid: &Sid, sealer: &dyn Sealer) -> Result<String, FederationError> {
        let id_token = sealer.seal(sid, SEALED_FOR, self.id_token.as_bytes())?.0;
        serde_json::to_string(&Self { id_token, ..self }).map_err(|_| FederationError::Kept)
    }

    fn read(session: &StoredBrowserSession) -> Option<Self> {
        serde_json::from_str(&session.details).ok()
    }
}

impl Federation {
    /// Where a browser goes to sign out at the provider too, once `session` has ended here; it comes
    /// back to `after`, which must be known there. `None` where it came by none, or by one that has no
    /// such address.
    pub async fn sign_out_address(
        &self,
        session: &StoredBrowserSession,
        after: &str,
    ) -> Option<String> {
        let details = Details::read(session)?;
        let provider = self.providers.get(&details.provider)?;
        let server = provider.metadata(&self.rooms).await.ok()?;
        let mut url = Url::parse(server.end_session_endpoint.as_deref()?).ok()?;
        let hint = self.id_token_hint(session, details.id_token).await;
        {
            let mut query = url.query_pairs_mut();
            if let Some(hint) = hint.as_ref().and_then(Secret::expose_str) {
                query.append_pair("id_token_hint", hint);
            }
            query.append_pair("client_id", &provider.config.rules.client_id);
            query.append_pair("post_logout_redirect_uri", after);
        }
        Some(url.into())
    }

    /// What the provider of a session is called.
    pub(crate) fn label_of(&self, session: &StoredBrowserSession) -> Option<&Label> {
        let provider = self.providers.get(&Details::read(session)?.provider)?;
        Some(&provider.config.label)
    }

    /// Without a hint the provider asks the person; that is no reason not to go there.
    async fn id_token_hint(
        &self,
        session: &StoredBrowserSession,
        sealed: String,
    ) -> Option<Secret> {
        let sid = self.rooms.identity.sid_of(&session.user_id).await.ok()?;
        self.rooms.sealer.open(&sid, SEALED_FOR, &Sealed(sealed)).await.ok()
    }

    /// Ends here what a provider's logout token says has ended there: the browsers that came by it,
    /// of one session where one is named, and all grants but those for when the person is away.
    ///
    /// # Errors
    ///
    /// [`FederationError`]; [`FederationError::Ended`] for a token that was used before.
    pub async fn signed_out(
        &self,
        provider: &str,
        logout_token: &str,
    ) -> Result<SignedOutElsewhere, FederationError> {
        let known = self.provider(provider)?;
        let server = known.metadata(&self.rooms).await?;
        let keys = server.jwks_uri.as_deref().ok_or(FederationError::NoKeys)?;
        let identity = &self.rooms.identity;
        let token = identity.verify_logout_token(&known.verifier, keys, logout_token).await;
        let token = token.map_err(FederationError::IdToken)?;
        // By a session alone nobody is found here.
        let subject = token.subject.clone();
        let subject = subject.ok_or(FederationError::IdToken(IdTokenError::NoLogout))?;
        self.use_once(known, &token).await?;
        let issuer = &known.config.rules.issuer;
        let Some(login) = self.rooms.logins.by_subject(issuer, &subject).await? else {
            return Ok(SignedOutElsewhere { user_id: None, sessions: 0, grants: 0 });
        };
        let sessions = self.end_sessions(known, &login.user_id, &token).await?;
        let grants = self.end_grants(&login.user_id).await?;
        Ok(SignedOutElsewhere { user_id: Some(login.user_id), sessions, grants })
    }

    async fn use_once(
        &self,
        provider: &Provider,
        token: &LogoutToken,
    ) -> Result<(), FederationError> {
        let name = format!("logout\0{}\0{}", provider.config.rules.issuer, token.token_id);
        let ticket = Ticket {
            kind: TicketKind::Assertion,
            sha256: sha256(name.as_bytes()),
            body: Vec::new(),
            expires_at: token.ends_at,
        };
        match self.rooms.tickets.add(ticket).await {
            Err(StoreError::Exists(_)) => Err(FederationError::Ended),
            added => Ok(added?),
        }
    }

    async fn end_sessions(
        &self,
        provider: &Provider,
        user_id: &str,
        token: &LogoutToken,
    ) -> Result<usize, FederationError> {
        let named = token.session_id.as_deref().map(session_digest);
        let mut ended = 0;
        for session in self.rooms.sessions.list(user_id).await? {
            let Some(details) = Details::read(&session) else { continue };
            let meant = named.is_none() || details.session == named;
            if details.provider == provider.config.name && meant {
                ended += usize::from(self.rooms.sessions.remove(&session.sha256).await?);
            }
        }
        Ok(ended)
    }

    async fn end_grants(&self, user_id: &str) -> Result<usize, FederationError> {
        let (now, mut ended) = (self.rooms.clock.now(), 0);
        for grant in self.rooms.grants.list(Some(user_id), None, now).await? {
            if !grant.scopes.contains(OFFLINE) {
                ended += usize::from(self.rooms.grants.revoke(&grant.grant_id, now).await?);
            }
        }
        Ok(ended)
    }
}

/// Sessions of others are compared, never shown.
fn session_digest(session: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(session.as_bytes()))
}
