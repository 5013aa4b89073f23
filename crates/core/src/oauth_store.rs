//! The contracts of what an authorization server and an OAuth client keep. What
//! is said of all stores in `store` holds here too.
//!
//! Tokens, codes and session names are kept as SHA-256 of random text of at least 128 bits: whoever
//! reads the store can use none of them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Sid, StoreError, Timestamp};

/// SHA-256 of a secret that its holder presents.
pub type SecretDigest = [u8; 32];

/// Who brought a client here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOrigin {
    /// The operator (`haechi client add`).
    Operator,
    /// The client itself, by dynamic registration (RFC 7591).
    Dynamic,
}

/// A client of the own authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClient {
    /// `client_id`.
    pub client_id: String,
    /// Its metadata, a JSON object with the names of RFC 7591 §2; anything else is not kept.
    pub metadata: String,
    /// Of its secret, for a confidential client that has one.
    pub secret_sha256: Option<SecretDigest>,
    /// Who brought it here.
    pub origin: ClientOrigin,
    /// Roles of the client itself, where it acts for nobody (RFC 6749 §4.4).
    pub roles: BTreeSet<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Option<Timestamp>,
}

/// Where the authorization server keeps its clients.
#[async_trait]
pub trait ClientStore: Send + Sync + fmt::Debug {
    /// Adds a client; [`StoreError::Exists`] when the id is taken. Raises the epoch.
    async fn add(&self, client: StoredClient) -> Result<(), StoreError>;
    /// The client with this id, ended or not.
    async fn by_id(&self, client_id: &str) -> Result<Option<StoredClient>, StoreError>;
    /// All clients by id, at most `limit`, after `after`.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredClient>, StoreError>;
    /// Replaces the client with this id; [`StoreError::Missing`] when there is none. Raises the epoch.
    async fn replace(&self, client: StoredClient) -> Result<(), StoreError>;
    /// Removes a client with its grants, refresh tokens and consents; [`StoreError::Missing`] when
    /// there is none of either. Clients that are known by a metadata document are in no row of
    /// their own: what they were granted is removed all the same. Raises the epoch.
    async fn remove(&self, client_id: &str) -> Result<(), StoreError>;
    /// Removes clients that ended before `before`, each with its grants, refresh tokens and consents;
    /// how many. Raises the epoch when there were any.
    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// What a person granted a client: all tokens that follow from one authorization are its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGrant {
    /// Random; access tokens carry it.
    pub grant_id: String,
    /// To whom.
    pub client_id: String,
    /// By whom: an own user.
    pub user_id: String,
    /// What for.
    pub scopes: BTreeSet<String>,
    /// Where (RFC 8707).
    pub resources: Vec<String>,
    /// What else its tokens need, a JSON object; empty when there is nothing.
    pub details: String,
    /// When the person had signed in.
    pub authenticated_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends whatever is refreshed; exclusive.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A refresh token (RFC 6749 §1.5); of one grant, one is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRefreshToken {
    /// Of its text.
    pub sha256: SecretDigest,
    /// Of which grant.
    pub grant_id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Timestamp,
    /// When another took its place.
    pub replaced_at: Option<Timestamp>,
}

/// What came of presenting a refresh token (RFC 9700 §4.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is current now.
    Rotated(StoredGrant),
    /// The token had been replaced, moments ago: an answer was lost, or two tabs asked at once. The
    /// new token is current as well.
    Repeated(StoredGrant),
    /// The token had been replaced longer ago, or its successor was used already: somebody else has
    /// it. The grant is revoked now.
    Reused(StoredGrant),
    /// No such token, or it ended, or its grant did.
    Refused,
}

/// Where the authorization server keeps grants and their refresh tokens.
#[async_trait]
pub trait GrantStore: Send + Sync + fmt::Debug {
    /// Adds a grant, with its first refresh token where it has one; [`StoreError::Exists`] when an
    /// id is taken, [`StoreError::Missing`] without such a user or when the token is of another
    /// grant. Raises no epoch.
    async fn add(
        &self,
        grant: StoredGrant,
        refresh: Option<StoredRefreshToken>,
    ) -> Result<(), StoreError>;
    /// The grant with this id, ended or not.
    async fn by_id(&self, grant_id: &str) -> Result<Option<StoredGrant>, StoreError>;
    /// All that stand at `now`, oldest first; of a user, of a client, where given.
    async fn list(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StoreError>;
    /// The refresh token and its grant, whatever became of them.
    async fn refresh_token(
        &self,
        sha256: &SecretDigest,
    ) -> Result<Option<(StoredRefreshToken, StoredGrant)>, StoreError>;
    /// Puts `new` in the place of the token `old`, in one step. A token that was replaced is still
    /// taken for less than `grace` from then on, and revokes its grant after that.
    /// [`StoreError::Missing`] when `new.grant_id` is not that of `old`, [`StoreError::Exists`] when
    /// `new.sha256` is taken. Raises the epoch where a grant is revoked.
    async fn rotate(
        &self,
        old: &SecretDigest,
        new: StoredRefreshToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Rotation, StoreError>;
    /// Revokes a grant with its refresh tokens; `false` when it was revoked already or there is
    /// none. Raises the epoch.
    async fn revoke(&self, grant_id: &str, at: Timestamp) -> Result<bool, StoreError>;
    /// Forgets grants that ended or were revoked before `before`, with their tokens, and tokens that
    /// ended before it; raises no epoch. Answers how many grants.
    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// What a person has consented to: a client that asks for no more is not asked about again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    /// Who: an own user.
    pub user_id: String,
    /// To which client.
    pub client_id: String,
    /// At which resource (RFC 8707).
    pub resource: String,
    /// To what.
    pub scopes: BTreeSet<String>,
    /// Where the answer went: consent does not hold for another redirection.
    pub redirect_uri: String,
    /// When last.
    pub granted_at: Timestamp,
}

/// Where the authorization server keeps consents.
#[async_trait]
pub trait ConsentStore: Send + Sync + fmt::Debug {
    /// Keeps a consent; scopes of one that stands (same user, client, resource, redirection) stay
    /// beside the new ones. [`StoreError::Missing`] without such a user. Raises no epoch.
    async fn keep(&self, consent: StoredConsent) -> Result<(), StoreError>;
    /// All of a user, of a client where given, newest first.
    async fn list(
        &self,
        user_id: &str,
        client_id: Option<&str>,
    ) -> Result<Vec<StoredConsent>, StoreError>;
    /// Removes all that `user_id` consented to for `client_id`; how many there were.
    async fn remove(&self, user_id: &str, client_id: &str) -> Result<u64, StoreError>;
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TicketKind {
    /// An authorization code (RFC 6749 §4.1.2).
    Code,
    /// A request that waits while a person signs in and consents.
    Interaction,
    /// A sign-in at another provider that is under way.
    Federation,
    /// A passkey that is being made or used.
    Passkey,
    /// The `jti` of an assertion that must not be used again.
    Assertion,
}

/// Something that is good once, for a short time.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// What it is for.
    pub kind: TicketKind,
    /// Of the secret that its holder presents.
    pub sha256: SecretDigest,
    /// What it stands for; sealed by whoever adds it.
    pub body: Vec<u8>,
    /// When it ends; exclusive.
    pub expires_at: Timestamp,
}

/// What came of taking a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its body; nobody gets it a second time.
    Now(Vec<u8>),
    /// It was taken before: its body again, so that what followed from it can be undone.
    Before(Vec<u8>),
    /// There is none, or it ended.
    Never,
}

/// Where tickets are kept. None of it raises the epoch.
#[async_trait]
pub trait TicketStore: Send + Sync + fmt::Debug {
    /// Adds a ticket; [`StoreError::Exists`] when this kind has one of this digest, taken or not,
    /// that has not been forgotten.
    async fn add(&self, ticket: Ticket) -> Result<(), StoreError>;
    /// The body of a ticket that was not taken and has not ended.
    async fn find(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    /// Takes a ticket, in one step. One that was taken answers [`Taken::Before`] until it is forgotten,
    /// ended or not.
    async fn take(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Taken, StoreError>;
    /// How many of a kind have not ended, taken or not; a bound for what strangers can add.
    async fn count(&self, kind: TicketKind, now: Timestamp) -> Result<u64, StoreError>;
    /// Forgets those that ended, taken ones an hour later; how many.
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// A person who is signed in with a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBrowserSession {
    /// Of the cookie.
    pub sha256: SecretDigest,
    /// Who: an own user.
    pub user_id: String,
    /// When the person proved itself last.
    pub authenticated_at: Timestamp,
    /// How (`amr`, RFC 8176).
    pub methods: Vec<String>,
    /// What a sign-out elsewhere needs, a JSON object; empty when there is nothing.
    pub details: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_seen_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Timestamp,
}

/// Where sessions of browsers are kept. None of it raises the epoch.
#[async_trait]
pub trait BrowserSessionStore: Send + Sync + fmt::Debug {
    /// Adds a session; [`StoreError::Exists`] when the digest is taken, [`StoreError::Missing`]
    /// without such a user.
    async fn add(&self, session: StoredBrowserSession) -> Result<(), StoreError>;
    /// The session, if it has not ended.
    async fn find(
        &self,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<StoredBrowserSession>, StoreError>;
    /// Notes that it was used; nothing happens where there is none.
    async fn touch(&self, sha256: &SecretDigest, at: Timestamp) -> Result<(), StoreError>;
    /// All of a user that have not been forgotten, newest first.
    async fn list(&self, user_id: &str) -> Result<Vec<StoredBrowserSession>, StoreError>;
    /// Ends a session; `false` when there was none.
    async fn remove(&self, sha256: &SecretDigest) -> Result<bool, StoreError>;
    /// Ends all of a user; how many.
    async fn remove_all(&self, user_id: &str) -> Result<u64, StoreError>;
    /// Forgets those that ended; how many.
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// By what a person proves itself besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactorKind {
    /// A time-based code (RFC 6238).
    Totp,
    /// A passkey (Web Authentication).
    Passkey,
    /// Codes on paper, each good once.
    RecoveryCodes,
}

/// A second factor of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFactor {
    /// Random.
    pub factor_id: String,
    /// Whose.
    pub user_id: String,
    /// What it is.
    pub kind: FactorKind,
    /// What its owner calls it.
    pub label: String,
    /// Its secret or public key, sealed.
    pub sealed: Vec<u8>,
    /// Rises with each use: the time step of the last code, or how often it changed.
    pub counter: u64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// Where second factors are kept. Adding and removing raises the epoch, a use does not.
#[async_trait]
pub trait FactorStore: Send + Sync + fmt::Debug {
    /// Adds a factor; [`StoreError::Exists`] when the id is taken or the user has recovery codes
    /// already and these are more, [`StoreError::Missing`] without such a user.
    async fn add(&self, factor: StoredFactor) -> Result<(), StoreError>;
    /// All of a user, oldest first.
    async fn list(&self, user_id: &str) -> Result<Vec<StoredFactor>, StoreError>;
    /// Notes a use, in one step: only when `counter` is above what is kept. `sealed` replaces what
    /// was. `false` when the counter is not above, or there is no such factor.
    async fn advance(
        &self,
        factor_id: &str,
        counter: u64,
        sealed: Option<Vec<u8>>,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Removes a factor of a user; `false` when there was none.
    async fn remove(&self, user_id: &str, factor_id: &str) -> Result<bool, StoreError>;
}

/// A person at another OpenID provider, who is a user here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogin {
    /// The provider's `iss`.
    pub issuer: String,
    /// Its name for the person (`sub`).
    pub subject: String,
    /// Who that is here.
    pub user_id: String,
    /// The first sign-in.
    pub created_at: Timestamp,
    /// The last one.
    pub last_sign_in_at: Timestamp,
}

/// Where it is kept who signs in from elsewhere. None of it raises the epoch.
#[async_trait]
pub trait LoginStore: Send + Sync + fmt::Debug {
    /// Adds a login; [`StoreError::Exists`] when the person is somebody here already,
    /// [`StoreError::Missing`] without such a user.
    async fn add(&self, login: StoredLogin) -> Result<(), StoreError>;
    /// Who a person of another provider is here.
    async fn by_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<StoredLogin>, StoreError>;
    /// All of a user, oldest first.
    async fn list(&self, user_id: &str) -> Result<Vec<StoredLogin>, StoreError>;
    /// Notes a sign-in; nothing happens where there is no such login.
    async fn touch(&self, issuer: &str, subject: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Removes a login; `false` when there was none.
    async fn remove(&self, issuer: &str, subject: &str) -> Result<bool, StoreError>;
}

/// A person's own account at an upstream: its tokens, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccount {
    /// Whose.
    pub sid: Sid,
    /// At which upstream.
    pub upstream: String,
    /// Which authorization server the tokens are of.
    pub issuer: String,
    /// The tokens, sealed.
    pub sealed: Vec<u8>,
    /// What they are good for.
    pub scopes: BTreeSet<String>,
    /// Rises with each change.
    pub revision: u64,
    /// When it was linked.
    pub created_at: Timestamp,
    /// When its tokens were last refreshed.
    pub refreshed_at: Option<Timestamp>,
}

/// Where linked accounts are kept. None of it raises the epoch.
#[async_trait]
pub trait AccountStore: Send + Sync + fmt::Debug {
    /// Keeps an account: a new one has revision 0 and takes the place of any before; a changed one
    /// has the revision that stands plus one. `false` when another was quicker.
    async fn keep(&self, account: StoredAccount) -> Result<bool, StoreError>;
    /// A person's account at an upstream.
    async fn find(&self, sid: &Sid, upstream: &str) -> Result<Option<StoredAccount>, StoreError>;
    /// All of a person, by upstream.
    async fn list(&self, sid: &Sid) -> Result<Vec<StoredAccount>, StoreError>;
    /// Removes an account; `false` when there was none.
    async fn remove(&self, sid: &Sid, upstream: &str) -> Result<bool, StoreError>;
    /// Removes all of a person; how many.
    async fn remove_all(&self, sid: &Sid) -> Result<u64, StoreError>;
}
