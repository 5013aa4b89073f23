//! What persons granted clients, and where they are signed in: ended by an administrator.

use haechi_core::{BrowserSessionStore, ConsentStore, StoreError};
use haechi_identity::AdministrationError;

use super::{Administrator, Failure};
use crate::{Act, Done, Rooms};

impl Administrator {
    /// Ends what `act` names. What it does not know changes nothing.
    pub(super) async fn end(&self, act: Act) -> Result<Done, Failure> {
        let (rooms, identity) = (&self.rooms, &self.rooms.identity);
        let changed = match act {
            Act::RevokeGrant { grant_id } => revoke_grant(rooms, &grant_id).await?,
            Act::RevokeGrants { username, client_id } => {
                let user_id = match username {
                    Some(username) => Some(identity.user(&username).await?.user_id),
                    None => None,
                };
                revoke_grants(rooms, user_id.as_deref(), client_id.as_deref()).await?
            }
            Act::EndSessions { username } => {
                let user_id = identity.user(&username).await?.user_id;
                sign_out(rooms, &user_id).await? > 0
            }
            Act::ResetSecondFactors { username } => {
                let changed = identity.reset_second_factors(&username).await?;
                let user_id = identity.user(&username).await?.user_id;
                sign_out(rooms, &user_id).await?;
                changed
            }
            _ => false,
        };
        Ok(Done::Changed { changed })
    }

    /// Everything a user holds.
    pub(super) async fn end_all(&self, user_id: &str) -> Result<(), Failure> {
        let (rooms, identity) = (&self.rooms, &self.rooms.identity);
        identity.revoke_subject(identity.issuer(), user_id).await?;
        sign_out(rooms, user_id).await?;
        Ok(())
    }
}

/// A client whose grant was revoked by an administrator asks the person again. Consents go first: a
/// code that is redeemed meanwhile finds none, or its grant is among those that end.
async fn revoke_grant(rooms: &Rooms, grant_id: &str) -> Result<bool, Failure> {
    let standing = rooms.identity.grants(None, None).await?;
    let Some(grant) = standing.into_iter().find(|grant| grant.grant_id == grant_id) else {
        return Ok(false);
    };
    forget_consent(rooms, &grant.user_id, &grant.client_id).await?;
    Ok(rooms.identity.revoke_grant(grant_id).await?)
}

async fn revoke_grants(
    rooms: &Rooms,
    user_id: Option<&str>,
    client_id: Option<&str>,
) -> Result<bool, Failure> {
    if user_id.is_none() && client_id.is_none() {
        return Ok(false);
    }
    let mut consented = Vec::new();
    if let Some(user_id) = user_id {
        let consents = ConsentStore::list(&rooms.store, user_id, client_id).await;
        let consents = consents.map_err(unavailable)?;
        consented.extend(consents.into_iter().map(|it| (it.user_id, it.client_id)));
    }
    let grants = rooms.identity.grants(user_id, client_id).await?;
    consented.extend(grants.into_iter().map(|grant| (grant.user_id, grant.client_id)));
    let mut forgotten = false;
    for (user_id, client_id) in consented {
        forgotten |= forget_consent(rooms, &user_id, &client_id).await?;
    }
    let revoked = rooms.identity.revoke_grants(user_id, client_id).await? > 0;
    Ok(revoked || forgotten)
}

async fn forget_consent(rooms: &Rooms, user_id: &str, client_id: &str) -> Result<bool, Failure> {
    let removed = ConsentStore::remove(&rooms.store, user_id, client_id).await;
    Ok(removed.map_err(unavailable)? > 0)
}

async fn sign_out(rooms: &Rooms, user_id: &str) -> Result<u64, Failure> {
    let ended = BrowserSessionStore::remove_all(&rooms.store, user_id).await;
    ended.map_err(unavailable)
}

fn unavailable(error: StoreError) -> Failure {
    AdministrationError::from(error).into()
}
