//! The keys of persons: found, made, kept at hand, and let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    Clock, Commitment, Entropy, ProtectError, RegisteredSubject, SealError, Sealed, Sealer, Secret,
    Sid, StoreError, StoredSubjectKey, StoredSubjectName, SubjectKeyState, SubjectKeyStore,
    SubjectRegistry,
};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use crate::subject_keys::{SubjectKey, SubjectKeys};
use crate::subject_seal::{KEY_BYTES, KeyProblem, PersonKey, RootKeys, unavailable, version_of};

/// Keys at hand: those of persons not seen for longest go first.
const KEYS_AT_HAND: usize = 4096;
/// What a name is sealed for.
pub(crate) const NAME: &str = "name";

/// Seals under one random key per person, in versions.
///
/// The keys lie wrapped by the root key in a store of their own, which ordinary backups leave out; the
/// registry knows persons by keyed digests of their names only. A key that was destroyed, by whichever
/// process, is used no more: what is at hand is held against the store's epoch on every call.
#[derive(Debug)]
pub struct SubjectSealer {
    registry: Arc<dyn SubjectRegistry>,
    keys: Arc<dyn SubjectKeyStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    root: RootKeys,
    by_lookup: Cache<[u8; 32], Arc<Person>>,
    by_sid: Cache<Sid, Arc<Person>>,
    epoch: AtomicU64,
}

/// A person's keys, oldest first; never empty.
#[derive(Debug)]
struct Person {
    sid: Sid,
    /// The epoch before they were read.
    epoch: u64,
    /// Nothing is opened or protected with them, but for an export and the audit log.
    restricted: bool,
    oldest: PersonKey,
    later: Vec<PersonKey>,
    of_values: Vec<Arc<SubjectKey>>,
}

impl Person {
    fn newest(&self) -> &PersonKey {
        self.later.last().unwrap_or(&self.oldest)
    }

    fn version(&self, version: u32) -> Option<&PersonKey> {
        std::iter::once(&self.oldest).chain(&self.later).find(|key| key.version() == version)
    }
}

impl SubjectSealer {
    /// A sealer over `registry` and `keys` with what `root` unwraps. Keys that stand in the registry
    /// itself, as they once did, are moved, and wiped there.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`] when `root` is shorter than 32 bytes or another one wrapped the keys,
    /// and when a store cannot be used.
    pub async fn open(
        registry: Arc<dyn SubjectRegistry>,
        keys: Arc<dyn SubjectKeyStore>,
        root: &Secret,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SealError> {
        let root = RootKeys::new(root)?;
        let epoch = AtomicU64::new(keys.epoch().await.map_err(unavailable)?);
        let (by_lookup, by_sid) = (Cache::new(KEYS_AT_HAND), Cache::new(KEYS_AT_HAND));
        let sealer = Self { registry, keys, clock, entropy, root, by_lookup, by_sid, epoch };
        sealer.move_keys_of_old().await?;
        Ok(sealer)
    }

    /// Copies first and deletes last, so that it can end anywhere and begin again.
    async fn move_keys_of_old(&self) -> Result<(), SealError> {
        let old = self.registry.keys_of_old().await.map_err(unavailable)?;
        if old.is_empty() {
            return Ok(());
        }
        for (sid, lookup, wrapped) in old {
            let key = self.root.unwrap_old(&sid, &lookup, &wrapped)?;
            if let SubjectKeyState::Kept(kept) = self.keep(&sid, 1, &key).await? {
                let first = kept.first().filter(|first| first.version == 1);
                let first = first.ok_or_else(|| unavailable(KeyProblem::TwoKeys))?;
                if !self.root.unwrap(&sid, 1, &first.wrapped_key)?.matches(&key) {
                    return Err(unavailable(KeyProblem::TwoKeys));
                }
            }
        }
        self.registry.drop_keys_of_old().await.map_err(unavailable)
    }

    /// The keyed digest by which (`issuer`, `name`) is found.
    pub(crate) fn lookup(&self, issuer: &str, name: &str) -> [u8; 32] {
        self.root.lookup(issuer, name)
    }

    /// A random name that nobody has yet.
    pub(crate) fn fresh_sid(&self) -> Result<Sid, SealError> {
        let mut name = [0; 16];
        self.entropy.fill(&mut name).map_err(unavailable)?;
        Ok(Sid(name.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()))
    }

    /// Adds the name (`issuer`, `name`) to `sid`.
    pub(crate) async fn name(&self, sid: &Sid, issuer: &str, name: &str) -> Result<(), NameError> {
        let person = self.person(sid).await.map_err(NameError::Keys)?;
        let text = serde_json::to_vec(&(issuer, name))
            .map_err(|error| NameError::Keys(SealError::Unavailable(Box::new(error))))?;
        let text = Zeroizing::new(text);
        let sealed = person.newest().seal(sid, NAME, &text, &*self.entropy);
        let named = StoredSubjectName {
            lookup: self.lookup(issuer, name),
            sealed: Some(sealed.map_err(NameError::Keys)?),
            added_at: self.clock.now(),
        };
        match self.registry.add_name(sid, named).await {
            Ok(()) => Ok(()),
            Err(StoreError::Exists(_)) => Err(NameError::Taken),
            Err(StoreError::Missing(_)) => Err(NameError::Keys(SealError::NoKey(sid.clone()))),
            Err(error) => Err(NameError::Keys(unavailable(error))),
        }
    }

    /// Seals a control value for `sid`, whose erasure has begun, with the newest of `keys`.
    pub(crate) fn seal_control(
        &self,
        sid: &Sid,
        purpose: &str,
        keys: &[StoredSubjectKey],
    ) -> Result<Vec<u8>, SealError> {
        let newest = keys.last().ok_or_else(|| SealError::NoKey(sid.clone()))?;
        let key = self.root.unwrap(sid, newest.version, &newest.wrapped_key)?;
        PersonKey::new(newest.version, &key)?.seal(sid, purpose, b"control", &*self.entropy)
    }

    /// The names of `sid`: issuer, name and when it was added, oldest first.
    pub(crate) async fn names(&self, sid: &Sid) -> Result<Vec<OpenedName>, SealError> {
        let person = self.person(sid).await?;
        let mut names = Vec::new();
        for stored in self.registry.names(sid).await.map_err(unavailable)? {
            let Some(sealed) = stored.sealed else { continue };
            let key = person.version(version_of(&sealed)?).ok_or(SealError::NotGenuine)?;
            let text = key.open(sid, NAME, &sealed)?;
            let (issuer, name) =
                serde_json::from_slice(text.expose()).map_err(|_| SealError::NotGenuine)?;
            names.push(OpenedName { issuer, name, added_at: stored.added_at });
        }
        Ok(names)
    }

    /// Makes a new version of the key of `sid`, which seals from then on; the older ones still open.
    ///
    /// # Errors
    ///
    /// [`SealError::NoKey`] once the person was erased.
    pub async fn rotate(&self, sid: &Sid) -> Result<u32, SealError> {
        let newest = self.person(sid).await?.newest().version();
        let version = newest.saturating_add(1);
        let state = self.keep(sid, version, &self.fresh_key()?).await?;
        self.let_go(sid);
        match state {
            SubjectKeyState::Kept(_) => Ok(version),
            _ => Err(SealError::NoKey(sid.clone())),
        }
    }

    /// Takes what is at hand of `sid` away.
    pub(crate) fn let_go(&self, sid: &Sid) {
        self.by_sid.remove(sid);
        self.by_lookup.retain(|_, person| person.sid != *sid);
    }

    /// The root's keys.
    pub(crate) const fn root(&self) -> &RootKeys {
        &self.root
    }

    fn fresh_key(&self) -> Result<Secret, SealError> {
        let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
        self.entropy.fill(&mut key).map_err(unavailable)?;
        Ok(Secret::new(key.to_vec()))
    }

    async fn keep(
        &self,
        sid: &Sid,
        version: u32,
        key: &Secret,
    ) -> Result<SubjectKeyState, SealError> {
        let wrapped_key = self.root.wrap(sid, version, key.expose(), &*self.entropy)?;
        let made_at = self.clock.now();
        let key = StoredSubjectKey { sid: sid.clone(), version, wrapped_key, made_at };
        self.keys.keep(key).await.map_err(unavailable)
    }

    /// Reads the epoch, and takes away what was destroyed since the last time. What stands stays at
    /// hand: a call that is under way needs it to record its end.
    async fn look_again(&self) -> Result<u64, SealError> {
        let epoch = self.keys.epoch().await.map_err(unavailable)?;
        if self.epoch.load(Ordering::Acquire) == epoch {
            return Ok(epoch);
        }
        let at_hand: Vec<Sid> = self.by_sid.iter().map(|(sid, _)| sid).collect();
        for sid in at_hand {
            let state = self.keys.keys(&sid).await.map_err(unavailable)?;
            if matches!(state, SubjectKeyState::Destroyed(_)) {
                self.let_go(&sid);
            }
        }
        self.epoch.store(epoch, Ordering::Release);
        Ok(epoch)
    }

    /// The keys of `sid`, which must have some.
    async fn person(&self, sid: &Sid) -> Result<Arc<Person>, SealError> {
        let epoch = self.look_again().await?;
        if let Some(person) = self.by_sid.get(sid).filter(|person| person.epoch == epoch) {
            return Ok(person);
        }
        // The registry is asked too: an older copy of the keys may have been put back by hand.
        let registered = self.registry.with_sid(sid).await.map_err(unavailable)?;
        if registered.is_some_and(|registered| registered.erasing_since.is_some()) {
            self.let_go(sid);
            return Err(SealError::NoKey(sid.clone()));
        }
        let state = self.keys.keys(sid).await.map_err(unavailable)?;
        self.at_hand_from_now(sid, epoch, state).await
    }

    /// The keys of who has the name under `lookup`, made on first sight.
    async fn meet(&self, lookup: [u8; 32], epoch: u64) -> Result<(Arc<Person>, bool), SealError> {
        let known = self.registry.by_name(&lookup).await.map_err(unavailable)?;
        let registered = match known {
            Some(known) => known,
            None => {
                let fresh = self.fresh_sid()?;
                let registered = self.registry.register(&fresh, &lookup, self.clock.now()).await;
                registered.map_err(unavailable)?
            }
        };
        let person = self.person_of(&registered, epoch).await?;
        self.by_lookup.insert(lookup, Arc::clone(&person));
        let names = self.registry.names(&registered.sid).await.map_err(unavailable)?;
        Ok((person, names.iter().all(|name| name.lookup != lookup)))
    }

    async fn person_of(
        &self,
        registered: &RegisteredSubject,
        epoch: u64,
    ) -> Result<Arc<Person>, SealError> {
        let sid = &registered.sid;
        if registered.erasing_since.is_some() {
            return Err(SealError::NoKey(sid.clone()));
        }
        let mut state = self.keys.keys(sid).await.map_err(unavailable)?;
        if state == SubjectKeyState::None {
            state = self.keep(sid, 1, &self.fresh_key()?).await?;
        }
        self.at_hand_from_now(sid, epoch, state).await
    }

    async fn at_hand_from_now(
        &self,
        sid: &Sid,
        epoch: u64,
        state: SubjectKeyState,
    ) -> Result<Arc<Person>, SealError> {
        let no_key = || SealError::NoKey(sid.clone());
        let SubjectKeyState::Kept(kept) = state else {
            self.let_go(sid);
            return Err(no_key());
        };
        let restricted = self.keys.restricted(sid).await.map_err(unavailable)?.is_some();
        let (mut keys, mut of_values) = (Vec::new(), Vec::new());
        for stored in kept {
            let key = self.root.unwrap(sid, stored.version, &stored.wrapped_key)?;
            keys.push(PersonKey::new(stored.version, &key)?);
            let of_value = SubjectKey::new(sid.clone(), stored.version, &key);
            of_values.push(Arc::new(of_value.map_err(unavailable)?));
        }
        let mut keys = keys.into_iter();
        let oldest = keys.next().ok_or_else(no_key)?;
        let later = keys.collect();
        let person =
            Arc::new(Person { sid: sid.clone(), epoch, restricted, oldest, later, of_values });
        self.by_sid.insert(sid.clone(), Arc::clone(&person));
        Ok(person)
    }

    fn at_hand(&self, sid: &Sid) -> Result<Arc<Person>, SealError> {
        self.by_sid.get(sid).ok_or_else(|| SealError::NoKey(sid.clone()))
    }
}

/// One name of a person, in clear.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OpenedName {
    pub(crate) issuer: String,
    pub(crate) name: String,
    pub(crate) added_at: haechi_core::Timestamp,
}

/// Why a name was not added.
#[derive(Debug)]
pub(crate) enum NameError {
    Taken,
    Keys(SealError),
}

#[async_trait]
impl Sealer for SubjectSealer {
    async fn sid(&self, issuer: &str, subject: &str) -> Result<Sid, SealError> {
        let lookup = self.lookup(issuer, subject);
        let epoch = self.look_again().await?;
        if let Some(person) = self.by_lookup.get(&lookup).filter(|person| person.epoch == epoch) {
            // The two caches age apart; what follows needs the key under the sid.
            if self.by_sid.get(&person.sid).is_none() {
                self.by_sid.insert(person.sid.clone(), Arc::clone(&person));
            }
            return Ok(person.sid.clone());
        }
        let (person, nameless) = self.meet(lookup, epoch).await?;
        if nameless {
            match self.name(&person.sid, issuer, subject).await {
                // Somebody else was named so meanwhile; only a name, not a key, is then missing.
                Ok(()) | Err(NameError::Taken) => {}
                Err(NameError::Keys(error)) => return Err(error),
            }
        }
        Ok(person.sid.clone())
    }

    fn seal(&self, sid: &Sid, purpose: &str, plain: &[u8]) -> Result<Sealed, SealError> {
        let sealed = self.at_hand(sid)?.newest().seal(sid, purpose, plain, &*self.entropy)?;
        Ok(Sealed(URL_SAFE_NO_PAD.encode(sealed)))
    }

    fn commit(&self, sid: &Sid, purpose: &str, value: &[u8]) -> Result<Commitment, SealError> {
        // Always the oldest: equal values stay equal when the key is rotated.
        let tag = self.at_hand(sid)?.oldest.commit(purpose, value);
        Ok(Commitment(URL_SAFE_NO_PAD.encode(tag)))
    }

    async fn open(&self, sid: &Sid, purpose: &str, sealed: &Sealed) -> Result<Secret, SealError> {
        let person = self.person(sid).await?;
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.0).map_err(|_| SealError::NotGenuine)?;
        let key = person.version(version_of(&bytes)?).ok_or(SealError::NotGenuine)?;
        key.open(sid, purpose, &bytes)
    }
}

#[async_trait]
impl SubjectKeys for SubjectSealer {
    async fn key_of(&self, sid: &Sid) -> Result<Arc<SubjectKey>, ProtectError> {
        let person = self.unrestricted(sid).await?;
        person.of_values.last().cloned().ok_or(ProtectError::Gone)
    }

    async fn version_of(&self, sid: &Sid, version: u32) -> Result<Arc<SubjectKey>, ProtectError> {
        let person = self.unrestricted(sid).await?;
        let key = person.of_values.iter().find(|key| key.version() == version);
        key.cloned().ok_or(ProtectError::Unknown)
    }

    async fn version_for_export(
        &self,
        sid: &Sid,
        version: u32,
    ) -> Result<Arc<SubjectKey>, ProtectError> {
        let person = self.of_values(sid).await?;
        let key = person.of_values.iter().find(|key| key.version() == version);
        key.cloned().ok_or(ProtectError::Unknown)
    }
}

impl SubjectSealer {
    async fn unrestricted(&self, sid: &Sid) -> Result<Arc<Person>, ProtectError> {
        let person = self.of_values(sid).await?;
        if person.restricted { Err(ProtectError::Disabled) } else { Ok(person) }
    }

    /// As [`Self::person`], for values: a person that is registered and has no key yet gets one.
    async fn of_values(&self, sid: &Sid) -> Result<Arc<Person>, ProtectError> {
        let away = |error| ProtectError::Unavailable(Box::new(error));
        match self.person(sid).await {
            Ok(person) => return Ok(person),
            Err(SealError::NoKey(_)) => {}
            Err(error) => return Err(away(error)),
        }
        let store_away = |error| ProtectError::Unavailable(Box::new(error));
        if let SubjectKeyState::Destroyed(_) = self.keys.keys(sid).await.map_err(store_away)? {
            return Err(ProtectError::Gone);
        }
        let registered = self.registry.with_sid(sid).await.map_err(store_away)?;
        let registered = registered.ok_or(ProtectError::Unknown)?;
        let epoch = self.look_again().await.map_err(away)?;
        match self.person_of(&registered, epoch).await {
            Ok(person) => Ok(person),
            Err(SealError::NoKey(_)) => Err(ProtectError::Gone),
            Err(error) => Err(away(error)),
        }
    }
}
