//! Linked accounts, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use haechi_core::{AccountStore, Sid, StoreError, StoredAccount};

use super::{Memory, forgotten};
use crate::rule::named;
use crate::written::Written;

/// What this program is at other authorization servers, for persons.
#[derive(Default)]
pub(super) struct Accounts {
    linked: BTreeMap<(Sid, String), StoredAccount>,
}

#[async_trait]
impl AccountStore for Memory {
    async fn keep(&self, account: StoredAccount) -> Result<bool, StoreError> {
        named("sid", &account.sid.0)?;
        named("upstream", &account.upstream)?;
        self.write(|state| {
            let place = (account.sid.clone(), account.upstream.clone());
            if let Some(before) = account.revision.checked_sub(1) {
                let standing = state.accounts.linked.get(&place);
                if standing.is_none_or(|standing| standing.revision != before) {
                    return Ok(Written::Quiet(false));
                }
            }
            state.accounts.linked.insert(place, account);
            Ok(Written::Quiet(true))
        })
    }

    async fn find(&self, sid: &Sid, upstream: &str) -> Result<Option<StoredAccount>, StoreError> {
        let place = (sid.clone(), upstream.to_owned());
        self.read(|state| state.accounts.linked.get(&place).cloned())
    }

    async fn list(&self, sid: &Sid) -> Result<Vec<StoredAccount>, StoreError> {
        self.read(|state| {
            let accounts = state.accounts.linked.values();
            accounts.filter(|account| account.sid == *sid).cloned().collect()
        })
    }

    async fn remove(&self, sid: &Sid, upstream: &str) -> Result<bool, StoreError> {
        let place = (sid.clone(), upstream.to_owned());
        self.write(|state| Ok(Written::Quiet(state.accounts.linked.remove(&place).is_some())))
    }

    async fn remove_all(&self, sid: &Sid) -> Result<u64, StoreError> {
        self.write(|state| {
            let linked = &mut state.accounts.linked;
            let before = linked.len();
            linked.retain(|_, account| account.sid != *sid);
            Ok(Written::Quiet(forgotten(before, linked.len())))
        })
    }
}
