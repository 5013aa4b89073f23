//! Clients of the authorization server, as administrators add and remove them.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_core::{ClientOrigin, ClientStore, Entropy, EntropyError, StoreError, StoredClient};
use haechi_identity::sha256;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{Done, Rooms};

/// How many clients an operator can look at in one go.
const MOST_LISTED: u32 = 10_000;

/// Why a client was not added or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAdministrationError {
    /// Two clients of one id.
    #[error("there is a client `{0}` already")]
    Exists(String),
    /// No such client, and nothing that was granted to it.
    #[error("there is no client `{0}`")]
    Missing(String),
    /// The id would be taken for the address of a metadata document, or is not one at all.
    #[error("`{0}` cannot be the id of a client")]
    Id(String),
    /// No random bytes for its id and secret.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store does not answer.
    #[error("the store of clients is not available")]
    Store(#[source] StoreError),
}

impl ClientAdministrationError {
    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Exists(_) => Some("remove it first, or take another `--client-id`"),
            Self::Missing(_) => Some("`haechi client list` shows those there are"),
            Self::Id(_) => Some("take letters, digits, `-`, `_` and `.`, at most 64 of them"),
            Self::Entropy(_) | Self::Store(_) => None,
        }
    }
}

/// A client that is to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Its id; made when absent.
    pub client_id: Option<String>,
    /// Its metadata (RFC 7591 §2), read strictly whenever it is used.
    pub metadata: String,
    /// Whether it gets a secret.
    pub secret: bool,
    /// Roles of the client itself.
    pub roles: BTreeSet<String>,
    /// Its life in seconds.
    pub lifetime_secs: Option<u64>,
}

/// A client as commands show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientView {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`, when it was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Its metadata (RFC 7591 §2).
    pub metadata: serde_json::Value,
    /// `operator` or `dynamic`: who brought it here.
    pub origin: String,
    /// Roles of the client itself.
    pub roles: BTreeSet<String>,
    /// When it was added.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
}

impl std::fmt::Debug for ClientView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientView").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Drop for ClientView {
    fn drop(&mut self) {
        self.client_secret.zeroize();
    }
}

impl From<StoredClient> for ClientView {
    fn from(client: StoredClient) -> Self {
        let origin = match client.origin {
            ClientOrigin::Operator => "operator",
            ClientOrigin::Dynamic => "dynamic",
        };
        Self {
            client_id: client.client_id,
            client_secret: None,
            metadata: serde_json::from_str(&client.metadata).unwrap_or_default(),
            origin: origin.to_owned(),
            roles: client.roles,
            created_at: client.created_at.to_string(),
            expires_at: client.expires_at.map(|at| at.to_string()),
        }
    }
}

impl Rooms {
    /// The clients of the store, by id.
    ///
    /// # Errors
    ///
    /// [`ClientAdministrationError::Store`].
    pub async fn clients(&self) -> Result<Vec<ClientView>, ClientAdministrationError> {
        let all = ClientStore::list(&self.store, None, MOST_LISTED).await;
        let all = all.map_err(ClientAdministrationError::Store)?;
        Ok(all.into_iter().map(ClientView::from).collect())
    }

    /// The client of the store with this id.
    ///
    /// # Errors
    ///
    /// [`ClientAdministrationError::Missing`], [`ClientAdministrationError::Store`].
    pub async fn client(&self, client_id: &str) -> Result<ClientView, ClientAdministrationError> {
        let found = ClientStore::by_id(&self.store, client_id).await;
        let found = found.map_err(ClientAdministrationError::Store)?;
        let missing = || ClientAdministrationError::Missing(client_id.to_owned());
        found.map(ClientView::from).ok_or_else(missing)
    }

    /// Adds a client. Its secret, 256 random bits, is told this once; its SHA-256 is kept.
    pub(crate) async fn add_client(
        &self,
        new: NewClient,
    ) -> Result<Done, ClientAdministrationError> {
        let client_id = match new.client_id {
            Some(id) if is_plain_id(&id) => id,
            Some(id) => return Err(ClientAdministrationError::Id(id)),
            None => random("hc_", 12, &*self.entropy)?.to_string(),
        };
        let secret = new.secret.then(|| random("hcs_", 32, &*self.entropy)).transpose()?;
        let now = self.clock.now();
        let lifetime = new.lifetime_secs.map(Duration::from_secs);
        let stored = StoredClient {
            client_id,
            metadata: new.metadata,
            secret_sha256: secret.as_ref().map(|secret| sha256(secret.as_bytes())),
            origin: ClientOrigin::Operator,
            roles: new.roles,
            created_at: now,
            expires_at: lifetime.map(|lifetime| now.after(lifetime)),
        };
        match ClientStore::add(&self.store, stored.clone()).await {
            Err(StoreError::Exists(_)) => {
                return Err(ClientAdministrationError::Exists(stored.client_id));
            }
            other => other.map_err(ClientAdministrationError::Store)?,
        }
        let mut view = ClientView::from(stored);
        view.client_secret = secret.map(|secret| secret.to_string());
        Ok(Done::Client(view))
    }

    /// Removes a client, with what was granted to it.
    pub(crate) async fn remove_client(
        &self,
        client_id: String,
    ) -> Result<Done, ClientAdministrationError> {
        match ClientStore::remove(&self.store, &client_id).await {
            Ok(()) => Ok(Done::Changed { changed: true }),
            Err(StoreError::Missing(_)) => Err(ClientAdministrationError::Missing(client_id)),
            Err(error) => Err(ClientAdministrationError::Store(error)),
        }
    }
}

/// Ids an operator may choose: no address, nothing that needs escaping.
fn is_plain_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= 64 && id.bytes().all(plain)
}

/// `prefix`, and `bytes` random bytes in hexadecimal.
fn random(
    prefix: &str,
    bytes: usize,
    entropy: &dyn Entropy,
) -> Result<Zeroizing<String>, EntropyError> {
    let mut random = Zeroizing::new(vec![0_u8; bytes]);
    entropy.fill(&mut random)?;
    // Room for all of it, so that no part of a secret is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 2 * bytes));
    text.push_str(prefix);
    for byte in random.iter() {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Ok(text)
}
