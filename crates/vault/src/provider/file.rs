//! The root key as it is, in a file that only its owner may read: the default.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{Entropy, Secret};

use super::{ProviderError, ROOT_KEY_BYTES, RootProvider, check_length, make_root, private};

/// A file of mode 0600 with the 32 bytes of the root key, made on first use.
#[derive(Debug)]
pub struct FileRoot {
    path: PathBuf,
    entropy: Arc<dyn Entropy>,
}

impl FileRoot {
    /// The root in the file `path`, which may not be there yet; its folder must be.
    #[must_use]
    pub fn new(path: PathBuf, entropy: Arc<dyn Entropy>) -> Self {
        Self { path, entropy }
    }

    fn read(&self) -> Result<Option<Secret>, ProviderError> {
        let found = private::read(&self.path)?;
        if found.as_ref().is_some_and(|root| root.len() != ROOT_KEY_BYTES) {
            return Err(ProviderError::Damaged(self.path.clone()));
        }
        Ok(found)
    }

    /// Writes `root` where none is, and gives what stands there then.
    fn settle(&self, root: &Secret) -> Result<Secret, ProviderError> {
        private::create(&self.path, root.expose(), &*self.entropy)?;
        self.read()?.ok_or_else(|| ProviderError::Damaged(self.path.clone()))
    }
}

#[async_trait]
impl RootProvider for FileRoot {
    fn name(&self) -> &'static str {
        "file"
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.path)
    }

    async fn find(&self) -> Result<Option<Secret>, ProviderError> {
        self.read()
    }

    async fn unseal(&self) -> Result<Secret, ProviderError> {
        match self.read()? {
            Some(root) => Ok(root),
            None => self.settle(&make_root(&*self.entropy)?),
        }
    }

    async fn keep(&self, root: &Secret, _: Option<&Path>) -> Result<(), ProviderError> {
        check_length(root)?;
        let kept = match self.read()? {
            Some(kept) => kept,
            None => self.settle(root)?,
        };
        if kept.matches(root) { Ok(()) } else { Err(ProviderError::Occupied(self.path.clone())) }
    }
}
