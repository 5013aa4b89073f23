//! The keys that a client signs its assertions with.

use std::sync::Arc;

use haechi_identity::jose::{Algorithm, KeySet};

use super::Client;
use super::document::{checked_host, plain_url};
use super::error::{ClientError, DocumentError};
use super::metadata::ClientKeys;
use super::readings::{Asked, Readings};
use crate::AuthorizationServer;
use crate::ensure::ensure;

/// The largest set of keys, in bytes.
const MAX_KEY_SET_BYTES: usize = 64 << 10;
/// Media types of a key set (RFC 7517 §8.5.2, RFC 8259 §11).
const MEDIA_TYPES: [&str; 2] = ["application/jwk-set+json", "application/json"];

/// Sets of keys that were read.
pub(crate) type KeySets = Readings<KeySet>;

impl AuthorizationServer {
    /// The client's keys; those it publishes are read again when the one that is looked for is not
    /// among them.
    pub(super) async fn client_keys(
        &self,
        client: &Client,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, ClientError> {
        match &client.metadata.keys {
            None => Err(ClientError::NoKeys),
            Some(ClientKeys::Given { keys, .. }) => Ok(Arc::clone(keys)),
            Some(ClientKeys::Url(url)) => {
                let holds = |keys: &KeySet| keys.find(key_id, algorithm).is_some();
                self.published_keys(url, holds).await.map_err(|error| {
                    tracing::debug!(reason = error.word(), "keys of a client were not read");
                    ClientError::NoKeys
                })
            }
        }
    }

    async fn published_keys(
        &self,
        url: &str,
        holds: impl Fn(&KeySet) -> bool,
    ) -> Result<Arc<KeySet>, DocumentError> {
        let host = checked_host(&plain_url(url)?, &self.config)?;
        let asked = Asked { url, host: &host, now: self.rooms.clock.now() };
        let fetch = async {
            let fetched = self.rooms.fetch.fetch_within(url, MAX_KEY_SET_BYTES).await?;
            let known = MEDIA_TYPES.contains(&fetched.content_type.as_str());
            ensure(known, DocumentError::MediaType)?;
            let keys =
                KeySet::from_jwks(&fetched.body, false).map_err(|_| DocumentError::KeySet)?;
            ensure(!keys.is_empty(), DocumentError::KeySet)?;
            Ok((keys, fetched))
        };
        self.key_sets.read(asked, holds, fetch).await
    }
}
