//! Sign-in with username and password.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    BoxFuture, EntropyError, FactorKind, Secret, StoreError, StoredPassword, StoredUser, Timestamp,
    UserChange,
};

use crate::Identity;
use crate::own_token::{Issue, issue};
use crate::password::{HashError, MAX_PASSWORD_BYTES};
use crate::username::MAX_USERNAME_BYTES;

/// One attempt to sign in.
///
/// # How failures slow the next attempt down
///
/// Attempts are counted by username and address prefix (/24 of IPv4, /48 of IPv6), known users and
/// unknown ones alike. After [`crate::Lockout::free_attempts`] failures the next attempt from that
/// prefix has to wait, twice as long each time, up to [`crate::Lockout::max_delay`].
///
/// Failures of one username from everywhere are counted too. From
/// [`crate::Lockout::suspicion_after`] on, a prefix the user never signed in from has to wait once
/// before each attempt, at most [`crate::Lockout::max_suspicion_delay`]; the wait is counted for
/// each prefix by itself, so whoever attacks uses up nobody else's turn. A prefix the user has
/// signed in from before never waits for what others do. So nobody can lock somebody else out:
/// the most an attacker in another network brings about is one short wait in a new place.
///
/// An attempt that has to wait is not tried and does not count. Counts live in memory, bounded, and
/// are forgotten with the process.
#[derive(Clone, Debug)]
pub struct SignInAttempt<'a> {
    /// As typed.
    pub username: &'a str,
    /// As typed.
    pub password: &'a Secret,
    /// Resource URIs the token shall be good for (`aud`); at least one.
    pub audiences: &'a [String],
    /// Where the attempt comes from; `None` for this machine's own command line.
    pub address: Option<IpAddr>,
    /// The client, for `client_id`.
    pub client_id: Option<&'a str>,
}

/// A fresh token of this gateway.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The compact JWT.
    pub token: Secret,
    /// Its `jti`, by which it can be revoked.
    pub token_id: String,
    /// Whose it is.
    pub user_id: String,
    /// From issue to `exp`.
    pub expires_in: Duration,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Why nobody was signed in. What a caller may be told is the same for an unknown user and for a
/// wrong password.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such user, no password, or a wrong one.
    #[error("username or password is wrong")]
    WrongCredentials {
        /// The `user_id`, for the audit log, when there is such a user.
        user_id: Option<Arc<str>>,
    },
    /// The password is right, but the user is disabled.
    #[error("the user is disabled")]
    UserDisabled {
        /// The `user_id`, for the audit log.
        user_id: Arc<str>,
    },
    /// The password is right, but opens nothing by itself: the user has a second factor, or everybody
    /// needs one. A browser asks for it.
    #[error("a password is not enough for this user; sign in with a browser")]
    SecondFactorNeeded {
        /// The `user_id`, for the audit log.
        user_id: Arc<str>,
    },
    /// Too many attempts failed before; nothing was tried.
    #[error("too many attempts; try again in {}s", .retry_after.as_secs())]
    Throttled {
        /// When to come back; whole seconds, at least one.
        retry_after: Duration,
    },
    /// Too many sign-ins at once; nothing was tried.
    #[error("too many sign-ins at this moment; try again in {}s", .retry_after.as_secs())]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The attempt names no audience.
    #[error("a token needs an audience")]
    NoAudience,
    /// What decides could not be read or written.
    #[error("users and passwords cannot be read")]
    Unavailable(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A hash could not be computed, or the token not be signed.
    #[error("the sign-in could not be completed")]
    Failed,
}

impl SignInError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::WrongCredentials { .. } => "sign-in-wrong-credentials",
            Self::UserDisabled { .. } => "user-disabled",
            Self::SecondFactorNeeded { .. } => "second-factor-needed",
            Self::Throttled { .. } => "sign-in-throttled",
            Self::Busy { .. } => "sign-in-busy",
            Self::NoAudience => "sign-in-no-audience",
            Self::Unavailable(_) => "store-unavailable",
            Self::Entropy(_) | Self::Failed => "sign-in-failed",
        }
    }
}

impl Identity {
    /// Signs a user in and issues a token.
    ///
    /// An unknown user, one without a password and a wrong password all cost one hash, and answer
    /// the same. A hash made with older parameters is made anew.
    ///
    /// # Errors
    ///
    /// Every [`SignInError`].
    pub fn sign_in<'a>(
        &'a self,
        attempt: &'a SignInAttempt<'a>,
    ) -> BoxFuture<'a, Result<IssuedToken, SignInError>> {
        Box::pin(async move {
            if attempt.audiences.is_empty() {
                return Err(SignInError::NoAudience);
            }
            let now = self.now();
            let user = self.prove(attempt, now).await?;
            if self.needs_second_factor(&user.user_id).await? {
                return Err(SignInError::SecondFactorNeeded { user_id: user.user_id.into() });
            }
            self.issue_to(&user, attempt, now).await
        })
    }

    /// The user who typed the right password. Nothing is issued and no sign-in noted; audiences and
    /// client of `attempt` are not looked at. Slowed down, and answers the same, as
    /// [`Identity::sign_in`].
    ///
    /// # Errors
    ///
    /// Every [`SignInError`] but [`SignInError::NoAudience`].
    pub fn check_password<'a>(
        &'a self,
        attempt: &'a SignInAttempt<'a>,
    ) -> BoxFuture<'a, Result<StoredUser, SignInError>> {
        Box::pin(async move { self.prove(attempt, self.now()).await })
    }

    /// Whether a password alone opens nothing for this user.
    async fn needs_second_factor(&self, user_id: &str) -> Result<bool, StoreError> {
        if self.second_factor_required.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let all = self.stores.factors.list(user_id).await?;
        Ok(all.iter().any(|factor| factor.kind != FactorKind::RecoveryCodes))
    }

    /// From here on a password alone opens nothing for anybody.
    pub fn require_second_factor(&self) {
        self.second_factor_required.store(true, Ordering::Relaxed);
    }

    /// Notes that a user signed in.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn note_sign_in(&self, user_id: &str) -> Result<(), StoreError> {
        let noted = UserChange { last_sign_in_at: Some(self.now()), ..UserChange::default() };
        self.stores.users.change(user_id, noted).await
    }

    async fn prove(
        &self,
        attempt: &SignInAttempt<'_>,
        now: Timestamp,
    ) -> Result<StoredUser, SignInError> {
        if !is_plausible(attempt) {
            return Err(SignInError::WrongCredentials { user_id: None });
        }
        let begun = self.throttle.begin(attempt.username, attempt.address, now);
        let begun = begun.map_err(|retry_after| SignInError::Throttled { retry_after })?;
        let outcome = self.check_credentials(attempt).await;
        match &outcome {
            Ok(_) => self.throttle.succeeded(&begun, now),
            Err(SignInError::WrongCredentials { .. }) => {}
            Err(_) => self.throttle.abandoned(&begun),
        }
        outcome
    }

    /// The enabled user whose password was typed.
    async fn check_credentials(
        &self,
        attempt: &SignInAttempt<'_>,
    ) -> Result<StoredUser, SignInError> {
        let user = self.stores.users.by_username(attempt.username).await?;
        // An unknown user costs the same look-up; nobody has an empty id.
        let user_id = user.as_ref().map_or("", |user| user.user_id.as_str());
        let stored = self.stores.passwords.find(user_id).await?;
        let phc = stored.as_ref().map_or(self.hasher.dummy(), |stored| &stored.phc);
        let right = self.hasher.verify(attempt.password, phc).await.map_err(busy)?;
        let (Some(user), Some(stored), true) = (&user, stored, right) else {
            let user_id = user.map(|user| user.user_id.into());
            return Err(SignInError::WrongCredentials { user_id });
        };
        if !user.enabled {
            return Err(SignInError::UserDisabled { user_id: user.user_id.as_str().into() });
        }
        self.hash_anew(&user.user_id, attempt.password, &stored).await;
        Ok(user.clone())
    }

    /// Replaces a hash of older parameters. That it could not be done is no reason to refuse.
    ///
    /// Looks once more before replacing, so that a password set meanwhile is not undone.
    async fn hash_anew(&self, user_id: &str, password: &Secret, stored: &StoredPassword) {
        if !self.hasher.is_outdated(&stored.phc) {
            return;
        }
        let Ok(salt) = self.salt() else { return };
        let Ok(phc) = self.hasher.hash(password, salt).await else { return };
        let standing = self.stores.passwords.find(user_id).await;
        if standing.ok().flatten().is_none_or(|now| !now.phc.matches(&stored.phc)) {
            return;
        }
        let anew = StoredPassword { phc, changed_at: stored.changed_at };
        if self.stores.passwords.replace(user_id, anew).await.is_err() {
            tracing::warn!("a password hash of older parameters could not be replaced");
        }
    }

    /// Issues a token and notes the sign-in.
    ///
    /// The token counts as issued when the attempt began: what ends the user's tokens while a hash
    /// is computed ends this one too.
    async fn issue_to(
        &self,
        user: &StoredUser,
        attempt: &SignInAttempt<'_>,
        signed_in_at: Timestamp,
    ) -> Result<IssuedToken, SignInError> {
        let standing = self.standing().await?;
        let key = standing.keyring.active().ok_or(SignInError::Failed)?;
        let order = Issue {
            issuer: &self.config.issuer,
            audiences: attempt.audiences,
            client_id: attempt.client_id,
            user,
            token_id: self.random_id()?,
            signed_in_at,
        };
        let issued = issue(order, &self.config.own, key).ok_or(SignInError::Failed)?;
        let noted = UserChange { last_sign_in_at: Some(signed_in_at), ..UserChange::default() };
        self.stores.users.change(&user.user_id, noted).await?;
        Ok(issued)
    }

    /// 128 random bits as base64url: a `jti`.
    pub(crate) fn random_id(&self) -> Result<String, EntropyError> {
        let mut id = [0_u8; 16];
        self.surroundings.entropy.fill(&mut id)?;
        Ok(URL_SAFE_NO_PAD.encode(id))
    }
}

/// What is longer than anything that was ever accepted is not hashed at all.
fn is_plausible(attempt: &SignInAttempt<'_>) -> bool {
    attempt.username.len() <= MAX_USERNAME_BYTES && attempt.password.len() <= MAX_PASSWORD_BYTES
}

const fn busy(error: HashError) -> SignInError {
    match error {
        HashError::Busy => SignInError::Busy { retry_after: Duration::from_secs(1) },
        HashError::Failed => SignInError::Failed,
    }
}
