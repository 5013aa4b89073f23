//! By what this gateway proves itself to an upstream: tokens of its own, or of the person's own
//! account there. What a caller came with never goes along.

mod account;
mod held;
mod link;
mod linked;
mod obtain;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_assembly::settings::{
    AuthorizationKind, ClientProof, ClientSettings, UpstreamAuthorization,
};
use haechi_client::{
    Authentication, Challenge, Client, Discovered, DiscoveryError, ProofError, ProofKey,
    Registration, RegistrationError, TokenRequestError,
};
use haechi_core::{
    AccountStore, Clock, Entropy, NotSigned, Principal, SealError, Sealer, Signatory, StoreError,
    Timestamp, UpstreamName,
};
use haechi_guard::UpstreamFailure;
use haechi_identity::Identity;
use haechi_identity::jose::{Algorithm, SigningError, SigningKey};
use tokio::sync::Mutex as Turn;

use account::Account;
pub(crate) use held::{Held, Turned};
pub(crate) use link::LinkError;

/// What is known of an authorization server is read anew after this.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// After a failure nobody is asked again for this long.
const PAUSE: Duration = Duration::from_secs(5);
/// Persons whose tokens are at hand for one upstream.
const MAX_PEOPLE: usize = 10_000;

/// Why there are no credentials for an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// Who issues tokens is not known.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// This program has no name at the issuer.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The issuer gave no token.
    #[error(transparent)]
    Request(#[from] TokenRequestError),
    /// A token is not what was asked for.
    #[error("the authorization server issued something else than what was asked for")]
    OtherToken,
    /// The token must be bound to a key, and the server does not do that.
    #[error("the authorization server does not bind tokens to keys, which `dpop` asks for")]
    NotBound,
    /// No client of the settings, where one is needed.
    #[error("no client is named in `[upstream.authorization]`")]
    NoClient,
    /// Nobody calls, or nobody who is known.
    #[error("this upstream wants to know for whom each call is, and nobody is known here")]
    Nobody,
    /// The statement in the file cannot be read.
    #[error("the file with the statement about the subject cannot be read")]
    Subject(#[source] std::io::Error),
    /// This gateway did not sign about the person.
    #[error(transparent)]
    Assertion(#[from] haechi_identity::AssertionError),
    /// The key of a client is none.
    #[error("the private key of the client cannot be used")]
    Key(#[source] SigningError),
    /// The key did not sign.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// No proof of the key.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Linked accounts cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is sealed cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It failed a moment ago, and is not tried again yet.
    #[error("asking for credentials failed a moment ago")]
    Paused,
    /// The upstream has refused what it asked for.
    #[error("the upstream refused a token with all the scopes it asked for")]
    Refused,
}

/// What having credentials takes.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    pub(crate) client: Client,
    pub(crate) identity: Arc<Identity>,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// The credentials of one upstream.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(super) upstream: UpstreamName,
    /// The upstream's endpoint.
    pub(super) url: String,
    pub(super) settings: Arc<UpstreamAuthorization>,
    pub(super) ways: Ways,
    /// The key of tokens that are not kept.
    key: Arc<ProofKey>,
    people: Mutex<HashMap<Arc<str>, Arc<Turn<Person>>>>,
    known: Turn<Known>,
}

/// What is at hand for one person; whoever asks meanwhile waits.
#[derive(Debug, Default)]
pub(super) struct Person {
    held: Option<Held>,
    /// What the upstream asked for beyond the settings (step-up).
    more: Vec<String>,
    failed_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Known {
    found: Option<(Arc<Discovered>, Timestamp)>,
    challenge: Option<Challenge>,
}

impl Authorization {
    pub(crate) fn new(
        upstream: UpstreamName,
        url: String,
        settings: Arc<UpstreamAuthorization>,
        ways: Ways,
    ) -> Result<Self, CredentialError> {
        let key = Arc::new(new_proof_key(&ways)?.1);
        let (people, known) = (Mutex::default(), Turn::default());
        Ok(Self { upstream, url, settings, ways, key, people, known })
    }

    /// The credentials for one request of `caller`.
    pub(crate) async fn hold(
        self: &Arc<Self>,
        caller: Option<&Principal>,
    ) -> Result<Held, UpstreamFailure> {
        let mut person = self.person(caller)?.lock_owned().await;
        let (this, caller) = (Arc::clone(self), caller.cloned());
        self.to_its_end(async move { this.hold_in_turn(caller.as_ref(), &mut person).await }).await
    }

    /// A refresh token that was used is used up: a caller who hangs up meanwhile must not lose the
    /// one that takes its place.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, UpstreamFailure>> + Send + 'static,
    ) -> Result<T, UpstreamFailure> {
        let done = tokio::spawn(work).await;
        done.unwrap_or_else(|_| Err(self.none(CredentialError::Paused)))
    }

    async fn hold_in_turn(
        &self,
        caller: Option<&Principal>,
        person: &mut Person,
    ) -> Result<Held, UpstreamFailure> {
        if self.settings.kind == AuthorizationKind::LinkedAccount {
            let caller = caller.ok_or_else(|| self.none(CredentialError::Nobody))?;
            return self.hold_linked(caller, person).await;
        }
        let now = self.ways.clock.now();
        if let Some(held) = person.held.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(held.clone());
        }
        if person.failed_at.is_some_and(|at| now >= at && now < at.after(PAUSE)) {
            return Err(self.none(CredentialError::Paused));
        }
        match self.obtain(caller, &person.more).await {
            Ok(held) => {
                person.failed_at = None;
                person.held = Some(held.clone());
                Ok(held)
            }
            Err(error) => {
                person.failed_at = Some(now);
                Err(self.none(error))
            }
        }
    }

    /// Whether the upstream, which said no to `held`, is worth asking again: after a nonce, with
    /// another token, with more scopes; each of them once.
    pub(crate) async fn turned_down(
        self: &Arc<Self>,
        caller: Option<&Principal>,
        held: &Held,
        turned: &mut Turned,
    ) -> Result<bool, UpstreamFailure> {
        if turned.take_nonce(held, &self.url) {
            return Ok(true);
        }
        let mut person = self.person(caller)?.lock_owned().await;
        if let Some(scopes) = turned.more_scopes(held) {
            let Some(scopes) = scopes else { return Err(self.none(CredentialError::Refused)) };
            person.held = None;
            if self.settings.kind == AuthorizationKind::LinkedAccount {
                return Err(self.not_linked(scopes));
            }
            person.more = scopes;
            return Ok(true);
        }
        if !turned.renew() {
            return Ok(false);
        }
        let mut known = self.known.lock().await;
        *known = Known { found: None, challenge: turned.challenge.take() };
        drop(known);
        if self.settings.kind == AuthorizationKind::LinkedAccount {
            let caller = caller.ok_or_else(|| self.none(CredentialError::Nobody))?;
            let (this, sid, held) = (Arc::clone(self), caller.sid.clone(), held.clone());
            let renewal = async move { this.renew_linked(&sid, &held, &mut person).await };
            self.to_its_end(renewal).await?;
        } else if person.held.as_ref().is_some_and(|current| current.is_same(held)) {
            person.held = None;
        }
        Ok(true)
    }

    /// Who issues tokens for the upstream.
    pub(super) async fn discovered(&self) -> Result<Arc<Discovered>, CredentialError> {
        let mut known = self.known.lock().await;
        let now = self.ways.clock.now();
        if let Some((found, at)) = &known.found
            && now >= *at
            && now < at.after(KNOWN_FOR)
        {
            return Ok(Arc::clone(found));
        }
        let wanted = self.settings.issuer.as_deref();
        let found = self.ways.client.discover(&self.url, known.challenge.as_ref(), wanted).await?;
        let found = Arc::new(found);
        known.found = Some((Arc::clone(&found), now));
        Ok(found)
    }

    /// The client of `settings` at `issuer`, where it was registered by hand.
    pub(super) fn registration(
        &self,
        client: Option<&ClientSettings>,
        issuer: &str,
    ) -> Result<Registration, CredentialError> {
        let client = client.ok_or(CredentialError::NoClient)?;
        let authentication = match &client.proof {
            ClientProof::None => Authentication::None,
            ClientProof::Secret(secret) => Authentication::Secret(secret.clone()),
            ClientProof::OwnKey => {
                Authentication::PrivateKeyJwt(Arc::clone(&self.ways.identity) as Arc<dyn Signatory>)
            }
            ClientProof::PrivateKey(pem) => {
                let key = SigningKey::from_pem(&client.client_id, pem);
                Authentication::PrivateKeyJwt(Arc::new(key.map_err(CredentialError::Key)?))
            }
        };
        Ok(Registration {
            issuer: issuer.to_owned(),
            client_id: client.client_id.clone(),
            authentication,
            expires_at: None,
        })
    }

    fn person(&self, caller: Option<&Principal>) -> Result<Arc<Turn<Person>>, UpstreamFailure> {
        use AuthorizationKind as Kind;
        let kind = self.settings.kind;
        let personal = matches!(kind, Kind::LinkedAccount | Kind::TokenExchange | Kind::IdJag);
        let key: Arc<str> = match caller {
            Some(caller) if personal => Arc::clone(&caller.sid.0),
            None if personal => return Err(self.none(CredentialError::Nobody)),
            _ => "".into(),
        };
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody who waits or is being asked for is forgotten: two refreshes at once revoke each other.
        if people.len() >= MAX_PEOPLE && !people.contains_key(&key) {
            people.retain(|_, person| Arc::strong_count(person) > 1);
        }
        Ok(Arc::clone(people.entry(key).or_default()))
    }

    pub(super) fn none(&self, error: CredentialError) -> UpstreamFailure {
        tracing::warn!(upstream = %self.upstream, %error, "there are no credentials for an upstream");
        UpstreamFailure::NoCredentials { upstream: self.upstream.clone(), source: Box::new(error) }
    }

    pub(super) fn not_linked(&self, scopes: Vec<String>) -> UpstreamFailure {
        UpstreamFailure::NotLinked { upstream: self.upstream.clone(), scopes }
    }
}

/// A new key for proofs, and its private part (PKCS#8).
pub(super) fn new_proof_key(
    ways: &Ways,
) -> Result<(haechi_core::Secret, ProofKey), CredentialError> {
    let private =
        SigningKey::generate(Algorithm::Es256, &*ways.entropy).map_err(CredentialError::Key)?;
    let key = proof_key(&private, ways)?;
    Ok((private, key))
}

pub(super) fn proof_key(
    private: &haechi_core::Secret,
    ways: &Ways,
) -> Result<ProofKey, CredentialError> {
    let key = SigningKey::from_private("", Algorithm::Es256, private);
    let key = Arc::new(key.map_err(CredentialError::Key)?);
    Ok(ProofKey::new(key, Arc::clone(&ways.clock), Arc::clone(&ways.entropy)))
}
