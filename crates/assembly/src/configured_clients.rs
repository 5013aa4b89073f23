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

#[cfg(test)]
mod tests {
    use haechi_core::ClientOrigin;
    use haechi_storage::Memory;

    use super::*;

    fn client(client_id: &str, role: &str) -> StoredClient {
        StoredClient {
            client_id: client_id.to_owned(),
            metadata: "{}".to_owned(),
            secret_sha256: None,
            origin: ClientOrigin::Operator,
            roles: [role.to_owned()].into(),
            created_at: Timestamp::default(),
            expires_at: None,
        }
    }

    #[tokio::test]
    async fn a_client_of_the_settings_goes_before_one_of_the_store_and_stays() {
        let store: Arc<dyn ClientStore> = Arc::new(Memory::new());
        for name in ["app", "other"] {
            store.add(client(name, "of-the-store")).await.unwrap();
        }
        let all = ConfiguredClients::new(vec![client("app", "of-the-settings")], store);
        let role = async |name: &str| {
            let found = all.by_id(name).await.unwrap();
            found.and_then(|client| client.roles.into_iter().next())
        };
        assert_eq!(role("app").await.as_deref(), Some("of-the-settings"));
        assert_eq!(role("other").await.as_deref(), Some("of-the-store"));
        assert!(matches!(all.add(client("app", "x")).await, Err(StoreError::Exists(_))));
        assert!(matches!(all.replace(client("app", "x")).await, Err(StoreError::Exists(_))));
        all.remove("app").await.unwrap();
        assert_eq!(role("app").await.as_deref(), Some("of-the-settings"));
    }
}
