//! Keys of persons in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use haechi_core::{
    RawFile, Sid, StoreError, StoredSubjectKey, SubjectKeyState, SubjectKeyStore, Timestamp,
};

use super::Poisoned;
use crate::rule::named;

/// Keys of persons that live as long as the process. Clones share what they hold.
#[derive(Clone, Default)]
pub struct MemorySubjectKeys(Arc<Mutex<Keys>>);

#[derive(Default)]
struct Keys {
    kept: BTreeMap<(Sid, u32), StoredSubjectKey>,
    destroyed: BTreeMap<Sid, Timestamp>,
    restricted: BTreeMap<Sid, Timestamp>,
    epoch: u64,
}

impl Keys {
    fn state(&self, sid: &Sid) -> SubjectKeyState {
        if let Some(at) = self.destroyed.get(sid) {
            return SubjectKeyState::Destroyed(*at);
        }
        let versions = self.kept.range((sid.clone(), 0)..=(sid.clone(), u32::MAX));
        let keys: Vec<_> = versions.map(|(_, key)| key.clone()).collect();
        if keys.is_empty() { SubjectKeyState::None } else { SubjectKeyState::Kept(keys) }
    }
}

impl MemorySubjectKeys {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> Result<MutexGuard<'_, Keys>, StoreError> {
        self.0.lock().map_err(|_| StoreError::Unavailable(Box::new(Poisoned)))
    }
}

/// Shows nothing of what is kept.
impl fmt::Debug for MemorySubjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySubjectKeys").finish_non_exhaustive()
    }
}

#[async_trait]
impl SubjectKeyStore for MemorySubjectKeys {
    async fn epoch(&self) -> Result<u64, StoreError> {
        Ok(self.lock()?.epoch)
    }

    async fn keys(&self, sid: &Sid) -> Result<SubjectKeyState, StoreError> {
        Ok(self.lock()?.state(sid))
    }

    async fn keep(&self, key: StoredSubjectKey) -> Result<SubjectKeyState, StoreError> {
        named("sid", &key.sid.0)?;
        let mut keys = self.lock()?;
        if !keys.destroyed.contains_key(&key.sid) {
            keys.kept.entry((key.sid.clone(), key.version)).or_insert_with(|| key.clone());
        }
        Ok(keys.state(&key.sid))
    }

    async fn rewrap(&self, key: StoredSubjectKey, before: &[u8]) -> Result<bool, StoreError> {
        let mut keys = self.lock()?;
        let kept = keys.kept.get_mut(&(key.sid.clone(), key.version));
        let Some(kept) = kept.filter(|kept| kept.wrapped_key == before) else { return Ok(false) };
        kept.wrapped_key = key.wrapped_key;
        Ok(true)
    }

    async fn destroy(&self, sid: &Sid, at: Timestamp) -> Result<Timestamp, StoreError> {
        named("sid", &sid.0)?;
        let mut keys = self.lock()?;
        if let Some(before) = keys.destroyed.get(sid) {
            return Ok(*before);
        }
        keys.kept.retain(|(of, _), _| of != sid);
        keys.restricted.remove(sid);
        keys.destroyed.insert(sid.clone(), at);
        keys.epoch = keys.epoch.saturating_add(1);
        Ok(at)
    }

    async fn restrict(&self, sid: &Sid, since: Option<Timestamp>) -> Result<bool, StoreError> {
        named("sid", &sid.0)?;
        let mut keys = self.lock()?;
        let before = keys.restricted.get(sid).copied();
        match since {
            Some(since) if before.is_none() => keys.restricted.insert(sid.clone(), since),
            None if before.is_some() => keys.restricted.remove(sid),
            _ => return Ok(false),
        };
        keys.epoch = keys.epoch.saturating_add(1);
        Ok(true)
    }

    async fn restricted(&self, sid: &Sid) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.lock()?.restricted.get(sid).copied())
    }

    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<(Sid, SubjectKeyState)>, StoreError> {
        let keys = self.lock()?;
        let sids = keys.kept.keys().map(|(sid, _)| sid).chain(keys.destroyed.keys());
        let sids: BTreeSet<&Sid> = sids.filter(|sid| after.is_none_or(|it| *sid > it)).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(sids.into_iter().take(limit).map(|sid| (sid.clone(), keys.state(sid))).collect())
    }

    async fn tombstones(&self) -> Result<Vec<(Sid, Timestamp)>, StoreError> {
        Ok(self.lock()?.destroyed.iter().map(|(sid, at)| (sid.clone(), *at)).collect())
    }

    fn raw(&self) -> Result<Vec<RawFile>, StoreError> {
        let keys = self.lock()?;
        let wrapped = keys.kept.values().map(|key| key.wrapped_key.clone());
        let bytes = wrapped.collect::<Vec<_>>().concat();
        let name = PathBuf::from("memory of keys");
        Ok(vec![RawFile { name, bytes: Box::new(Cursor::new(bytes)) }])
    }
}
