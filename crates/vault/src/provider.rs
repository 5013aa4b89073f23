//! Where the root key comes from: the one key that wraps all others.

mod age;
mod environment;
mod error;
mod file;
#[cfg(feature = "aws-kms")]
mod kms;
mod passphrase;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod private;
#[cfg(any(feature = "transit", feature = "aws-kms"))]
mod service;
#[cfg(feature = "aws-kms")]
mod sigv4;
#[cfg(feature = "transit")]
mod transit;
mod wrapped;

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use haechi_core::{Entropy, Secret};

pub use environment::EnvironmentRoot;
pub use error::ProviderError;
pub use file::FileRoot;
#[cfg(feature = "aws-kms")]
pub use kms::{AwsCredentials, KmsConfig, KmsWrapper};
pub use passphrase::PassphraseRoot;
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Config, Pkcs11Wrapper};
#[cfg(feature = "transit")]
pub use transit::{TransitConfig, TransitWrapper};
pub use wrapped::{RootWrapper, Wrapped, WrappedRoot};

/// How long a root key is, in bytes.
pub const ROOT_KEY_BYTES: usize = 32;

/// Gives the root key, or makes and keeps one on first use.
///
/// A provider is asked at start and when keys are rewrapped, never for a single value. What it keeps
/// is durable when the future resolves, and of several processes that make a root at once, one does.
#[async_trait]
pub trait RootProvider: Send + Sync + fmt::Debug {
    /// What settings and `haechi vault status` call it.
    fn name(&self) -> &'static str;

    /// The file in which it keeps the root, wrapped or not; `None` when it keeps no file.
    fn place(&self) -> Option<&Path>;

    /// The key under which another keeps the root, in that keeper's words, as the file says it;
    /// `None` when the root is not wrapped, or not there yet.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] when the file cannot be read.
    fn wrapped_under(&self) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }

    /// The root, when there is one. Whoever has sealed values already asks for this and makes none.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] when there is one and it does not open.
    async fn find(&self) -> Result<Option<Secret>, ProviderError>;

    /// The root, made from [`ROOT_KEY_BYTES`] of chance when there is none.
    ///
    /// # Errors
    ///
    /// [`ProviderError`]; one that does not open is never replaced by a new one.
    async fn unseal(&self) -> Result<Secret, ProviderError>;

    /// Keeps `root`. A root that stands there already must be the same, unless it stands at `over`.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Occupied`] for another root; what stood there then stays.
    async fn keep(&self, root: &Secret, over: Option<&Path>) -> Result<(), ProviderError>;

    /// Whether a root is there and opens now. Nothing is made.
    ///
    /// # Errors
    ///
    /// As [`RootProvider::find`].
    async fn health(&self) -> Result<Health, ProviderError> {
        Ok(if self.find().await?.is_some() { Health::Opens } else { Health::Empty })
    }
}

/// What [`RootProvider::health`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The root is there and was opened.
    Opens,
    /// None is kept yet; the first use makes one.
    Empty,
}

/// What [`rewrap_root`] left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// The file in which the former provider still keeps the same root. Whoever may read it, or a
    /// backup of it, needs the new provider no more.
    pub left: Option<PathBuf>,
}

/// Gives the root of `old` to `new`. The root itself stays the same: nothing sealed is touched.
///
/// `new` has shown that it opens what it wrapped before anything of `old` is replaced, and a crash
/// leaves the one or the other.
///
/// # Errors
///
/// [`ProviderError::Absent`] when `old` keeps no root, else what either says.
pub async fn rewrap_root(
    old: &dyn RootProvider,
    new: &dyn RootProvider,
) -> Result<Rewrapped, ProviderError> {
    let root = old.find().await?.ok_or(ProviderError::Absent(old.name()))?;
    new.keep(&root, old.place()).await?;
    let found = new.find().await?.ok_or(ProviderError::Absent(new.name()))?;
    if !found.matches(&root) {
        return Err(ProviderError::Changed(new.name()));
    }
    let left = old.place().filter(|place| new.place() != Some(*place));
    Ok(Rewrapped { left: left.map(Path::to_owned) })
}

/// A new root.
fn make_root(entropy: &dyn Entropy) -> Result<Secret, ProviderError> {
    let mut bytes = vec![0; ROOT_KEY_BYTES];
    entropy.fill(&mut bytes).map_err(|_| ProviderError::Entropy)?;
    Ok(Secret::new(bytes))
}

/// Refuses what cannot be a root before it is kept anywhere.
fn check_length(root: &Secret) -> Result<(), ProviderError> {
    if root.len() == ROOT_KEY_BYTES { Ok(()) } else { Err(ProviderError::Malformed) }
}
