//! Everything in this process, for tests, trials and `haechi run` without a user base.

mod accounts;
mod clients;
mod keys;
mod people;
mod revocations;
mod sign_ins;
mod subject_keys;
mod vault;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use haechi_core::{
    PasswordStore, Revocation, RevocationKind, Sid, StoreError, StoredApiKey, StoredPassword,
    StoredSigningKey, StoredSubject, StoredToken, StoredUser, StoredVaultKey, UserChange,
    UserStore,
};

use crate::merge;
use crate::rule::{exists, missing, named};
use crate::written::Written;
pub use subject_keys::MemorySubjectKeys;

/// A store that lives as long as the process. Clones share what they hold.
///
/// A write is seen by every clone when its future resolves; nothing outlives the last clone.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    epoch: u64,
    users: HashMap<String, StoredUser>,
    user_ids: BTreeMap<String, String>,
    passwords: HashMap<String, StoredPassword>,
    api_keys: HashMap<String, StoredApiKey>,
    signing_keys: HashMap<String, StoredSigningKey>,
    revocations: BTreeMap<(RevocationKind, String, String), Revocation>,
    subjects: HashMap<Sid, StoredSubject>,
    sids: HashMap<[u8; 32], Sid>,
    people: people::People,
    vault_keys: BTreeMap<u32, StoredVaultKey>,
    tokens: BTreeMap<[u8; 16], StoredToken>,
    clients: clients::Clients,
    sign_ins: sign_ins::SignIns,
    accounts: accounts::Accounts,
}

impl State {
    /// Whether there is a user with this id.
    fn is_user(&self, user_id: &str) -> Result<(), StoreError> {
        if self.users.contains_key(user_id) { Ok(()) } else { Err(missing("user")) }
    }
}

/// How many of `before` are no longer among `after`.
fn forgotten(before: usize, after: usize) -> u64 {
    u64::try_from(before.saturating_sub(after)).unwrap_or(u64::MAX)
}

/// A thread panicked while it held the state, which may be half changed.
#[derive(Debug, thiserror::Error)]
#[error("the memory was left half changed")]
struct Poisoned;

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, work: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        let state = self.0.lock().map_err(|_| StoreError::Unavailable(Box::new(Poisoned)))?;
        Ok(work(&state))
    }

    /// INVARIANT: `work` checks first and changes last, because nothing is rolled back.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<Written<T>, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.0.lock().map_err(|_| StoreError::Unavailable(Box::new(Poisoned)))?;
        match work(&mut state)? {
            Written::Quiet(value) => Ok(value),
            Written::Raising(value) => {
                state.epoch = state.epoch.saturating_add(1);
                Ok(value)
            }
        }
    }
}

/// Shows nothing of what is kept.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[async_trait]
impl UserStore for Memory {
    async fn add(&self, user: StoredUser) -> Result<(), StoreError> {
        named("user_id", &user.user_id)?;
        named("username", &user.username)?;
        self.write(|state| {
            if state.users.contains_key(&user.user_id) {
                return Err(exists("user"));
            }
            if state.user_ids.contains_key(&user.username) {
                return Err(exists("username"));
            }
            state.user_ids.insert(user.username.clone(), user.user_id.clone());
            state.users.insert(user.user_id.clone(), user);
            Ok(Written::Raising(()))
        })
    }

    async fn by_id(&self, user_id: &str) -> Result<Option<StoredUser>, StoreError> {
        self.read(|state| state.users.get(user_id).cloned())
    }

    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, StoreError> {
        self.read(|state| state.users.get(state.user_ids.get(username)?).cloned())
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredUser>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|state| {
            let ids = state.user_ids.range::<str, _>((start, Bound::Unbounded)).map(|(_, id)| id);
            ids.filter_map(|id| state.users.get(id).cloned()).take(limit).collect()
        })
    }

    async fn change(&self, user_id: &str, change: UserChange) -> Result<(), StoreError> {
        self.write(|state| {
            let user = state.users.get_mut(user_id).ok_or_else(|| missing("user"))?;
            let raises = merge::apply(user, change);
            Ok(Written::raising_if(raises, ()))
        })
    }

    async fn remove(&self, user_id: &str) -> Result<(), StoreError> {
        self.write(|state| {
            let user = state.users.remove(user_id).ok_or_else(|| missing("user"))?;
            state.user_ids.remove(&user.username);
            state.passwords.remove(user_id);
            state.api_keys.retain(|_, key| key.user_id != user_id);
            state.clients.remove_user(user_id);
            state.sign_ins.remove_user(user_id);
            Ok(Written::Raising(()))
        })
    }
}

#[async_trait]
impl PasswordStore for Memory {
    async fn find(&self, user_id: &str) -> Result<Option<StoredPassword>, StoreError> {
        self.read(|state| state.passwords.get(user_id).cloned())
    }

    async fn replace(&self, user_id: &str, password: StoredPassword) -> Result<(), StoreError> {
        self.write(|state| {
            if !state.users.contains_key(user_id) {
                return Err(missing("user"));
            }
            state.passwords.insert(user_id.to_owned(), password);
            Ok(Written::Raising(()))
        })
    }
}
