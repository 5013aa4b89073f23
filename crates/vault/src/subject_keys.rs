//! The keys of persons, as keys of values need them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use haechi_core::{Entropy, ProtectError, Secret, Sid};
use zeroize::Zeroizing;

use crate::derive::{KEY_BYTES, Refused, derive};
use crate::working::WorkingKey;

/// Gives the key of a person, for as long as there is one.
///
/// # Contract
///
/// A key that was destroyed, by whichever process, is given no more: whoever keeps keys at hand looks
/// at the store's epoch first. What was derived from a key lives inside it and goes with it.
#[async_trait]
pub trait SubjectKeys: Send + Sync + fmt::Debug {
    /// The key new values of `sid` are sealed with.
    ///
    /// # Errors
    ///
    /// [`ProtectError::Gone`] once the person was erased, [`ProtectError::Disabled`] while the use of
    /// its keys is restricted, [`ProtectError::Unknown`] when there never was one,
    /// [`ProtectError::Unavailable`] when the keys cannot be read.
    async fn key_of(&self, sid: &Sid) -> Result<Arc<SubjectKey>, ProtectError>;

    /// The key of `sid` in `version`, which older values are sealed with.
    ///
    /// # Errors
    ///
    /// As [`Self::key_of`].
    async fn version_of(&self, sid: &Sid, version: u32) -> Result<Arc<SubjectKey>, ProtectError>;

    /// As [`Self::version_of`], also while the use of the keys is restricted: what a person asks to
    /// see of itself is shown all the same.
    ///
    /// # Errors
    ///
    /// As [`Self::key_of`].
    async fn version_for_export(
        &self,
        sid: &Sid,
        version: u32,
    ) -> Result<Arc<SubjectKey>, ProtectError> {
        self.version_of(sid, version).await
    }
}

/// The key of one person in one version, and what was derived from it so far.
pub struct SubjectKey {
    sid: Sid,
    version: u32,
    secret: Zeroizing<[u8; KEY_BYTES]>,
    derived: Mutex<HashMap<(u32, u32), Arc<WorkingKey>>>,
}

/// A person's key must have 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of a person must have 32 bytes")]
pub struct SubjectKeyError;

impl SubjectKey {
    /// The key of `sid` in `version`.
    ///
    /// # Errors
    ///
    /// [`SubjectKeyError`] when `secret` has not 32 bytes.
    pub fn new(sid: Sid, version: u32, secret: &Secret) -> Result<Self, SubjectKeyError> {
        let bytes = <[u8; KEY_BYTES]>::try_from(secret.expose()).map_err(|_| SubjectKeyError)?;
        Ok(Self {
            sid,
            version,
            secret: Zeroizing::new(bytes),
            derived: Mutex::new(HashMap::new()),
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn sid(&self) -> &Sid {
        &self.sid
    }

    /// Which of the person's keys it is.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// 32 bytes for `purpose`, the same each time; other purposes tell nothing of them.
    ///
    /// # Errors
    ///
    /// [`ProtectError::Unavailable`] when the cryptography refuses.
    pub fn derive(&self, purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, ProtectError> {
        derive(self.secret.as_slice(), &[b"haechi subject 1", purpose])
            .map_err(|refused| ProtectError::Unavailable(Box::new(refused)))
    }

    /// The working key for the version `id` of a tenant's key, made by `make` on first use.
    pub(crate) fn working(
        &self,
        id: (u32, u32),
        make: impl FnOnce(&[u8]) -> Result<WorkingKey, Refused>,
    ) -> Result<Arc<WorkingKey>, Refused> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = derived.get(&id) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(make(self.secret.as_slice())?);
        derived.insert(id, Arc::clone(&key));
        Ok(key)
    }
}

/// Shows whose key it is and nothing of the key.
impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey")
            .field("sid", &self.sid)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Keys of persons that live as long as the process: for tests, and where nothing about persons is
/// to outlive it. Whoever asks for a person first makes the key.
#[derive(Debug)]
pub struct MemorySubjectKeys {
    entropy: Arc<dyn Entropy>,
    keys: Mutex<HashMap<Sid, Option<Arc<SubjectKey>>>>,
}

impl MemorySubjectKeys {
    /// No keys yet.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, keys: Mutex::new(HashMap::new()) }
    }

    /// Destroys the key of `sid` for good.
    pub fn destroy(&self, sid: &Sid) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(sid.clone(), None);
    }

    fn fresh(&self, sid: &Sid) -> Result<Arc<SubjectKey>, ProtectError> {
        let unavailable = |error| ProtectError::Unavailable(error);
        let mut secret = Zeroizing::new(vec![0; KEY_BYTES]);
        self.entropy.fill(&mut secret).map_err(|error| unavailable(Box::new(error)))?;
        let secret = Secret::new(secret.to_vec());
        let key = SubjectKey::new(sid.clone(), 1, &secret);
        key.map(Arc::new).map_err(|error| unavailable(Box::new(error)))
    }
}

#[async_trait]
impl SubjectKeys for MemorySubjectKeys {
    async fn key_of(&self, sid: &Sid) -> Result<Arc<SubjectKey>, ProtectError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = keys.get(sid) {
            return standing.clone().ok_or(ProtectError::Gone);
        }
        let key = self.fresh(sid)?;
        keys.insert(sid.clone(), Some(Arc::clone(&key)));
        Ok(key)
    }

    async fn version_of(&self, sid: &Sid, version: u32) -> Result<Arc<SubjectKey>, ProtectError> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.get(sid) {
            Some(Some(key)) if key.version() == version => Ok(Arc::clone(key)),
            Some(None) => Err(ProtectError::Gone),
            Some(Some(_)) | None => Err(ProtectError::Unknown),
        }
    }
}
