//! Clients of the own authorization server in memory, what they were granted, and consents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;
use haechi_core::{
    ClientStore, ConsentStore, GrantStore, Rotation, SecretDigest, StoreError, StoredClient,
    StoredConsent, StoredGrant, StoredRefreshToken, Timestamp,
};

use super::{Memory, State, forgotten};
use crate::merge::{Presented, grant_stands, presented};
use crate::rule::{belongs, exists, missing, named, object, object_or_nothing};
use crate::written::Written;

/// Clients, and what persons granted them.
#[derive(Default)]
pub(super) struct Clients {
    registered: BTreeMap<String, StoredClient>,
    grants: BTreeMap<String, StoredGrant>,
    refresh_tokens: BTreeMap<SecretDigest, StoredRefreshToken>,
    consents: BTreeMap<ConsentPlace, StoredConsent>,
}

/// User, client, resource, redirection.
type ConsentPlace = (String, String, String, String);

impl Clients {
    /// Takes along what a user granted.
    pub(super) fn remove_user(&mut self, user_id: &str) {
        self.consents.retain(|_, consent| consent.user_id != user_id);
        self.keep_grants(|grant| grant.user_id != user_id);
    }

    /// Keeps the grants that are `wanted`, and tokens that have one.
    fn keep_grants(&mut self, wanted: impl Fn(&StoredGrant) -> bool) {
        self.grants.retain(|_, grant| wanted(grant));
        let grants = &self.grants;
        self.refresh_tokens.retain(|_, token| grants.contains_key(&token.grant_id));
    }

    fn sizes(&self) -> [usize; 3] {
        [self.registered.len(), self.grants.len(), self.consents.len()]
    }

    fn token(&self, sha256: &SecretDigest) -> Option<(StoredRefreshToken, StoredGrant)> {
        let token = self.refresh_tokens.get(sha256)?;
        Some((token.clone(), self.grants.get(&token.grant_id)?.clone()))
    }

    /// When the youngest replaced token of a grant was replaced.
    fn last_replaced(&self, grant_id: &str) -> Option<Timestamp> {
        let of_grant = self.refresh_tokens.values().filter(|token| token.grant_id == grant_id);
        of_grant.filter_map(|token| token.replaced_at).max()
    }

    fn fresh(&self, token: &StoredRefreshToken) -> Result<(), StoreError> {
        if self.refresh_tokens.contains_key(&token.sha256) {
            return Err(exists("refresh token"));
        }
        Ok(())
    }

    fn rotate(
        &mut self,
        old: &SecretDigest,
        new: StoredRefreshToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Written<Rotation>, StoreError> {
        let Some((token, mut grant)) = self.token(old) else {
            return Ok(Written::Quiet(Rotation::Refused));
        };
        belongs(&new, &grant.grant_id)?;
        let last_replaced = token.replaced_at.and_then(|_| self.last_replaced(&grant.grant_id));
        match presented(&token, &grant, last_replaced, now, grace) {
            Presented::Ended => Ok(Written::Quiet(Rotation::Refused)),
            Presented::Current => {
                self.fresh(&new)?;
                let replaced = StoredRefreshToken { replaced_at: Some(now), ..token };
                self.refresh_tokens.insert(*old, replaced);
                self.refresh_tokens.insert(new.sha256, new);
                Ok(Written::Quiet(Rotation::Rotated(grant)))
            }
            Presented::Again => {
                self.fresh(&new)?;
                self.refresh_tokens.insert(new.sha256, new);
                Ok(Written::Quiet(Rotation::Repeated(grant)))
            }
            Presented::Reused => {
                grant.revoked_at = Some(now);
                self.grants.insert(grant.grant_id.clone(), grant.clone());
                Ok(Written::Raising(Rotation::Reused(grant)))
            }
        }
    }
}

fn checked(client: &StoredClient) -> Result<(), StoreError> {
    named("client_id", &client.client_id)?;
    object("metadata", &client.metadata)
}

#[async_trait]
impl ClientStore for Memory {
    async fn add(&self, client: StoredClient) -> Result<(), StoreError> {
        checked(&client)?;
        self.write(|state| {
            if state.clients.registered.contains_key(&client.client_id) {
                return Err(exists("client"));
            }
            state.clients.registered.insert(client.client_id.clone(), client);
            Ok(Written::Raising(()))
        })
    }

    async fn by_id(&self, client_id: &str) -> Result<Option<StoredClient>, StoreError> {
        self.read(|state| state.clients.registered.get(client_id).cloned())
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredClient>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|state| {
            let clients = state.clients.registered.range::<str, _>((start, Bound::Unbounded));
            clients.map(|(_, client)| client.clone()).take(limit).collect()
        })
    }

    async fn replace(&self, client: StoredClient) -> Result<(), StoreError> {
        checked(&client)?;
        self.write(|state| {
            let standing = state.clients.registered.get_mut(&client.client_id);
            *standing.ok_or_else(|| missing("client"))? = client;
            Ok(Written::Raising(()))
        })
    }

    async fn remove(&self, client_id: &str) -> Result<(), StoreError> {
        self.write(|state| {
            let before = state.clients.sizes();
            state.clients.registered.remove(client_id);
            state.clients.keep_grants(|grant| grant.client_id != client_id);
            state.clients.consents.retain(|_, consent| consent.client_id != client_id);
            if state.clients.sizes() == before {
                return Err(missing("client"));
            }
            Ok(Written::Raising(()))
        })
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let clients = &mut state.clients;
            let ended = |client: &&StoredClient| client.expires_at.is_some_and(|end| end < before);
            let ended = clients.registered.values().filter(ended);
            let ended: BTreeSet<String> = ended.map(|client| client.client_id.clone()).collect();
            clients.registered.retain(|client_id, _| !ended.contains(client_id));
            clients.keep_grants(|grant| !ended.contains(&grant.client_id));
            clients.consents.retain(|_, consent| !ended.contains(&consent.client_id));
            let count = forgotten(ended.len(), 0);
            Ok(Written::raising_if(count > 0, count))
        })
    }
}

#[async_trait]
impl GrantStore for Memory {
    async fn add(
        &self,
        grant: StoredGrant,
        refresh: Option<StoredRefreshToken>,
    ) -> Result<(), StoreError> {
        named("grant_id", &grant.grant_id)?;
        named("client_id", &grant.client_id)?;
        object_or_nothing("details", &grant.details)?;
        if let Some(refresh) = &refresh {
            belongs(refresh, &grant.grant_id)?;
        }
        self.write(|state| {
            if state.clients.grants.contains_key(&grant.grant_id) {
                return Err(exists("grant"));
            }
            state.is_user(&grant.user_id)?;
            if let Some(refresh) = refresh {
                state.clients.fresh(&refresh)?;
                state.clients.refresh_tokens.insert(refresh.sha256, refresh);
            }
            state.clients.grants.insert(grant.grant_id.clone(), grant);
            Ok(Written::Quiet(()))
        })
    }

    async fn by_id(&self, grant_id: &str) -> Result<Option<StoredGrant>, StoreError> {
        self.read(|state| state.clients.grants.get(grant_id).cloned())
    }

    async fn list(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StoreError> {
        self.read(|state| {
            let wanted = |grant: &&StoredGrant| {
                user_id.is_none_or(|user_id| grant.user_id == user_id)
                    && client_id.is_none_or(|client_id| grant.client_id == client_id)
                    && grant_stands(grant, now)
            };
            let mut grants: Vec<_> =
                state.clients.grants.values().filter(wanted).cloned().collect();
            grants.sort_by(|a, b| (a.created_at, &a.grant_id).cmp(&(b.created_at, &b.grant_id)));
            grants
        })
    }

    async fn refresh_token(
        &self,
        sha256: &SecretDigest,
    ) -> Result<Option<(StoredRefreshToken, StoredGrant)>, StoreError> {
        self.read(|state| state.clients.token(sha256))
    }

    async fn rotate(
        &self,
        old: &SecretDigest,
        new: StoredRefreshToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        self.write(|state| state.clients.rotate(old, new, now, grace))
    }

    async fn revoke(&self, grant_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|state| {
            let standing = state.clients.grants.get_mut(grant_id);
            let Some(grant) = standing.filter(|grant| grant.revoked_at.is_none()) else {
                return Ok(Written::Quiet(false));
            };
            grant.revoked_at = Some(at);
            Ok(Written::Raising(true))
        })
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let clients = &mut state.clients;
            let grants = clients.grants.len();
            clients.refresh_tokens.retain(|_, token| token.expires_at >= before);
            clients.keep_grants(|grant| {
                grant.expires_at >= before && grant.revoked_at.is_none_or(|at| at >= before)
            });
            Ok(Written::Quiet(forgotten(grants, clients.grants.len())))
        })
    }
}

#[async_trait]
impl ConsentStore for Memory {
    async fn keep(&self, consent: StoredConsent) -> Result<(), StoreError> {
        named("client_id", &consent.client_id)?;
        self.write(|state| {
            state.is_user(&consent.user_id)?;
            keep(state, consent);
            Ok(Written::Quiet(()))
        })
    }

    async fn list(
        &self,
        user_id: &str,
        client_id: Option<&str>,
    ) -> Result<Vec<StoredConsent>, StoreError> {
        self.read(|state| {
            let consents = state.clients.consents.values().filter(|consent| {
                consent.user_id == user_id
                    && client_id.is_none_or(|client_id| consent.client_id == client_id)
            });
            let mut consents: Vec<_> = consents.cloned().collect();
            // The map's order stays within one moment.
            consents.sort_by_key(|consent| std::cmp::Reverse(consent.granted_at));
            consents
        })
    }

    async fn remove(&self, user_id: &str, client_id: &str) -> Result<u64, StoreError> {
        self.write(|state| {
            let consents = &mut state.clients.consents;
            let before = consents.len();
            consents.retain(|_, it| it.user_id != user_id || it.client_id != client_id);
            Ok(Written::Quiet(forgotten(before, consents.len())))
        })
    }
}

fn keep(state: &mut State, mut consent: StoredConsent) {
    let StoredConsent { user_id, client_id, resource, redirect_uri, .. } = consent.clone();
    let place = (user_id, client_id, resource, redirect_uri);
    if let Some(before) = state.clients.consents.remove(&place) {
        consent.scopes.extend(before.scopes);
        consent.granted_at = consent.granted_at.max(before.granted_at);
    }
    state.clients.consents.insert(place, consent);
}
