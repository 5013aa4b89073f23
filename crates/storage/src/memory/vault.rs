//! The vault's keys and tokens in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use async_trait::async_trait;
use haechi_core::{
    KeyState, Rewrapped, Sid, StoreError, StoredKeyVersion, StoredToken, StoredVaultKey, Timestamp,
    TokenCount, TokenLookup, TokenStore, VaultKeyChange, VaultKeyStore, VaultPurpose,
};

use super::{Memory, State};
use crate::rule::{exists, missing};
use crate::written::Written;

#[async_trait]
impl VaultKeyStore for Memory {
    async fn keys_epoch(&self) -> Result<u64, StoreError> {
        self.read(|state| state.epoch)
    }

    async fn find_or_add(&self, key: StoredVaultKey) -> Result<StoredVaultKey, StoreError> {
        self.write(|state| {
            if let Some(standing) = named(state, &key.tenant, key.purpose, &key.kind) {
                return Ok(Written::Quiet(standing.clone()));
            }
            if key.key_id == 0 || state.vault_keys.contains_key(&key.key_id) {
                return Err(exists("vault key"));
            }
            state.vault_keys.insert(key.key_id, key.clone());
            Ok(Written::Quiet(key))
        })
    }

    async fn by_name(
        &self,
        tenant: &str,
        purpose: VaultPurpose,
        kind: &str,
    ) -> Result<Option<StoredVaultKey>, StoreError> {
        self.read(|state| named(state, tenant, purpose, kind).cloned())
    }

    async fn by_ids(&self, key_ids: &[u32]) -> Result<Vec<StoredVaultKey>, StoreError> {
        let wanted: BTreeSet<&u32> = key_ids.iter().collect();
        self.read(|state| {
            wanted.into_iter().filter_map(|id| state.vault_keys.get(id).cloned()).collect()
        })
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<StoredVaultKey>, StoreError> {
        let mut keys = self.read(|state| {
            let wanted = |key: &&StoredVaultKey| tenant.is_none_or(|tenant| *key.tenant == *tenant);
            state.vault_keys.values().filter(wanted).cloned().collect::<Vec<_>>()
        })?;
        keys.sort_by(|a, b| {
            let name = |key: &StoredVaultKey| (key.tenant.clone(), key.purpose, key.kind.clone());
            name(a).cmp(&name(b))
        });
        Ok(keys)
    }

    async fn add_version(
        &self,
        key_id: u32,
        version: StoredKeyVersion,
        promote: bool,
    ) -> Result<bool, StoreError> {
        self.write(|state| {
            let key = state.vault_keys.get_mut(&key_id).ok_or_else(|| missing("vault key"))?;
            let newest = key.versions.last().map_or(0, |newest| newest.version);
            if version.version != newest.saturating_add(1) {
                return Ok(Written::Quiet(false));
            }
            if promote {
                key.primary = version.version;
            }
            key.versions.push(version);
            Ok(Written::Raising(true))
        })
    }

    async fn change(&self, key_id: u32, change: VaultKeyChange) -> Result<(), StoreError> {
        self.write(|state| {
            let key = state.vault_keys.get_mut(&key_id).ok_or_else(|| missing("vault key"))?;
            key.primary = change.primary.unwrap_or(key.primary);
            key.min_open = change.min_open.unwrap_or(key.min_open);
            key.min_seal = change.min_seal.unwrap_or(key.min_seal);
            Ok(Written::Raising(()))
        })
    }

    async fn set_state(&self, key_id: u32, version: u32, new: KeyState) -> Result<(), StoreError> {
        self.write(|state| {
            let found = version_of(state, key_id, version).filter(|v| v.wrapped.is_some());
            found.ok_or_else(|| missing("vault key"))?.state = new;
            Ok(Written::Raising(()))
        })
    }

    async fn destroy_due(&self, now: Timestamp) -> Result<Vec<(u32, u32)>, StoreError> {
        self.write(|state| {
            let mut destroyed = Vec::new();
            for key in state.vault_keys.values_mut() {
                for version in &mut key.versions {
                    if version.wrapped.is_some() && is_due(version.state, now) {
                        version.wrapped = None;
                        destroyed.push((key.key_id, version.version));
                    }
                }
            }
            Ok(Written::raising_if(!destroyed.is_empty(), destroyed))
        })
    }

    async fn rewrap(&self, keys: Vec<Rewrapped>) -> Result<bool, StoreError> {
        self.write(|state| {
            for new in &keys {
                let standing = version_of(state, new.key_id, new.version);
                if standing.is_none_or(|v| v.wrapped.as_ref() != Some(&new.from)) {
                    return Ok(Written::Quiet(false));
                }
            }
            let any = !keys.is_empty();
            for new in keys {
                if let Some(version) = version_of(state, new.key_id, new.version) {
                    version.wrapped = Some(new.wrapped);
                    version.wrapped_by = new.wrapped_by;
                }
            }
            Ok(Written::raising_if(any, true))
        })
    }

    async fn reserve(&self, key_id: u32, version: u32, count: u64) -> Result<u64, StoreError> {
        self.write(|state| {
            let version = version_of(state, key_id, version).ok_or_else(|| missing("vault key"))?;
            let first = version.reserved;
            version.reserved = first.saturating_add(count);
            Ok(Written::Quiet(first))
        })
    }
}

fn named<'a>(
    state: &'a State,
    tenant: &str,
    purpose: VaultPurpose,
    kind: &str,
) -> Option<&'a StoredVaultKey> {
    let mut keys = state.vault_keys.values();
    keys.find(|key| *key.tenant == *tenant && key.purpose == purpose && *key.kind == *kind)
}

fn version_of(state: &mut State, key_id: u32, version: u32) -> Option<&mut StoredKeyVersion> {
    let key = state.vault_keys.get_mut(&key_id)?;
    key.versions.iter_mut().find(|candidate| candidate.version == version)
}

fn is_due(state: KeyState, now: Timestamp) -> bool {
    matches!(state, KeyState::Condemned(at) if at <= now)
}

#[async_trait]
impl TokenStore for Memory {
    async fn put(&self, tokens: Vec<StoredToken>) -> Result<Vec<usize>, StoreError> {
        self.write(|state| {
            let mut new: BTreeMap<TokenLookup, StoredToken> = BTreeMap::new();
            let mut taken = Vec::new();
            for (position, token) in tokens.into_iter().enumerate() {
                let standing = new.get(&token.lookup).or_else(|| state.tokens.get(&token.lookup));
                if standing.is_some_and(|s| token.same.is_none() || s.same != token.same) {
                    taken.push(position);
                } else {
                    new.insert(token.lookup, token);
                }
            }
            if taken.is_empty() {
                state.tokens.extend(new);
            }
            Ok(Written::Quiet(taken))
        })
    }

    async fn find(&self, lookups: &[TokenLookup]) -> Result<Vec<Option<StoredToken>>, StoreError> {
        self.read(|state| lookups.iter().map(|lookup| state.tokens.get(lookup).cloned()).collect())
    }

    async fn page(
        &self,
        subject: Option<&Sid>,
        after: Option<TokenLookup>,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|state| {
            let tokens = state.tokens.range((start, Bound::Unbounded)).map(|(_, token)| token);
            let wanted =
                |token: &&StoredToken| subject.is_none() || token.subject.as_ref() == subject;
            tokens.filter(wanted).take(limit).cloned().collect()
        })
    }

    async fn replace(&self, tokens: Vec<(StoredToken, StoredToken)>) -> Result<u64, StoreError> {
        self.write(|state| {
            let mut replaced = 0;
            for (old, new) in tokens {
                if let Some(standing) = state.tokens.get_mut(&old.lookup).filter(|s| **s == old) {
                    *standing = new;
                    replaced += 1;
                }
            }
            Ok(Written::Quiet(replaced))
        })
    }

    async fn delete_by_subject(&self, subject: &Sid) -> Result<u64, StoreError> {
        self.write(|state| Ok(Written::Quiet(keep(state, |t| t.subject.as_ref() != Some(subject)))))
    }

    async fn expire(&self, now: Timestamp, held: &BTreeSet<Sid>) -> Result<u64, StoreError> {
        let stands = |token: &StoredToken| {
            token.expires_at.is_none_or(|end| now < end)
                || token.subject.as_ref().is_some_and(|subject| held.contains(subject))
        };
        self.write(|state| Ok(Written::Quiet(keep(state, stands))))
    }

    async fn count(&self) -> Result<Vec<TokenCount>, StoreError> {
        let counts = self.read(|state| {
            let mut counts = BTreeMap::new();
            for token in state.tokens.values() {
                let place = (token.place.tenant.clone(), token.place.kind.clone());
                *counts.entry((place, token.key_id, token.key_version)).or_insert(0) += 1;
            }
            counts
        })?;
        let count = |(((tenant, kind), key_id, key_version), count)| TokenCount {
            tenant,
            kind,
            key_id,
            key_version,
            count,
        };
        Ok(counts.into_iter().map(count).collect())
    }
}

/// Keeps the tokens that `stand`; answers how many went.
fn keep(state: &mut State, stand: impl Fn(&StoredToken) -> bool) -> u64 {
    let before = state.tokens.len();
    state.tokens.retain(|_, token| stand(token));
    before.saturating_sub(state.tokens.len()) as u64
}
