//! What settings say about identity, checked once when the room opens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    ApiKeyStore, ClientStore, Clock, Entropy, FactorStore, Fetch, GrantStore, PasswordStore,
    RevocationStore, Sealer, Secret, SigningKeyStore, UserStore,
};

use crate::ScopeHierarchy;
use crate::jose::Algorithm;
use crate::{DpopRules, SenderConstraint};

/// How this gateway knows its callers.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// `iss` of own tokens: this gateway's own name, compared exactly.
    pub issuer: String,
    /// Tokens this gateway issues.
    pub own: OwnTokens,
    /// Issuers whose tokens are accepted besides.
    pub issuers: Vec<ForeignIssuer>,
    /// How passwords are kept and judged.
    pub passwords: PasswordPolicy,
    /// How failed sign-ins slow the next one down.
    pub lockout: Lockout,
    /// How many verified credentials are remembered.
    pub cache_entries: usize,
    /// What a caller without credentials may be; `None` refuses such callers everywhere.
    pub anonymous: Option<Anonymous>,
    /// Roles of the operating-system user who started the program, besides `owner`.
    pub owner_roles: BTreeSet<String>,
    /// The gateway in front whose signed callers are accepted; `None` accepts none.
    pub gateway: Option<GatewayCallers>,
    /// Scopes that hold others within them.
    pub scopes: ScopeHierarchy,
    /// How proofs of possession are judged.
    pub dpop: DpopRules,
}

impl IdentityConfig {
    /// Sensible values for a gateway that calls itself `issuer` and knows own users only.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            own: OwnTokens::default(),
            issuers: Vec::new(),
            passwords: PasswordPolicy::default(),
            lockout: Lockout::default(),
            cache_entries: 10_000,
            anonymous: None,
            owner_roles: BTreeSet::new(),
            gateway: None,
            scopes: ScopeHierarchy::default(),
            dpop: DpopRules::default(),
        }
    }
}

/// Tokens this gateway issues.
#[derive(Clone, Debug)]
pub struct OwnTokens {
    /// `ES256`, `EdDSA` or `HS256`.
    pub algorithm: Algorithm,
    /// From sign-in to `exp`; also how long a key that was rotated away still verifies.
    pub lifetime: Duration,
    /// What clocks of several gateways may differ by; at most five minutes.
    pub leeway: Duration,
    /// When keys take turns by themselves; `None` leaves that to whoever asks for it.
    pub rotation: Option<KeyRotation>,
}

/// When signing keys take turns ([`crate::Identity::turn_keys`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// For how long a key signs.
    pub every: Duration,
    /// For how long a key is published before it signs, so that whoever keeps our keys has read it;
    /// shorter than `every`.
    pub published_ahead: Duration,
}

impl Default for OwnTokens {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Es256,
            lifetime: Duration::from_secs(24 * 3600),
            leeway: Duration::from_secs(5),
            rotation: None,
        }
    }
}

/// An issuer of access tokens other than this gateway.
#[derive(Clone, Debug)]
pub struct ForeignIssuer {
    /// `iss` of its tokens, compared exactly: no case folding, no trailing slash forgiven.
    pub issuer: String,
    /// Where its public keys are.
    pub keys: KeyLocation,
    /// `aud` values accepted from this issuer. Empty: the route's own resource URIs (RFC 8707).
    /// Naming values here makes one token good on every route.
    pub audiences: Vec<String>,
    /// Algorithms its tokens may be signed with; never `HS256`.
    pub algorithms: BTreeSet<Algorithm>,
    /// What its clock may differ by; at most five minutes.
    pub leeway: Duration,
    /// Values of `typ` that mark its access tokens.
    pub types: TokenTypes,
    /// Accepts tokens that carry `nonce`, `at_hash` or `c_hash`, which mark an ID token.
    pub dangerous_accept_id_tokens: bool,
    /// Which claims say what.
    pub mapping: ClaimMapping,
    /// How often and how long its keys, or its metadata, are kept.
    pub refresh: KeyRefresh,
    /// How its tokens are checked.
    pub tokens: TokenCheck,
    /// Accepts tokens of which nobody can say for whom they are: what its clients were given for
    /// any other service is then good here too. Needed for [`TokenCheck::Userinfo`], without effect
    /// elsewhere.
    pub dangerous_accept_any_audience: bool,
    /// What its tokens must be bound to, whatever the route demands.
    pub sender: SenderConstraint,
}

/// How tokens of a foreign issuer are checked.
#[derive(Clone, Debug, Default)]
pub enum TokenCheck {
    /// As signed tokens (RFC 9068), with the issuer's keys.
    #[default]
    Jwt,
    /// By asking the issuer about each (RFC 7662).
    Introspection {
        /// Where; `None` reads it from the issuer's metadata (RFC 8414, OpenID Connect Discovery).
        endpoint: Option<String>,
        /// As whom this gateway asks.
        client: IntrospectionClient,
    },
    /// By reading with each what the issuer tells of its person (OpenID Connect Core §5.3): for
    /// providers that offer nothing better, because neither audience nor end are told.
    Userinfo {
        /// Where; `None` reads it from the issuer's metadata.
        endpoint: Option<String>,
    },
}

/// The client this gateway is at an issuer it asks.
#[derive(Clone, Debug)]
pub struct IntrospectionClient {
    /// Its `client_id` there.
    pub client_id: String,
    /// How it proves that.
    pub authentication: ClientAuthentication,
}

/// How a client proves itself to an authorization server.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    SecretBasic(Secret),
    /// `client_secret_post` (RFC 6749 §2.3.1).
    SecretPost(Secret),
    /// `private_key_jwt` (RFC 7523 §2.2), signed with the key that signs own tokens, which must not
    /// be `HS256`.
    PrivateKeyJwt,
}

impl ForeignIssuer {
    /// An issuer whose tokens are asked about. It has no keys: none are ever read.
    #[must_use]
    pub fn asked(issuer: impl Into<String>, tokens: TokenCheck) -> Self {
        Self { tokens, ..Self::new(issuer, KeyLocation::Given(String::new())) }
    }

    /// An issuer with the defaults for everything but its name and keys.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: KeyLocation) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
            audiences: Vec::new(),
            algorithms: Algorithm::ASYMMETRIC.into_iter().collect(),
            leeway: Duration::from_secs(30),
            types: TokenTypes::default(),
            dangerous_accept_id_tokens: false,
            mapping: ClaimMapping::default(),
            refresh: KeyRefresh::default(),
            tokens: TokenCheck::Jwt,
            dangerous_accept_any_audience: false,
            sender: SenderConstraint::Optional,
        }
    }
}

/// Where an issuer's JSON Web Key Set (RFC 7517 §5) is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// A file on this machine.
    File(PathBuf),
    /// An address, read through [`Fetch`].
    Url(String),
    /// The set itself, as whoever started this process gave it.
    Given(String),
}

/// A gateway in front: it proves who calls, and says so in an assertion for one server and one call
/// ([`crate::CALLER_TYPE`]).
#[derive(Clone, Debug)]
pub struct GatewayCallers {
    /// Its `iss`, compared exactly; `None` leaves it to the keys, which are its alone.
    pub issuer: Option<String>,
    /// What it calls this server: the upstream's name in its settings.
    pub audience: String,
    /// Its public keys.
    pub keys: KeyLocation,
    /// How often they are read.
    pub refresh: KeyRefresh,
}

/// Values of `typ` that are accepted as an access token of a foreign issuer.
///
/// Whatever stands here, `dpop+jwt`, `logout+jwt`, `haechi-caller+jwt` and every other value are
/// refused (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTypes {
    /// `at+jwt` (RFC 9068 §2.1).
    pub at_jwt: bool,
    /// `JWT` (RFC 7519 §5.1), which says nothing about the kind of token.
    pub jwt: bool,
    /// No `typ` at all.
    pub absent: bool,
}

impl Default for TokenTypes {
    fn default() -> Self {
        Self { at_jwt: true, jwt: true, absent: false }
    }
}

/// A way into a token's claims, one member name a step.
pub type ClaimPath = Vec<String>;

/// Which claims of a foreign token say what. An empty path reads nothing.
#[derive(Clone, Debug)]
pub struct ClaimMapping {
    /// The stable name of the person; must be a string.
    pub subject: ClaimPath,
    /// The name typed at sign-in.
    pub username: ClaimPath,
    /// The display name.
    pub name: ClaimPath,
    /// The e-mail address.
    pub email: ClaimPath,
    /// Names of groups: an array of strings.
    pub groups: ClaimPath,
    /// Names of roles: an array of strings, or one string.
    pub roles: ClaimPath,
    /// The tenant.
    pub tenant: ClaimPath,
    /// Roles that groups bring; `*` in a name stands for any text.
    pub group_roles: BTreeMap<String, BTreeSet<String>>,
}

impl Default for ClaimMapping {
    /// Names of OpenID Connect Core §5.1; no role comes from a foreign token unless told.
    fn default() -> Self {
        let path = |name: &str| vec![name.to_owned()];
        Self {
            subject: path("sub"),
            username: path("preferred_username"),
            name: path("name"),
            email: path("email"),
            groups: path("groups"),
            roles: Vec::new(),
            tenant: Vec::new(),
            group_roles: BTreeMap::new(),
        }
    }
}

/// How often an issuer's keys are read, and how long they are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefresh {
    /// Between two readings there is at least this, whatever callers send.
    pub minimum_interval: Duration,
    /// Keys are read again when they are older than this.
    pub every: Duration,
    /// While reading fails, keys are believed until they are this old.
    pub stale_limit: Duration,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self {
            minimum_interval: Duration::from_secs(30),
            every: Duration::from_secs(15 * 60),
            stale_limit: Duration::from_secs(24 * 3600),
        }
    }
}

/// How passwords are kept (argon2id, RFC 9106) and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes computed at one time.
    pub concurrent: usize,
    /// Sign-ins that may wait for their turn; one more is told to come back.
    pub queue: usize,
    /// Fewest bytes of a password; never below 8.
    pub min_length_bytes: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            parallelism: 1,
            concurrent: 2,
            queue: 32,
            min_length_bytes: 8,
        }
    }
}

/// How failed sign-ins slow the next one down; the scheme stands at [`crate::SignInAttempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Failures of one username from one address prefix before the first delay.
    pub free_attempts: u32,
    /// The first delay; it doubles with every further failure.
    pub first_delay: Duration,
    /// The longest delay for one username and address prefix.
    pub max_delay: Duration,
    /// Failures of one username from everywhere before strange prefixes have to wait once.
    pub suspicion_after: u32,
    /// The longest a strange prefix has to wait because others failed.
    pub max_suspicion_delay: Duration,
    /// After this time without a failure the count is forgotten.
    pub forget_after: Duration,
    /// How many usernames and prefixes are remembered.
    pub entries: usize,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            free_attempts: 5,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(15 * 60),
            suspicion_after: 20,
            max_suspicion_delay: Duration::from_secs(60),
            forget_after: Duration::from_secs(3600),
            entries: 65_536,
        }
    }
}

/// What a caller without credentials is, on routes that admit one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// The roles it holds.
    pub roles: BTreeSet<String>,
}

/// Where identity keeps what it knows.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// Password hashes.
    pub passwords: Arc<dyn PasswordStore>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// Keys that sign own tokens.
    pub signing_keys: Arc<dyn SigningKeyStore>,
    /// Revocations, stops and the epoch.
    pub revocations: Arc<dyn RevocationStore>,
    /// Clients of the own authorization server.
    pub clients: Arc<dyn ClientStore>,
    /// What persons granted them.
    pub grants: Arc<dyn GrantStore>,
    /// Second factors.
    pub factors: Arc<dyn FactorStore>,
}

/// What identity needs from outside.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Gives persons their random names.
    pub sealer: Arc<dyn Sealer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives bytes nobody can guess.
    pub entropy: Arc<dyn Entropy>,
    /// Reads key sets of foreign issuers.
    pub fetch: Arc<dyn Fetch>,
    /// 32 bytes that wrap the private signing keys.
    pub file_key: Secret,
}

/// For whom credentials must be good at the route they came in by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Resource URIs of the route (RFC 8707 §2), compared exactly. None: no token is accepted.
    pub resources: Vec<String>,
    /// Whether this route admits callers without credentials, where the settings do at all.
    pub anonymous: bool,
    /// What tokens must be bound to.
    pub sender: SenderConstraint,
}

impl Audience {
    /// The audience of a route with one resource URI, closed to callers without credentials.
    #[must_use]
    pub fn of(resource: impl Into<String>) -> Self {
        Self { resources: vec![resource.into()], ..Self::default() }
    }
}
