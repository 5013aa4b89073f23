//! What clients were granted: list, revoke.

use haechi_core::StoredGrant;

use super::AdministrationError;
use crate::Identity;

impl Identity {
    /// The grants that stand, oldest first; of a user (its `user_id`), of a client, where given.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn grants(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
    ) -> Result<Vec<StoredGrant>, AdministrationError> {
        Ok(self.stores.grants.list(user_id, client_id, self.now()).await?)
    }

    /// Revokes one grant: all access and refresh tokens that follow from it, from the next request
    /// on. `false`: there is none, or it was revoked before.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn revoke_grant(&self, grant_id: &str) -> Result<bool, AdministrationError> {
        Ok(self.stores.grants.revoke(grant_id, self.now()).await?)
    }

    /// Revokes the grants that stand of a user, or of a client, or of both; answers how many. Neither
    /// means none.
    ///
    /// # Errors
    ///
    /// The store's; then some may stand.
    pub async fn revoke_grants(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
    ) -> Result<u64, AdministrationError> {
        if user_id.is_none() && client_id.is_none() {
            return Ok(0);
        }
        let mut revoked = 0_u64;
        for grant in self.grants(user_id, client_id).await? {
            let newly = self.revoke_grant(&grant.grant_id).await?;
            revoked = revoked.saturating_add(u64::from(newly));
        }
        Ok(revoked)
    }
}
