//! A root key wrapped by a key that never leaves its keeper.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{Clock, Entropy, Secret};
use serde::{Deserialize, Serialize};

use super::{ProviderError, RootProvider, check_length, make_root, private};

/// What [`Kept::format`] must be.
const FORMAT: &str = "haechi-root/1";

/// A wrapped root, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The key it was wrapped under, in the words of its keeper.
    pub key_id: String,
    /// The ciphertext as text, in the keeper's own form.
    pub ciphertext: String,
}

/// Wraps a root key under a key that never leaves its keeper.
#[async_trait]
pub trait RootWrapper: Send + Sync + fmt::Debug {
    /// What settings call it.
    fn name(&self) -> &'static str;

    /// Makes a root and wraps it; a keeper that makes better keys than we do overrides this.
    ///
    /// # Errors
    ///
    /// As [`RootWrapper::wrap`].
    async fn generate(&self, entropy: &dyn Entropy) -> Result<(Secret, Wrapped), ProviderError> {
        let root = make_root(entropy)?;
        let wrapped = self.wrap(&root).await?;
        Ok((root, wrapped))
    }

    /// Wraps `root`.
    ///
    /// # Errors
    ///
    /// [`ProviderError`], when the keeper does not.
    async fn wrap(&self, root: &Secret) -> Result<Wrapped, ProviderError>;

    /// Opens what [`RootWrapper::wrap`] made.
    ///
    /// # Errors
    ///
    /// [`ProviderError::OtherKey`] before the keeper is asked, when settings name another key.
    async fn unwrap(&self, wrapped: &Wrapped) -> Result<Secret, ProviderError>;
}

/// Keeps the wrapped root in a file of mode 0600, by convention `root.wrapped` in the data directory.
#[derive(Debug)]
pub struct WrappedRoot {
    path: PathBuf,
    wrapper: Box<dyn RootWrapper>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// The file. Nothing in it is secret; who changes it can make the start fail, and no more.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: String,
    provider: String,
    key_id: String,
    ciphertext: String,
    /// RFC 3339, for people.
    created: String,
}

impl WrappedRoot {
    /// The root in the file `path`, which may not be there yet, opened by `wrapper`.
    #[must_use]
    pub fn new(
        path: PathBuf,
        wrapper: Box<dyn RootWrapper>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { path, wrapper, clock, entropy }
    }

    fn damaged(&self) -> ProviderError {
        ProviderError::Damaged(self.path.clone())
    }

    /// The file, whoever wrapped what is in it.
    fn read(&self) -> Result<Option<Kept>, ProviderError> {
        let Some(content) = private::read(&self.path)? else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(content.expose()).map_err(|_| self.damaged())?;
        if kept.format == FORMAT { Ok(Some(kept)) } else { Err(self.damaged()) }
    }

    fn written(&self, wrapped: &Wrapped) -> Result<Vec<u8>, ProviderError> {
        let kept = Kept {
            format: FORMAT.to_owned(),
            provider: self.wrapper.name().to_owned(),
            key_id: wrapped.key_id.clone(),
            ciphertext: wrapped.ciphertext.clone(),
            created: self.clock.now().to_string(),
        };
        let mut text = serde_json::to_vec_pretty(&kept).map_err(|_| self.damaged())?;
        text.push(b'\n');
        Ok(text)
    }

    async fn open(&self, kept: Kept) -> Result<Secret, ProviderError> {
        let Kept { provider, key_id, ciphertext, .. } = kept;
        if provider != self.wrapper.name() {
            let (path, expected) = (self.path.clone(), self.wrapper.name());
            return Err(ProviderError::OtherProvider { path, found: provider, expected });
        }
        let root = self.wrapper.unwrap(&Wrapped { key_id, ciphertext }).await?;
        if check_length(&root).is_err() {
            return Err(self.damaged());
        }
        Ok(root)
    }

    /// Wraps `root` and sees it open again before the file is touched.
    async fn wrap(&self, root: &Secret) -> Result<Vec<u8>, ProviderError> {
        let wrapped = self.wrapper.wrap(root).await?;
        if !self.wrapper.unwrap(&wrapped).await?.matches(root) {
            return Err(ProviderError::Changed(self.wrapper.name()));
        }
        self.written(&wrapped)
    }
}

#[async_trait]
impl RootProvider for WrappedRoot {
    fn name(&self) -> &'static str {
        self.wrapper.name()
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn wrapped_under(&self) -> Result<Option<String>, ProviderError> {
        Ok(self.read()?.map(|kept| kept.key_id))
    }

    async fn find(&self) -> Result<Option<Secret>, ProviderError> {
        match self.read()? {
            Some(kept) => self.open(kept).await.map(Some),
            None => Ok(None),
        }
    }

    async fn unseal(&self) -> Result<Secret, ProviderError> {
        if let Some(root) = self.find().await? {
            return Ok(root);
        }
        let (root, wrapped) = self.wrapper.generate(&*self.entropy).await?;
        check_length(&root)?;
        private::create(&self.path, &self.written(&wrapped)?, &*self.entropy)?;
        // Another process may have been first, and a root that does not open again must not be used.
        self.find().await?.ok_or_else(|| self.damaged())
    }

    async fn keep(&self, root: &Secret, over: Option<&Path>) -> Result<(), ProviderError> {
        check_length(root)?;
        let Some(kept) = self.read()? else {
            return private::create(&self.path, &self.wrap(root).await?, &*self.entropy);
        };
        if over == Some(self.path.as_path()) {
            return private::replace(&self.path, &self.wrap(root).await?, &*self.entropy);
        }
        let same = self.open(kept).await?.matches(root);
        if same { Ok(()) } else { Err(ProviderError::Occupied(self.path.clone())) }
    }
}
