//! The vault: values made unreadable, and readable again.

mod open;
mod protect;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{
    Clock, Entropy, Opened, Place, ProtectError, Protection, Protector, Recognized, Secret, Sid,
    ToOpen, ToProtect, TokenStore, VaultKeyStore, VaultPurpose,
};

use crate::config::VaultConfig;
use crate::derive::Refused;
use crate::keyring::{Keyring, Material, Root};
use crate::problem::unavailable;
use crate::subject_keys::{SubjectKey, SubjectKeys};
use crate::text;

/// The stores a vault works on.
#[derive(Clone, Debug)]
pub struct VaultStores {
    /// Its keys.
    pub keys: Arc<dyn VaultKeyStore>,
    /// What tokens stand for.
    pub tokens: Arc<dyn TokenStore>,
    /// The keys of persons.
    pub subjects: Arc<dyn SubjectKeys>,
}

/// Why a vault was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultOpenError {
    /// A root key has 32 bytes.
    #[error("the root key has {found} bytes, and 32 are needed")]
    RootLength {
        /// How many it has.
        found: usize,
    },
    /// The keys in the store were made under another root key.
    #[error("the keys in the store were made under another root key")]
    OtherRoot,
    /// The keys cannot be read.
    #[error("the keys of the vault cannot be read")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps keys and tokens. All of it can be shared between threads; other processes may work on the
/// same stores.
pub struct Vault {
    pub(crate) keyring: Keyring,
    pub(crate) tokens: Arc<dyn TokenStore>,
    pub(crate) subjects: Arc<dyn SubjectKeys>,
    pub(crate) config: VaultConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// A vault over `stores` with the keys that `root` unwraps. Keys are made on first use.
    ///
    /// # Errors
    ///
    /// [`VaultOpenError::OtherRoot`] when there are keys and `root` does not unwrap them.
    pub async fn open(
        stores: VaultStores,
        root: &Secret,
        config: VaultConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, VaultOpenError> {
        let length = |_: Refused| VaultOpenError::RootLength { found: root.len() };
        let root = Root::new(root).map_err(length)?;
        let seals = config.seals_per_key.min(1 << 32);
        let chance = (Arc::clone(&clock), Arc::clone(&entropy));
        let VaultStores { keys, tokens, subjects } = stores;
        let keyring = Keyring::new(keys, root, seals, chance);
        keyring.check_root().await?;
        Ok(Self { keyring, tokens, subjects, config, clock, entropy })
    }

    /// An envelope of `value`, which must be UTF-8, for one place.
    ///
    /// # Errors
    ///
    /// As [`Protector::protect`]; [`ProtectError::Unknown`] for what is not UTF-8.
    pub async fn encrypt(
        &self,
        place: &Place,
        value: &Secret,
        subject: Option<&Sid>,
    ) -> Result<String, ProtectError> {
        let value = value.expose_str().ok_or(ProtectError::Unknown)?;
        let how = Protection::Seal;
        self.protect_one(ToProtect { how, value, place, subject, receiver: None }).await
    }

    /// What anything that was protected holds.
    ///
    /// # Errors
    ///
    /// As [`Protector::open`].
    pub async fn decrypt(&self, place: &Place, text: &str) -> Result<Opened, ProtectError> {
        self.keyring.refresh().await?;
        self.open_one(ToOpen { text, place }).await
    }

    /// The key that finds tokens of `tenant`; with `person`, what that person's values are compared by.
    pub(crate) async fn index(&self, tenant: &Arc<str>) -> Result<Arc<Material>, ProtectError> {
        self.keyring.primary(tenant, VaultPurpose::Index, &Arc::from("")).await
    }
}

#[async_trait]
impl Protector for Vault {
    async fn protect(&self, values: &[ToProtect<'_>]) -> Result<Vec<String>, ProtectError> {
        self.protect_all(values).await
    }

    fn recognize(&self, text: &str) -> Vec<Recognized> {
        text::recognize(text)
    }

    async fn open(&self, texts: &[ToOpen<'_>]) -> Vec<Result<Opened, ProtectError>> {
        self.open_all(texts).await
    }

    async fn keyed_number(
        &self,
        tenant: &str,
        purpose: &str,
        subject: Option<&Sid>,
    ) -> Result<u64, ProtectError> {
        self.keyring.refresh().await?;
        let index = self.index(&Arc::from(tenant)).await?;
        let person = match subject {
            Some(sid) => Some(self.subjects.key_of(sid).await?),
            None => None,
        };
        let digest = digest(&index, person.as_deref(), &[b"number", purpose.as_bytes()])?;
        let number = digest.first_chunk::<8>().ok_or_else(|| unavailable(Refused))?;
        Ok(u64::from_be_bytes(*number))
    }
}

/// The keyed digest of `parts`.
pub(crate) fn digest(
    key: &Material,
    person: Option<&SubjectKey>,
    parts: &[&[u8]],
) -> Result<[u8; 32], ProtectError> {
    let working = key.working(person).map_err(unavailable)?;
    Ok(working.mac().map_err(unavailable)?.digest(parts))
}

/// Shows nothing of what is kept.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("config", &self.config).finish_non_exhaustive()
    }
}
