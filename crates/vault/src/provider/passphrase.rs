//! The root key in an `age` file that a passphrase opens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{Entropy, Secret};

use super::age::{self, AgeError};
use super::{ProviderError, ROOT_KEY_BYTES, RootProvider, check_length, make_root, private};

/// 2^18 steps and 256 MiB: about a second, as `age` itself chooses.
const LOG_N: u8 = 18;

/// A root key sealed under a passphrase by scrypt (RFC 7914), in a file that the program `age` opens
/// too: `age -d root.age` gives the 32 bytes.
#[derive(Debug)]
pub struct PassphraseRoot {
    path: PathBuf,
    passphrase: Secret,
    entropy: Arc<dyn Entropy>,
    log_n: u8,
}

impl PassphraseRoot {
    /// The root in the file `path` (by convention `root.age`), which may not be there yet. A line
    /// end after the passphrase, as editors leave one in a file, is no part of it.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NoPassphrase`] when it is empty.
    pub fn new(
        path: PathBuf,
        passphrase: &Secret,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ProviderError> {
        let text = passphrase.expose();
        let text = text.strip_suffix(b"\n").map_or(text, |it| it.strip_suffix(b"\r").unwrap_or(it));
        if text.is_empty() {
            return Err(ProviderError::NoPassphrase);
        }
        Ok(Self { path, passphrase: Secret::new(text.to_vec()), entropy, log_n: LOG_N })
    }

    /// Makes new files with 2^`log_n` steps of scrypt, between 10 and 20; 18 unless said.
    #[must_use]
    pub fn with_work_factor(mut self, log_n: u8) -> Self {
        self.log_n = log_n.clamp(10, age::MAX_LOG_N);
        self
    }

    /// Runs `work` where it may take its second and its memory.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Secret) -> Result<T, AgeError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let passphrase = self.passphrase.clone();
        let done = tokio::task::spawn_blocking(move || work(&passphrase)).await;
        let path = self.path.clone();
        done.map_err(|_| ProviderError::CutOff)?.map_err(|error| match error {
            AgeError::Malformed => ProviderError::Damaged(path),
            AgeError::NotOpened => ProviderError::WrongPassphrase(path),
            AgeError::TooCostly(log_n) => ProviderError::TooCostly { path, log_n },
            AgeError::Entropy => ProviderError::Entropy,
        })
    }

    async fn seal(&self, root: &Secret) -> Result<Vec<u8>, ProviderError> {
        let (root, log_n, entropy) = (root.clone(), self.log_n, Arc::clone(&self.entropy));
        self.aside(move |passphrase| age::seal(passphrase, log_n, root.expose(), &*entropy)).await
    }

    async fn make(&self, root: &Secret) -> Result<Secret, ProviderError> {
        private::create(&self.path, &self.seal(root).await?, &*self.entropy)?;
        self.find().await?.ok_or_else(|| ProviderError::Damaged(self.path.clone()))
    }
}

#[async_trait]
impl RootProvider for PassphraseRoot {
    fn name(&self) -> &'static str {
        "passphrase"
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.path)
    }

    async fn find(&self) -> Result<Option<Secret>, ProviderError> {
        let Some(file) = private::read(&self.path)? else { return Ok(None) };
        let root = self.aside(move |passphrase| age::open(passphrase, file.expose())).await?;
        if root.len() != ROOT_KEY_BYTES {
            return Err(ProviderError::Damaged(self.path.clone()));
        }
        Ok(Some(root))
    }

    async fn unseal(&self) -> Result<Secret, ProviderError> {
        match self.find().await? {
            Some(root) => Ok(root),
            None => self.make(&make_root(&*self.entropy)?).await,
        }
    }

    async fn keep(&self, root: &Secret, over: Option<&Path>) -> Result<(), ProviderError> {
        check_length(root)?;
        if over == Some(self.path.as_path()) {
            return private::replace(&self.path, &self.seal(root).await?, &*self.entropy);
        }
        let kept = match self.find().await? {
            Some(kept) => kept,
            None => self.make(root).await?,
        };
        if kept.matches(root) { Ok(()) } else { Err(ProviderError::Occupied(self.path.clone())) }
    }
}
