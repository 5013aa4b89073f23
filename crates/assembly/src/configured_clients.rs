//! Clients of the settings before those of the store.

use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{ClientStore, StoreError, StoredClient, Timestamp};

/// A store whose first clients stand in the settings: they can be neither replaced nor removed.
#[derive(Debug)]
pub struct ConfiguredClients {
    clients: Vec<StoredClient>,
    store: Arc<dyn ClientStore>,
}

impl ConfiguredClients {
    /// `clients` before those of `store`.
    #[must_use]
    pub fn new(clients: Vec<StoredClient>, store: Arc<dyn ClientStore>) -> Self {
        Self { clients, store }
    }

    fn configured(&self, client_id: &str) -> Option<&StoredClient> {
        self.clients.iter().find(|client| client.client_id == client_id)
    }
}

#[async_trait]
impl ClientStore for ConfiguredClients {
    async fn add(&self, client: StoredClient) -> Result<(), StoreError> {
        match self.configured(&client.client_id) {
            Some(_) => Err(StoreError::Exists(client.client_id)),
            None => self.store.add(client).await,
        }
    }

    async fn by_id(&self, client_id: &str) -> Result<Option<StoredClient>, StoreError> {
        match self.configured(client_id) {
            Some(client) => Ok(Some(client.clone())),
            None => self.store.by_id(client_id).await,
        }
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredClient>, StoreError> {
        self.store.list(after, limit).await
    }

    async fn replace(&self, client: StoredClient) -> Result<(), StoreError> {
        match self.configured(&client.client_id) {
            Some(_) => Err(StoreError::Exists(client.client_id)),
            None => self.store.replace(client).await,
        }
    }

    async fn remove(&self, client_id: &str) -> Result<(), StoreError> {
        self.store.remove(client_id).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.store.forget(before).await
    }
}
