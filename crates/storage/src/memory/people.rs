//! The registry of people in memory.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Bound;
use std::path::PathBuf;

use async_trait::async_trait;
use haechi_core::{
    ErasureStart, LegalHold, RawFile, RegisteredSubject, Sid, StoreError, StoredErasure,
    StoredSubject, StoredSubjectName, SubjectKeyBackup, SubjectRegistry, Timestamp,
};

use super::{Memory, State};
use crate::rule::{exists, missing, named, parted};
use crate::written::Written;

/// What is known of people beside sid, lookup and key of old.
#[derive(Default)]
pub(super) struct People {
    registered: BTreeMap<Sid, Timestamp>,
    names: BTreeMap<[u8; 32], (Sid, StoredSubjectName)>,
    holds: BTreeMap<(Sid, String), LegalHold>,
    erasures: BTreeMap<Sid, StoredErasure>,
    backups: BTreeMap<String, SubjectKeyBackup>,
}

impl State {
    fn person(&self, sid: &Sid) -> Option<RegisteredSubject> {
        let subject = self.subjects.get(sid)?;
        let holds = self.people.holds.keys().filter(|(of, _)| of == sid).count();
        Some(RegisteredSubject {
            sid: sid.clone(),
            lookup: subject.lookup,
            registered_at: self.people.registered.get(sid).copied(),
            erasing_since: self.people.erasures.get(sid).map(|erasure| erasure.begun_at),
            holds: u32::try_from(holds).unwrap_or(u32::MAX),
        })
    }

    fn person_named(&self, lookup: &[u8; 32]) -> Option<RegisteredSubject> {
        let alternate = || self.people.names.get(lookup).map(|(sid, _)| sid);
        self.person(self.sids.get(lookup).or_else(alternate)?)
    }

    fn standing_person(&self, sid: &Sid) -> Result<RegisteredSubject, StoreError> {
        let standing = self.person(sid).filter(|person| person.erasing_since.is_none());
        standing.ok_or_else(|| missing("subject"))
    }

    fn holds_on(&self, sid: &Sid) -> Vec<LegalHold> {
        let holds = self.people.holds.iter().filter(|((of, _), _)| of == sid);
        let mut holds: Vec<_> = holds.map(|(_, hold)| hold.clone()).collect();
        holds.sort_by(|a, b| (a.since, &a.hold_id).cmp(&(b.since, &b.hold_id)));
        holds
    }

    fn erasure(&mut self, sid: &Sid) -> Result<&mut StoredErasure, StoreError> {
        self.people.erasures.get_mut(sid).ok_or_else(|| missing("erasure"))
    }

    fn add_person(
        &mut self,
        sid: &Sid,
        lookup: &[u8; 32],
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError> {
        if self.subjects.contains_key(sid) {
            return Err(exists("subject"));
        }
        let subject = StoredSubject { sid: sid.clone(), lookup: *lookup, wrapped_key: None };
        self.subjects.insert(sid.clone(), subject);
        self.sids.insert(*lookup, sid.clone());
        self.people.registered.insert(sid.clone(), at);
        self.person(sid).ok_or_else(|| missing("subject"))
    }
}

#[async_trait]
impl SubjectRegistry for Memory {
    async fn by_name(&self, lookup: &[u8; 32]) -> Result<Option<RegisteredSubject>, StoreError> {
        self.read(|state| state.person_named(lookup))
    }

    async fn with_sid(&self, sid: &Sid) -> Result<Option<RegisteredSubject>, StoreError> {
        self.read(|state| state.person(sid))
    }

    async fn register(
        &self,
        sid: &Sid,
        lookup: &[u8; 32],
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError> {
        named("sid", &sid.0)?;
        self.write(|state| match state.person_named(lookup) {
            Some(found) => Ok(Written::Quiet(found)),
            None => state.add_person(sid, lookup, at).map(Written::Quiet),
        })
    }

    async fn register_again(
        &self,
        lookup: &[u8; 32],
        fresh: &Sid,
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError> {
        named("sid", &fresh.0)?;
        self.write(|state| {
            let erased = state.person_named(lookup).ok_or_else(|| missing("subject"))?.sid;
            let erasure = state.people.erasures.get(&erased);
            if erasure.is_none_or(|erasure| erasure.finished_at.is_none()) {
                return Err(exists("subject"));
            }
            if state.subjects.contains_key(fresh) {
                return Err(exists("subject"));
            }
            state.people.names.remove(lookup);
            if state.sids.remove(lookup).is_some()
                && let Some(subject) = state.subjects.get_mut(&erased)
            {
                subject.lookup = parted(&erased);
                state.sids.insert(subject.lookup, erased);
            }
            state.add_person(fresh, lookup, at).map(Written::Quiet)
        })
    }

    async fn add_name(&self, sid: &Sid, name: StoredSubjectName) -> Result<(), StoreError> {
        self.write(|state| {
            state.standing_person(sid)?;
            if state.person_named(&name.lookup).is_some_and(|owner| owner.sid != *sid) {
                return Err(exists("name"));
            }
            let kept = state.people.names.entry(name.lookup);
            let kept = kept.or_insert_with(|| (sid.clone(), name.clone()));
            kept.1.sealed = name.sealed;
            Ok(Written::Quiet(()))
        })
    }

    async fn names(&self, sid: &Sid) -> Result<Vec<StoredSubjectName>, StoreError> {
        self.read(|state| {
            let names = state.people.names.values().filter(|(of, _)| of == sid);
            let mut names: Vec<_> = names.map(|(_, name)| name.clone()).collect();
            names.sort_by_key(|name| (name.added_at, name.lookup));
            names
        })
    }

    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<RegisteredSubject>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|state| {
            let sids: std::collections::BTreeSet<&Sid> = state.subjects.keys().collect();
            let sids = sids.range::<Sid, _>((start, Bound::Unbounded));
            sids.filter_map(|sid| state.person(sid)).take(limit).collect()
        })
    }

    async fn hold(&self, sid: &Sid, hold: LegalHold) -> Result<(), StoreError> {
        named("hold_id", &hold.hold_id)?;
        self.write(|state| {
            state.standing_person(sid)?;
            let place = (sid.clone(), hold.hold_id.clone());
            if state.people.holds.contains_key(&place) {
                return Err(exists("hold"));
            }
            state.people.holds.insert(place, hold);
            Ok(Written::Quiet(()))
        })
    }

    async fn release(&self, sid: &Sid, hold_id: &str) -> Result<bool, StoreError> {
        self.write(|state| {
            let place = (sid.clone(), hold_id.to_owned());
            Ok(Written::Quiet(state.people.holds.remove(&place).is_some()))
        })
    }

    async fn holds(&self, sid: &Sid) -> Result<Vec<LegalHold>, StoreError> {
        self.read(|state| state.holds_on(sid))
    }

    async fn held(&self) -> Result<Vec<Sid>, StoreError> {
        self.read(|state| {
            let mut held: Vec<Sid> =
                state.people.holds.keys().map(|(sid, _)| sid.clone()).collect();
            held.dedup();
            held
        })
    }

    async fn begin_erasure(&self, sid: &Sid, at: Timestamp) -> Result<ErasureStart, StoreError> {
        self.write(|state| {
            if let Some(begun) = state.people.erasures.get(sid) {
                return Ok(Written::Quiet(ErasureStart::Begun(begun.clone())));
            }
            state.standing_person(sid)?;
            let holds = state.holds_on(sid);
            if !holds.is_empty() {
                return Ok(Written::Quiet(ErasureStart::Held(holds)));
            }
            let begun =
                StoredErasure { sid: sid.clone(), begun_at: at, record: None, finished_at: None };
            state.people.erasures.insert(sid.clone(), begun.clone());
            Ok(Written::Quiet(ErasureStart::Begun(begun)))
        })
    }

    async fn note_erasure(&self, sid: &Sid, record: &str) -> Result<(), StoreError> {
        self.write(|state| {
            state.erasure(sid)?.record = Some(record.to_owned());
            Ok(Written::Quiet(()))
        })
    }

    async fn forget_names(&self, sid: &Sid) -> Result<u64, StoreError> {
        self.write(|state| {
            state.erasure(sid)?;
            if let Some(subject) = state.subjects.get_mut(sid) {
                subject.wrapped_key = None;
            }
            let names = state.people.names.values_mut();
            let mut forgotten = 0;
            for (_, name) in names.filter(|(of, name)| of == sid && name.sealed.is_some()) {
                name.sealed = None;
                forgotten += 1;
            }
            Ok(Written::Quiet(forgotten))
        })
    }

    async fn finish_erasure(
        &self,
        sid: &Sid,
        certificate: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|state| {
            let erasure = state.erasure(sid)?;
            erasure.record = Some(certificate.to_owned());
            erasure.finished_at = Some(at);
            Ok(Written::Quiet(()))
        })
    }

    async fn erasure(&self, sid: &Sid) -> Result<Option<StoredErasure>, StoreError> {
        self.read(|state| state.people.erasures.get(sid).cloned())
    }

    async fn erasures(&self) -> Result<Vec<StoredErasure>, StoreError> {
        self.read(|state| {
            let erasures = state.people.erasures.values().cloned();
            let mut erasures: Vec<_> =
                erasures.map(|erasure| StoredErasure { record: None, ..erasure }).collect();
            erasures.sort_by(|a, b| (a.begun_at, &a.sid).cmp(&(b.begun_at, &b.sid)));
            erasures
        })
    }

    async fn add_key_backup(&self, backup: SubjectKeyBackup) -> Result<(), StoreError> {
        named("backup_id", &backup.backup_id)?;
        self.write(|state| {
            if state.people.backups.contains_key(&backup.backup_id) {
                return Err(exists("backup"));
            }
            state.people.backups.insert(backup.backup_id.clone(), backup);
            Ok(Written::Quiet(()))
        })
    }

    async fn key_backups(&self, now: Timestamp) -> Result<Vec<SubjectKeyBackup>, StoreError> {
        self.read(|state| {
            let standing = state.people.backups.values().filter(|backup| backup.expires_at > now);
            let mut backups: Vec<_> = standing.cloned().collect();
            backups.sort_by_key(|backup| backup.made_at);
            backups
        })
    }

    async fn keys_of_old(&self) -> Result<Vec<(Sid, [u8; 32], Vec<u8>)>, StoreError> {
        self.read(|state| {
            let mut keys: Vec<_> = state.subjects.values().filter_map(key_of_old).collect();
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            keys
        })
    }

    async fn drop_keys_of_old(&self) -> Result<(), StoreError> {
        self.write(|state| {
            state.subjects.values_mut().for_each(|subject| subject.wrapped_key = None);
            Ok(Written::Quiet(()))
        })
    }

    fn raw(&self) -> Result<Vec<RawFile>, StoreError> {
        self.read(|state| {
            let keys = state.subjects.values().filter_map(|subject| subject.wrapped_key.clone());
            let names = state.people.names.values().filter_map(|(_, name)| name.sealed.clone());
            let bytes = keys.chain(names).collect::<Vec<_>>().concat();
            vec![RawFile { name: PathBuf::from("memory"), bytes: Box::new(Cursor::new(bytes)) }]
        })
    }
}

fn key_of_old(subject: &StoredSubject) -> Option<(Sid, [u8; 32], Vec<u8>)> {
    Some((subject.sid.clone(), subject.lookup, subject.wrapped_key.clone()?))
}
