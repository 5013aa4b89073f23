//! A guard over real rooms, on a store in memory.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_core::{
    Entropy, Event, Fetch, FetchError, Fetched, ManualClock, Secret, SeededEntropy, Timestamp,
};
use haechi_guard::{Guard, GuardConfig, Rooms};
use haechi_identity::{Identity, IdentityConfig, NewUser, Stores, Surroundings};
use haechi_policy::{Policy, PolicySource};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// A guard whose one user is `ann`.
pub(crate) struct Hall {
    pub(crate) guard: Arc<Guard>,
    directory: PathBuf,
    _folder: tempfile::TempDir,
}

impl Hall {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("audit");
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, file_key) = (Arc::new(Memory::new()), Secret::new(vec![7; 32]));
        let keys = Arc::new(MemorySubjectKeys::default());
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let sealer = SubjectSealer::open(store.clone(), keys, &file_key, time, chance);
        let sealer = Arc::new(sealer.await.unwrap());
        let safe =
            VaultStores { keys: store.clone(), tokens: store.clone(), subjects: sealer.clone() };
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), time, chance).await;
        let stores = Stores {
            users: store.clone(),
            passwords: store.clone(),
            api_keys: store.clone(),
            signing_keys: store.clone(),
            revocations: store.clone(),
            clients: store.clone(),
            grants: store.clone(),
            factors: store,
        };
        let surroundings = Surroundings {
            sealer: sealer.clone(),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
            fetch: Arc::new(NoFetch),
            file_key,
        };
        let settings = IdentityConfig::new("https://mcp.example");
        let identity = Arc::new(Identity::open(settings, stores, surroundings).await.unwrap());
        identity.add_user(ann()).await.unwrap();
        let mut audit = AuditConfig::new(&directory, "test");
        audit.durability = Durability::Kill;
        audit.segment_bytes = 1 << 20;
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let protector = Arc::new(vault.unwrap());
        let rooms = Rooms { identity, audit, sealer, protector, clock, entropy };
        let policy = Policy::compile(&PolicySource::default(), 1).unwrap().0;
        let guard = Guard::new(rooms, Arc::new(policy), GuardConfig::default());
        Self { guard, directory, _folder: folder }
    }

    /// Every sign-in of the log: whether it succeeded, and why not.
    pub(crate) fn sign_ins(&self) -> Vec<(bool, Option<String>)> {
        let reader = Reader::open(&self.directory).unwrap();
        let events = reader.entries(0).map(|entry| entry.unwrap().event);
        let tell = |event| match event {
            Event::SignIn(sign_in) => Some((sign_in.success, sign_in.reason)),
            _ => None,
        };
        events.filter_map(tell).collect()
    }
}

fn ann() -> NewUser {
    NewUser {
        username: "ann".to_owned(),
        display_name: None,
        email: None,
        roles: ["user".to_owned()].into(),
        password: Some(Secret::from(PASSWORD.to_owned())),
    }
}
