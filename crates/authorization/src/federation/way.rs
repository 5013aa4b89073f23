//! The way of one sign-in: away to the provider, and back.

use std::fmt;
use std::time::Duration;

use haechi_client::Pending;
use haechi_core::{Secret, StoreError, StoredUser, Taken, Ticket, TicketKind, Timestamp};
use haechi_identity::sha256;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::federation::provider::{Arrival, Provider, Sending};
use crate::federation::sign_out::Details;
use crate::federation::{Federation, FederationError};

/// A person may take this long at the provider.
const AWAY_FOR: Duration = Duration::from_secs(600);
/// The most sign-ins that are under way: strangers can begin some.
const MOST_AWAY: u64 = 10_000;
/// The longest `state` that is looked up, in bytes.
const MAX_STATE_BYTES: usize = 128;
/// What a waiting sign-in is sealed for.
const SEALED_FOR: &str = "haechi ticket federation";
/// The most methods of a sign-in that are kept, and how long their names may be.
const MAX_METHODS: usize = 8;
const MAX_METHOD_BYTES: usize = 32;

/// What a sign-in at a provider is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Somebody comes in; with what goes on afterwards, in the words of whoever began it.
    SignIn(Option<String>),
    /// A user who is signed in links the account (`user_id`).
    Link(String),
}

/// A sign-in that is to begin.
#[derive(Clone, Debug)]
pub struct Begin<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// A secret of this browser, in a cookie: who comes back must have it.
    pub browser: &'a str,
    /// Whether the person must prove itself there again.
    pub fresh: bool,
    /// How long ago the person may have signed in there.
    pub max_age: Option<Duration>,
    /// Whom the client expects.
    pub login_hint: Option<&'a str>,
    /// `en` or `ko`.
    pub language: Option<&'static str>,
}

/// Somebody has come back and may come in.
#[derive(Clone)]
pub struct Arrived {
    /// The provider's name.
    pub provider: String,
    /// What it was for.
    pub purpose: Purpose,
    /// Who it is here; enabled.
    pub user: StoredUser,
    /// When the person signed in at the provider; the beginning of time where it does not say.
    pub authenticated_at: Timestamp,
    /// How, as the provider says (`amr`, RFC 8176).
    pub methods: Vec<String>,
    /// For [`StoredBrowserSession::details`](haechi_core::StoredBrowserSession): what a sign-out
    /// needs; sealed for the person.
    pub details: String,
}

/// Shows nobody.
impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Arrived");
        shown.field("provider", &self.provider).field("methods", &self.methods);
        shown.finish_non_exhaustive()
    }
}

/// A sign-in that is under way. Sealed under `state`, which only the browser's address carries.
#[derive(Serialize, Deserialize)]
struct Away {
    provider: String,
    issuer: String,
    response_names_issuer: bool,
    verifier: String,
    nonce: String,
    browser: [u8; 32],
    purpose: Purpose,
    asked_at: Timestamp,
    max_age_secs: Option<u64>,
}

impl Federation {
    /// Begins a sign-in: the address the browser is to be sent to.
    ///
    /// # Errors
    ///
    /// [`FederationError`].
    pub async fn begin(&self, begin: &Begin<'_>) -> Result<String, FederationError> {
        let provider = self.provider(begin.provider)?;
        let now = self.rooms.clock.now();
        if self.rooms.tickets.count(TicketKind::Federation, now).await? >= MOST_AWAY {
            return Err(FederationError::Busy);
        }
        let sending = Sending {
            fresh: begin.fresh,
            max_age: begin.max_age,
            login_hint: begin.login_hint.map(str::to_owned),
            language: begin.language,
        };
        let pending = provider.send(&self.rooms, &sending).await?;
        let shown = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
        let away = Away {
            provider: begin.provider.to_owned(),
            issuer: pending.issuer.clone(),
            response_names_issuer: pending.response_names_issuer,
            verifier: shown(&pending.verifier),
            nonce: pending.nonce.as_ref().map(shown).unwrap_or_default(),
            browser: sha256(begin.browser.as_bytes()),
            purpose: begin.purpose.clone(),
            asked_at: now,
            max_age_secs: sending.asked_age().map(|age| age.as_secs()),
        };
        self.keep(&shown(&pending.state), &away, now).await?;
        Ok(pending.url)
    }

    /// Reads what came back to the address of `provider`, by the browser whose cookie is `browser`.
    ///
    /// # Errors
    ///
    /// [`FederationError`]: the first check that does not hold. Whatever came of it, an answer is
    /// good once.
    pub async fn finish(
        &self,
        provider: &str,
        query: &str,
        browser: Option<&str>,
    ) -> Result<Arrived, FederationError> {
        let known = self.provider(provider)?;
        let state = state_of(query).ok_or(FederationError::Ended)?;
        let away = self.come_back(&state, browser).await?;
        if away.provider != provider || away.issuer != known.config.rules.issuer {
            return Err(FederationError::OtherProvider);
        }
        let now = self.rooms.clock.now();
        let pending = Pending {
            url: String::new(),
            issuer: away.issuer.clone(),
            response_names_issuer: away.response_names_issuer,
            state: state.into(),
            verifier: away.verifier.clone().into(),
            nonce: Some(away.nonce.clone().into()),
            redirect_uri: known.redirect_uri.clone(),
            resource: None,
            scopes: Vec::new(),
        };
        // What counts is how old the sign-in was when it was asked for, not how long it took.
        let since = now.since(away.asked_at);
        let max_age = away.max_age_secs.map(|age| Duration::from_secs(age).saturating_add(since));
        let arrival = known.receive(&self.rooms, (&pending, query), max_age).await?;
        if !known.config.admits(&arrival.person) {
            return Err(FederationError::NotAllowed);
        }
        let user = match &away.purpose {
            Purpose::SignIn(_) => self.user_of(known, &arrival.person).await?,
            Purpose::Link(user_id) => self.link(known, &arrival.person, user_id).await?,
        };
        // What was asked for and held counts, whatever both clocks say.
        let least = away.max_age_secs.map(|age| away.asked_at.before(Duration::from_secs(age)));
        let stated = arrival.id_token.authenticated_at.unwrap_or_default().min(now);
        let authenticated_at = stated.max(least.unwrap_or_default());
        let arrived = self.arrived(known, away.purpose, user, arrival).await?;
        Ok(Arrived { authenticated_at, ..arrived })
    }

    async fn arrived(
        &self,
        provider: &Provider,
        purpose: Purpose,
        user: StoredUser,
        arrival: Arrival,
    ) -> Result<Arrived, FederationError> {
        if matches!(purpose, Purpose::SignIn(_)) {
            self.remember(provider, &user, &arrival).await?;
        }
        let details = Details::of(&provider.config.name, &arrival);
        let sid = self.rooms.identity.sid_of(&user.user_id).await?;
        let methods = arrival.id_token.methods.iter().filter(|method| is_method(method));
        Ok(Arrived {
            provider: provider.config.name.clone(),
            purpose,
            authenticated_at: arrival.id_token.authenticated_at.unwrap_or_default(),
            methods: methods.take(MAX_METHODS).cloned().collect(),
            details: details.sealed(&sid, &*self.rooms.sealer)?,
            user,
        })
    }

    async fn keep(&self, state: &str, away: &Away, now: Timestamp) -> Result<(), FederationError> {
        let text = serde_json::to_vec(away).map_err(|_| FederationError::Kept)?;
        let sealed = self.rooms.identity.seal_with_secret(SEALED_FOR, state, &Secret::new(text));
        let ticket = Ticket {
            kind: TicketKind::Federation,
            sha256: sha256(state.as_bytes()),
            body: sealed.map_err(|_| FederationError::Kept)?,
            expires_at: now.after(AWAY_FOR),
        };
        Ok(self.rooms.tickets.add(ticket).await?)
    }

    /// The sign-in that `state` belongs to, taken for good. Another browser cannot take it: it does
    /// not even end it.
    async fn come_back(&self, state: &str, browser: Option<&str>) -> Result<Away, FederationError> {
        let (kind, digest, now) =
            (TicketKind::Federation, sha256(state.as_bytes()), self.rooms.clock.now());
        let body = self.rooms.tickets.find(kind, &digest, now).await?;
        let away = self.opened(state, &body.ok_or(FederationError::Ended)?)?;
        if browser.map(|browser| sha256(browser.as_bytes())) != Some(away.browser) {
            return Err(FederationError::OtherBrowser);
        }
        match self.rooms.tickets.take(kind, &digest, now).await? {
            Taken::Now(_) => Ok(away),
            Taken::Before(_) | Taken::Never => Err(FederationError::Ended),
        }
    }

    fn opened(&self, state: &str, body: &[u8]) -> Result<Away, FederationError> {
        let text = self.rooms.identity.open_with_secret(SEALED_FOR, state, body);
        let text = text.map_err(|_| FederationError::Kept)?;
        serde_json::from_slice(text.expose()).map_err(|_| FederationError::Kept)
    }

    /// What a sign-in that did not succeed was for, so that the person can go back; the one that
    /// `query` names must be of this browser. It ends.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn abandoned(
        &self,
        query: &str,
        browser: Option<&str>,
    ) -> Result<Option<Purpose>, StoreError> {
        let Some(state) = state_of(query) else { return Ok(None) };
        let (kind, digest, now) =
            (TicketKind::Federation, sha256(state.as_bytes()), self.rooms.clock.now());
        let standing = self.rooms.tickets.find(kind, &digest, now).await?;
        let waits = standing.is_some();
        let body = match standing {
            Some(body) => body,
            None => match self.rooms.tickets.take(kind, &digest, now).await? {
                Taken::Now(body) | Taken::Before(body) => body,
                Taken::Never => return Ok(None),
            },
        };
        let browser = browser.map(|browser| sha256(browser.as_bytes()));
        let ours = |away: &Away| browser == Some(away.browser);
        let away = self.opened(&state, &body).ok().filter(ours);
        if waits && away.is_some() {
            self.rooms.tickets.take(kind, &digest, now).await?;
        }
        Ok(away.map(|away| away.purpose))
    }
}

/// `state` of an answer, where it stands once.
fn state_of(query: &str) -> Option<String> {
    let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
    let (_, state) = all.next()?;
    let fits = !state.is_empty() && state.len() <= MAX_STATE_BYTES && all.next().is_none();
    fits.then(|| state.into_owned())
}

fn is_method(method: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !method.is_empty() && method.len() <= MAX_METHOD_BYTES && method.bytes().all(plain)
}
