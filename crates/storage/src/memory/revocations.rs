//! Revocations, stops, the epoch and persons in memory.

use async_trait::async_trait;
use haechi_core::{
    Revocation, RevocationKind, RevocationStore, Sid, StoreError, StoredSubject, SubjectStore,
    Timestamp,
};

use super::Memory;
use crate::merge;
use crate::rule::{exists, named};
use crate::written::Written;

#[async_trait]
impl RevocationStore for Memory {
    async fn epoch(&self) -> Result<u64, StoreError> {
        self.read(|state| state.epoch)
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        named("id", &revocation.id)?;
        self.write(|state| {
            let key = (revocation.kind, revocation.issuer.clone(), revocation.id.clone());
            let Some(standing) = state.revocations.get_mut(&key) else {
                state.revocations.insert(key, revocation);
                return Ok(Written::Raising(()));
            };
            let before = standing.clone();
            merge::join(standing, &revocation);
            Ok(Written::raising_if(*standing != before, ()))
        })
    }

    async fn lift(&self, kind: RevocationKind, issuer: &str, id: &str) -> Result<bool, StoreError> {
        if !merge::is_stop(kind) {
            return Ok(false);
        }
        self.write(|state| {
            let key = (kind, issuer.to_owned(), id.to_owned());
            Ok(match state.revocations.remove(&key) {
                Some(_) => Written::Raising(true),
                None => Written::Quiet(false),
            })
        })
    }

    async fn list(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.read(|state| {
            let all = state.revocations.values();
            all.filter(|revocation| merge::stands(revocation.until, now)).cloned().collect()
        })
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let before = state.revocations.len();
            state.revocations.retain(|_, revocation| merge::stands(revocation.until, now));
            let forgotten = before.saturating_sub(state.revocations.len());
            Ok(Written::Quiet(u64::try_from(forgotten).unwrap_or(u64::MAX)))
        })
    }
}

#[async_trait]
impl SubjectStore for Memory {
    async fn find_or_add(&self, subject: StoredSubject) -> Result<StoredSubject, StoreError> {
        named("sid", &subject.sid.0)?;
        self.write(|state| {
            let standing = state.sids.get(&subject.lookup).and_then(|sid| state.subjects.get(sid));
            if let Some(standing) = standing {
                return Ok(Written::Quiet(standing.clone()));
            }
            if state.subjects.contains_key(&subject.sid) {
                return Err(exists("subject"));
            }
            state.sids.insert(subject.lookup, subject.sid.clone());
            state.subjects.insert(subject.sid.clone(), subject.clone());
            Ok(Written::Quiet(subject))
        })
    }

    async fn by_lookup(&self, lookup: &[u8; 32]) -> Result<Option<StoredSubject>, StoreError> {
        self.read(|state| state.subjects.get(state.sids.get(lookup)?).cloned())
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<StoredSubject>, StoreError> {
        self.read(|state| state.subjects.get(sid).cloned())
    }
}
