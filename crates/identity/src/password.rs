//! Password hashes: argon2id (RFC 9106) in PHC string format, a bounded number at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use haechi_core::{Entropy, EntropyError, Secret, StoredPassword};
use tokio::sync::{AcquireError, Semaphore};

use crate::{AdministrationError, Identity, PasswordPolicy};

/// The longest password, in bytes.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why a new password was not accepted. No variant carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer bytes than the settings ask for.
    #[error("a password has at least {0} bytes")]
    TooShort(usize),
    /// More than 1024 bytes.
    #[error("a password has at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// It is the username, in whatever case.
    #[error("a password must not be the username")]
    SameAsUsername,
    /// Not UTF-8, or with a control character.
    #[error("a password must be text")]
    NotText,
}

/// Checks a new password against the rules.
///
/// Passwords are compared byte by byte. Systems differ in how they compose accents (NFC, NFD), so
/// whoever takes a password from a person should hand it in as NFC (RFC 8265 §4.1) each time.
pub(crate) fn check_password(
    username: &str,
    password: &Secret,
    policy: &PasswordPolicy,
) -> Result<(), PasswordError> {
    let text = password.expose_str().ok_or(PasswordError::NotText)?;
    let min_length = policy.min_length_bytes.max(8);
    if text.len() < min_length {
        return Err(PasswordError::TooShort(min_length));
    }
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(PasswordError::NotText);
    }
    if text.to_lowercase() == username.to_lowercase() {
        return Err(PasswordError::SameAsUsername);
    }
    Ok(())
}

/// Computes hashes away from the threads that serve calls.
#[derive(Debug)]
pub(crate) struct PasswordHasher {
    argon2: Argon2<'static>,
    /// Hashes at one time.
    turns: Arc<Semaphore>,
    /// Those, and the ones that wait.
    places: Arc<Semaphore>,
    computed: Arc<AtomicU64>,
    dummy: Secret,
}

/// Why no hash was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    #[error("too many hashes are being computed")]
    Busy,
    #[error("the hash could not be computed")]
    Failed,
}

impl From<AcquireError> for HashError {
    fn from(_: AcquireError) -> Self {
        Self::Failed
    }
}

impl PasswordHasher {
    /// A hasher with the parameters of `policy`; `None` when argon2 does not accept them.
    pub(crate) fn new(
        policy: &PasswordPolicy,
        entropy: &dyn Entropy,
    ) -> Result<Option<Self>, EntropyError> {
        let PasswordPolicy { memory_kib, iterations, parallelism, concurrent, queue, .. } = *policy;
        let Ok(params) = Params::new(memory_kib, iterations, parallelism, Some(HASH_BYTES)) else {
            return Ok(None);
        };
        let Some(dummy) = dummy(&params, entropy)? else { return Ok(None) };
        Ok(Some(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            turns: Arc::new(Semaphore::new(concurrent)),
            places: Arc::new(Semaphore::new(concurrent.saturating_add(queue))),
            computed: Arc::new(AtomicU64::new(0)),
            dummy,
        }))
    }

    /// How many hashes were computed.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// A hash that no password has, and that costs what a real one costs.
    pub(crate) const fn dummy(&self) -> &Secret {
        &self.dummy
    }

    /// Hashes `password` with a fresh salt.
    pub(crate) async fn hash(
        &self,
        password: &Secret,
        salt: [u8; SALT_BYTES],
    ) -> Result<Secret, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let compute = move || {
            let hash = argon2.hash_password_with_salt(password.expose(), &salt);
            hash.map(|hash| Secret::from(hash.to_string())).map_err(|_| HashError::Failed)
        };
        self.run(compute).await?
    }

    /// Whether `phc` is the hash of `password`. Its own parameters count, not today's.
    pub(crate) async fn verify(&self, password: &Secret, phc: &Secret) -> Result<bool, HashError> {
        let parsed = phc.expose_str().and_then(|phc| PasswordHash::new(phc).ok());
        let parsed = parsed.ok_or(HashError::Failed)?;
        let (argon2, password) = (self.argon2.clone(), password.clone());
        self.run(move || argon2.verify_password(password.expose(), &parsed).is_ok()).await
    }

    /// Whether `phc` was made with other parameters than today's.
    pub(crate) fn is_outdated(&self, phc: &Secret) -> bool {
        let parsed = phc.expose_str().and_then(|phc| PasswordHash::new(phc).ok());
        let Some(parsed) = parsed else { return false };
        let today = self.argon2.params();
        let same = |params: Params| {
            params.m_cost() == today.m_cost()
                && params.t_cost() == today.t_cost()
                && params.p_cost() == today.p_cost()
        };
        let current = Params::try_from(&parsed).is_ok_and(same);
        !current || parsed.algorithm.as_str() != Algorithm::Argon2id.as_str()
    }

    /// Waits for a turn, then computes. Both permits travel with the work: a caller that goes away
    /// does not make room before its hash is done.
    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await?;
        let computed = Arc::clone(&self.computed);
        let work = tokio::task::spawn_blocking(move || {
            let _permits = (place, turn);
            computed.fetch_add(1, Ordering::Relaxed);
            compute()
        });
        work.await.map_err(|_| HashError::Failed)
    }
}

/// A PHC string with random salt and random output: it costs nothing to make, everything to verify.
fn dummy(params: &Params, entropy: &dyn Entropy) -> Result<Option<Secret>, EntropyError> {
    let (mut salt, mut output) = ([0_u8; SALT_BYTES], [0_u8; HASH_BYTES]);
    entropy.fill(&mut salt)?;
    entropy.fill(&mut output)?;
    let made = || {
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: params.try_into().ok()?,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&output).ok()?),
        };
        Some(Secret::from(hash.to_string()))
    };
    Ok(made())
}

impl Identity {
    /// How many password hashes were computed since the room opened.
    #[must_use]
    pub fn password_hashes(&self) -> u64 {
        self.hasher.computed()
    }

    /// Checks and hashes a new password.
    pub(crate) async fn new_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<StoredPassword, AdministrationError> {
        check_password(username, password, &self.config.passwords)?;
        let phc = self.hasher.hash(password, self.salt()?).await;
        let phc = phc.map_err(|error| match error {
            HashError::Busy => AdministrationError::Busy,
            HashError::Failed => AdministrationError::Failed,
        })?;
        Ok(StoredPassword { phc, changed_at: self.now() })
    }

    pub(crate) fn salt(&self) -> Result<[u8; SALT_BYTES], EntropyError> {
        let mut salt = [0; SALT_BYTES];
        self.surroundings.entropy.fill(&mut salt)?;
        Ok(salt)
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::SeededEntropy;

    use super::*;

    fn policy() -> PasswordPolicy {
        PasswordPolicy {
            memory_kib: 64,
            iterations: 1,
            concurrent: 1,
            queue: 1,
            ..Default::default()
        }
    }

    fn hasher(policy: &PasswordPolicy) -> PasswordHasher {
        PasswordHasher::new(policy, &SeededEntropy::new(1)).unwrap().unwrap()
    }

    #[test]
    fn a_password_follows_the_rules() {
        let check = |password: &[u8]| {
            check_password("Hae-chi-beast", &Secret::new(password.to_vec()), &policy())
        };
        assert_eq!(check(b"correct horse"), Ok(()));
        assert_eq!(check("비밀번호".as_bytes()), Ok(()));
        assert_eq!(check(b"1234567"), Err(PasswordError::TooShort(8)));
        assert_eq!(check(&[b'a'; 1024]), Ok(()));
        assert_eq!(check(&[b'a'; 1025]), Err(PasswordError::TooLong));
        assert_eq!(check(b"hae-CHI-beast"), Err(PasswordError::SameAsUsername));
        assert_eq!(check(b"12345678\0"), Err(PasswordError::NotText));
        assert_eq!(check(&[0xff; 9]), Err(PasswordError::NotText));
    }

    #[tokio::test]
    async fn a_hash_is_phc_and_verifies_with_its_own_parameters() {
        let (today, password) = (hasher(&policy()), Secret::from("correct horse".to_owned()));
        let phc = today.hash(&password, [7; 16]).await.unwrap();
        assert!(phc.expose_str().unwrap().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let tomorrow = hasher(&PasswordPolicy { iterations: 2, ..policy() });
        assert!(tomorrow.verify(&password, &phc).await.unwrap());
        assert!(!tomorrow.verify(&Secret::from("wrong".to_owned()), &phc).await.unwrap());
        assert!(tomorrow.is_outdated(&phc) && !today.is_outdated(&phc));
        assert_eq!((today.computed(), tomorrow.computed()), (1, 2));
    }

    #[tokio::test]
    async fn the_dummy_costs_what_a_real_hash_costs_and_is_nobodys() {
        let hasher = hasher(&policy());
        assert!(!hasher.is_outdated(hasher.dummy()));
        assert!(!hasher.verify(&Secret::from(String::new()), hasher.dummy()).await.unwrap());
        assert_eq!(hasher.computed(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn beyond_turns_and_queue_nobody_waits() {
        let slow = PasswordPolicy { memory_kib: 64 * 1024, ..policy() };
        let hasher = Arc::new(hasher(&slow));
        let attempt = || {
            let hasher = Arc::clone(&hasher);
            tokio::spawn(async move { hasher.hash(&Secret::from("x".to_owned()), [7; 16]).await })
        };
        let all = futures_all([attempt(), attempt(), attempt(), attempt()]).await;
        let busy = all.iter().filter(|done| matches!(done, Err(HashError::Busy))).count();
        let done = all.iter().filter(|done| done.is_ok()).count();
        assert!(busy >= 1 && done >= 2, "{busy} busy, {done} done");
    }

    async fn futures_all<T>(tasks: [tokio::task::JoinHandle<T>; 4]) -> Vec<T> {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        all
    }
}
