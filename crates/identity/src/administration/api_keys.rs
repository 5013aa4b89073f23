//! API keys: add, list, revoke.

use haechi_core::{Restriction, Secret, StoreError, StoredApiKey, Timestamp};

use super::AdministrationError;
use super::users::{check_text, gone};
use crate::Identity;

/// A glob of a restriction has at most this many bytes, and there are at most this many of a kind.
const MAX_GLOB_BYTES: usize = 256;
const MAX_GLOBS: usize = 64;

/// An API key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    /// Whose rights it carries.
    pub username: String,
    /// What it is for, in its owner's words; at most 256 bytes.
    pub label: String,
    /// What it is narrowed to.
    pub restriction: Restriction,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made. Its text is shown this once and kept nowhere.
#[derive(Clone, Debug)]
pub struct AddedApiKey {
    /// The whole text, to be sent as a bearer token.
    pub text: Secret,
    /// What is kept of it.
    pub summary: ApiKeySummary,
}

/// An API key without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeySummary {
    /// Public id.
    pub key_id: String,
    /// Whose rights it carries.
    pub user_id: String,
    /// What it is for.
    pub label: String,
    /// What it is narrowed to.
    pub restriction: Restriction,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl From<StoredApiKey> for ApiKeySummary {
    fn from(key: StoredApiKey) -> Self {
        Self {
            key_id: key.key_id,
            user_id: key.user_id,
            label: key.label,
            restriction: key.restriction,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

impl Identity {
    /// Makes an API key and tells its text, this once.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when there is no such user, or anything is not acceptable.
    pub async fn add_api_key(&self, new: NewApiKey) -> Result<AddedApiKey, AdministrationError> {
        let user = self.user(&new.username).await?;
        let now = self.now();
        check_text("label", Some(&new.label))?;
        check_restriction(&new.restriction)?;
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AdministrationError::EndsInThePast);
        }
        let made = self.make_api_key()?;
        let stored = StoredApiKey {
            key_id: made.key_id,
            secret_sha256: made.secret_sha256,
            user_id: user.user_id,
            label: new.label,
            restriction: new.restriction,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        self.stores.api_keys.add(stored.clone()).await.map_err(gone)?;
        Ok(AddedApiKey { text: made.text, summary: stored.into() })
    }

    /// All keys, oldest first; of one user where `username` is given.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn api_keys(
        &self,
        username: Option<&str>,
    ) -> Result<Vec<ApiKeySummary>, AdministrationError> {
        let user = match username {
            Some(username) => Some(self.user(username).await?.user_id),
            None => None,
        };
        let keys = self.stores.api_keys.list(user.as_deref()).await?;
        Ok(keys.into_iter().map(ApiKeySummary::from).collect())
    }

    /// Revokes a key; it is refused from the next request on. `false`: it was revoked already.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownApiKey`], or the store's.
    pub async fn revoke_api_key(&self, key_id: &str) -> Result<bool, AdministrationError> {
        let unknown = || AdministrationError::UnknownApiKey(key_id.to_owned());
        self.stores.api_keys.by_id(key_id).await?.ok_or_else(unknown)?;
        match self.stores.api_keys.revoke(key_id, self.now()).await {
            Err(StoreError::Missing(_)) => Err(unknown()),
            done => Ok(done?),
        }
    }
}

fn check_restriction(restriction: &Restriction) -> Result<(), AdministrationError> {
    for globs in [&restriction.upstreams, &restriction.tools] {
        let fits = |glob: &String| {
            let plain = crate::username::is_plain(glob, MAX_GLOB_BYTES);
            plain && !glob.is_empty()
        };
        if globs.len() > MAX_GLOBS || !globs.iter().all(fits) {
            return Err(AdministrationError::Text("restriction"));
        }
    }
    Ok(())
}
