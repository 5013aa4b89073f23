//! The one struct that shows the room.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use haechi_core::{
    BoxFuture, EntropyError, Exchange, SealError, Sid, StoreError, StoredSigningKey, Timestamp,
};
use tokio::sync::Mutex;

use crate::api_key::{self, MadeApiKey};
use crate::authenticate::OPERATING_SYSTEM;
use crate::cache::VerifiedCache;
use crate::dpop::Dpop;
use crate::gateway::Gateway;
use crate::issuer::Issuer;
use crate::jose::Algorithm;
use crate::keyring::{self, Keyring, MakeKeyError};
use crate::own_token;
use crate::password::PasswordHasher;
use crate::standing::Standing;
use crate::throttle::Throttle;
use crate::{
    AdministrationError, ClientAuthentication, ForeignIssuer, IdentityConfig, Stores, Surroundings,
    TokenCheck,
};

/// The file key's length in bytes.
const FILE_KEY_BYTES: usize = 32;
/// The most clocks may differ by.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(300);
/// The most issuers one token may be shown to.
const MAX_ASKED_ISSUERS: usize = 4;

/// Who is calling. Made once, shared in an `Arc`.
pub struct Identity {
    pub(crate) config: IdentityConfig,
    pub(crate) stores: Stores,
    pub(crate) surroundings: Surroundings,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) own_algorithms: BTreeSet<Algorithm>,
    pub(crate) standing: ArcSwap<Standing>,
    /// Held while keys and revocations are read again.
    pub(crate) reloading: Mutex<()>,
    pub(crate) cache: VerifiedCache,
    pub(crate) hasher: PasswordHasher,
    pub(crate) throttle: Throttle,
    /// Whether a password alone opens nothing.
    pub(crate) second_factor_required: AtomicBool,
    pub(crate) dpop: Dpop,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) exchange: Option<Arc<dyn Exchange>>,
    /// `iss` of tokens for clients of the own authorization server.
    pub(crate) authorization_issuer: OnceLock<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

/// Why the room did not open.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A setting contradicts itself or what this gateway can do.
    #[error("`{key}` {why}")]
    Setting {
        /// Which, as a path below identity.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file key is not 32 bytes long.
    #[error("the file key must have {FILE_KEY_BYTES} bytes")]
    FileKey,
    /// A stored signing key does not open under the file key.
    #[error("the signing key `{0}` does not open under this file key")]
    SealedKey(String),
    /// A stored signing key is of an algorithm this program does not know.
    #[error("the signing key `{0}` has an unknown algorithm")]
    UnknownAlgorithm(String),
    /// The first signing key could not be made.
    #[error("the first signing key could not be made")]
    NoKey,
    /// The store cannot be read or written.
    #[error("the store of identity is not available")]
    Store(#[from] StoreError),
    /// No random bytes for the first key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// What an operator has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The whole upstream.
    Upstream,
    /// This tool.
    Tool,
    /// This person.
    User,
}

impl Identity {
    /// Opens the room: checks `config`, unseals the signing keys, makes the first one when there is
    /// none (of several processes that start at once, one makes it). Key sets of foreign issuers
    /// are read when their first token comes.
    ///
    /// # Errors
    ///
    /// Every [`IdentityError`].
    pub fn open(
        config: IdentityConfig,
        stores: Stores,
        surroundings: Surroundings,
    ) -> BoxFuture<'static, Result<Self, IdentityError>> {
        Box::pin(async move {
            check(&config)?;
            if surroundings.file_key.len() != FILE_KEY_BYTES {
                return Err(IdentityError::FileKey);
            }
            let hasher = PasswordHasher::new(&config.passwords, &*surroundings.entropy)?;
            let hasher =
                hasher.ok_or_else(|| setting("passwords", "argon2 does not accept these"))?;
            let standing = first_standing(&config, &stores, &surroundings).await?;
            Ok(Self {
                issuers: config
                    .issuers
                    .iter()
                    .map(|issuer| Issuer::new(issuer.clone(), config.scopes.clone()))
                    .collect(),
                own_algorithms: own_token::algorithms(),
                standing: ArcSwap::from_pointee(standing),
                reloading: Mutex::new(()),
                cache: VerifiedCache::new(config.cache_entries),
                second_factor_required: AtomicBool::new(false),
                throttle: Throttle::new(config.lockout.clone()),
                gateway: config
                    .gateway
                    .clone()
                    .map(|it| Gateway::new(it, surroundings.clock.now())),
                dpop: Dpop::new(config.dpop, surroundings.clock.now(), &*surroundings.entropy)?,
                hasher,
                config,
                stores,
                surroundings,
                exchange: None,
                authorization_issuer: OnceLock::new(),
            })
        })
    }

    /// Asks issuers about their tokens through `exchange`. Without it, issuers whose tokens must be
    /// asked about are not available.
    #[must_use]
    pub fn with_exchange(self, exchange: Arc<dyn Exchange>) -> Self {
        Self { exchange: Some(exchange), ..self }
    }

    /// The public keys own tokens and assertions verify with, as a JSON Web Key Set (RFC 7517 §5):
    /// the active key and those that were rotated away and still verify. HMAC keys are not in it.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.standing.load().keyring.jwks(self.now())
    }

    /// This gateway's own name: `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The random name of an own user in the audit log.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`] when it can be neither read nor made.
    pub async fn sid_of(&self, user_id: &str) -> Result<Sid, SealError> {
        self.surroundings.sealer.sid(&self.config.issuer, user_id).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// A UUIDv7 (RFC 9562 §5.7): milliseconds, then 74 random bits.
    pub(crate) fn new_user_id(&self) -> Result<String, EntropyError> {
        let mut random = [0_u8; 10];
        self.surroundings.entropy.fill(&mut random)?;
        let random = random.iter().fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
        let millis = u128::from(self.now().as_millis()) & 0xffff_ffff_ffff;
        let (a, b) = (random >> 64 & 0xfff, random & 0x3fff_ffff_ffff_ffff);
        let id = millis << 80 | 0x7 << 76 | a << 64 | 0b10 << 62 | b;
        let (one, two, three) = (id >> 96, id >> 80 & 0xffff, id >> 64 & 0xffff);
        let (four, five) = (id >> 48 & 0xffff, id & 0xffff_ffff_ffff);
        Ok(format!("{one:08x}-{two:04x}-{three:04x}-{four:04x}-{five:012x}"))
    }

    pub(crate) fn make_api_key(&self) -> Result<MadeApiKey, EntropyError> {
        api_key::make(&*self.surroundings.entropy)
    }

    pub(crate) fn new_signing_key(&self) -> Result<StoredSigningKey, AdministrationError> {
        let Surroundings { file_key, entropy, .. } = &self.surroundings;
        let made = keyring::make(self.config.own.algorithm, file_key, &**entropy, self.now());
        made.map_err(|error| match error {
            MakeKeyError::Entropy(error) => error.into(),
            MakeKeyError::Failed => AdministrationError::Failed,
        })
    }

    /// Until when a key that stopped signing at `since` verifies: its last token has expired then.
    pub(crate) fn verifies_until(&self, since: Timestamp) -> Timestamp {
        verifies_until(&self.config, since)
    }
}

fn verifies_until(config: &IdentityConfig, since: Timestamp) -> Timestamp {
    // A second more, because `iat` may lie a moment after the key was chosen.
    since.after(config.own.lifetime).after(config.own.leeway).after(Duration::from_secs(1))
}

/// Reads what stands, and makes the first key when there is none.
async fn first_standing(
    config: &IdentityConfig,
    stores: &Stores,
    surroundings: &Surroundings,
) -> Result<Standing, IdentityError> {
    let now = surroundings.clock.now();
    let Surroundings { file_key, entropy, .. } = surroundings;
    let open = |stored: &[StoredSigningKey]| {
        Keyring::open(stored, file_key, |since| verifies_until(config, since))
    };
    if open(&stores.signing_keys.list().await?)?.active().is_none() {
        let made = keyring::make(config.own.algorithm, file_key, &**entropy, now);
        let key = made.map_err(|error| match error {
            MakeKeyError::Entropy(error) => IdentityError::Entropy(error),
            MakeKeyError::Failed => IdentityError::NoKey,
        })?;
        stores.signing_keys.activate(key, true).await?;
    }
    let epoch = stores.revocations.epoch().await?;
    let keyring = open(&stores.signing_keys.list().await?)?;
    Ok(Standing::new(epoch, keyring, stores.revocations.list(now).await?))
}

/// Checks what types alone cannot say.
fn check(config: &IdentityConfig) -> Result<(), IdentityError> {
    let problem = |wrong: bool, key: &str, why| if wrong { Err(setting(key, why)) } else { Ok(()) };
    let reserved = config.issuer.is_empty() || config.issuer == OPERATING_SYSTEM;
    problem(reserved, "issuer", "must be this gateway's own name")?;
    let own = &config.own;
    problem(!own.algorithm.is_for_own_tokens(), "own.algorithm", "must be ES256, EdDSA or HS256")?;
    problem(own.lifetime < Duration::from_secs(1), "own.lifetime", "must be at least a second")?;
    problem(own.leeway > MAX_LEEWAY, "own.leeway", "must be at most five minutes")?;
    let hasty = own.rotation.is_some_and(|it| it.published_ahead >= it.every);
    problem(hasty, "own.rotation", "must let a key sign for longer than it is published before")?;
    let none = config.passwords.concurrent == 0;
    problem(none, "passwords.concurrent", "must be at least 1")?;
    problem(config.cache_entries == 0, "cache_entries", "must be at least 1")?;
    let dpop = &config.dpop;
    problem(dpop.leeway > MAX_LEEWAY, "dpop.leeway", "must be at most five minutes")?;
    let fleeting = dpop.max_age < Duration::from_secs(1) || dpop.max_age > MAX_LEEWAY;
    problem(fleeting, "dpop.max_age", "must be between a second and five minutes")?;
    problem(dpop.remembered == 0, "dpop.remembered", "must be at least 1")?;
    if let Some(gateway) = &config.gateway {
        let nobody = gateway.audience.is_empty();
        problem(nobody, "gateway.audience", "must be what the gateway calls this server")?;
        let nameless = gateway.issuer.as_ref().is_some_and(String::is_empty);
        problem(nameless, "gateway.issuer", "must be the gateway's own name")?;
    }
    let mut names = BTreeSet::from([config.issuer.as_str(), OPERATING_SYSTEM]);
    for issuer in &config.issuers {
        let key = |name: &str| format!("issuers.{}.{name}", issuer.issuer);
        let taken = issuer.issuer.is_empty() || !names.insert(&issuer.issuer);
        problem(taken, &key("issuer"), "must be a name of its own")?;
        let secret = issuer.algorithms.contains(&Algorithm::Hs256);
        problem(secret, &key("algorithms"), "must not hold HS256: nobody else shares our secrets")?;
        problem(issuer.algorithms.is_empty(), &key("algorithms"), "must name at least one")?;
        problem(issuer.leeway > MAX_LEEWAY, &key("leeway"), "must be at most five minutes")?;
        let (refresh, second) = (issuer.refresh, Duration::from_secs(1));
        let hasty = refresh.minimum_interval < second || refresh.every < refresh.minimum_interval;
        problem(hasty, &key("refresh"), "must leave a second and keep its own interval")?;
        let nobody = issuer.mapping.subject.is_empty();
        problem(nobody, &key("mapping.subject"), "must name a claim")?;
        check_tokens(config, issuer)?;
    }
    let asked = config.issuers.iter().filter(|issuer| !matches!(issuer.tokens, TokenCheck::Jwt));
    let many = asked.count() > MAX_ASKED_ISSUERS;
    problem(many, "issuers", "must have at most four whose tokens are asked about")?;
    Ok(())
}

/// Checks what the way of checking tokens asks for.
fn check_tokens(config: &IdentityConfig, issuer: &ForeignIssuer) -> Result<(), IdentityError> {
    let (key, why) = match &issuer.tokens {
        TokenCheck::Userinfo { .. } if !issuer.dangerous_accept_any_audience => (
            "dangerous_accept_any_audience",
            "must be set for userinfo, which does not tell for whom a token is",
        ),
        TokenCheck::Introspection { client, .. } if client.client_id.is_empty() => {
            ("tokens.client_id", "must name this gateway at the issuer")
        }
        TokenCheck::Introspection { client, .. }
            if matches!(client.authentication, ClientAuthentication::PrivateKeyJwt)
                && config.own.algorithm == Algorithm::Hs256 =>
        {
            ("tokens.client_authentication", "needs ES256 or EdDSA for own tokens, not HS256")
        }
        _ => return Ok(()),
    };
    Err(setting(&format!("issuers.{}.{key}", issuer.issuer), why))
}

fn setting(key: &str, why: &'static str) -> IdentityError {
    IdentityError::Setting { key: key.to_owned(), why }
}
