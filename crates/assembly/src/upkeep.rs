//! What is over and nobody asks for any more.

use std::time::Duration;

use haechi_core::{BrowserSessionStore, ClientStore, GrantStore, StoreError, TicketStore};
use haechi_identity::AdministrationError;

use crate::Rooms;

/// How long what was granted is kept after its end, for whoever looks what happened.
const GRANTS_STAY: Duration = Duration::from_secs(24 * 3600);

impl Rooms {
    /// Forgets what has ended: revocations of what expired, clients with an end, grants with their
    /// refresh tokens, tickets and sessions of browsers. Answers how many there were.
    ///
    /// # Errors
    ///
    /// The store's; what was forgotten before stays forgotten.
    pub async fn forget_ended(&self) -> Result<u64, AdministrationError> {
        let revocations = self.identity.forget_expired().await?;
        Ok(revocations.saturating_add(self.forget_authorizations().await?))
    }

    async fn forget_authorizations(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let long_ago = now.before(GRANTS_STAY);
        let forgotten = [
            ClientStore::forget(&self.store, long_ago).await?,
            GrantStore::forget(&self.store, long_ago).await?,
            TicketStore::forget(&self.store, now).await?,
            BrowserSessionStore::forget(&self.store, now).await?,
        ];
        Ok(forgotten.into_iter().fold(0, u64::saturating_add))
    }
}
