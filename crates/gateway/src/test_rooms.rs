//! The rooms of a hall for tests: real ones, on a store in memory, with a clock moved by hand.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig};
use haechi_core::{
    Entropy, Fetch, FetchError, Fetched, ManualClock, Secret, SeededEntropy, Timestamp,
};
use haechi_guard::Rooms;
use haechi_identity::{Identity, IdentityConfig, Stores, Surroundings};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};

/// Nothing is fetched in tests.
#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// Rooms, and the clock and sealer behind them.
pub(crate) struct TestRooms {
    pub(crate) rooms: Rooms,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sealer: Arc<SubjectSealer>,
}

impl TestRooms {
    /// Opens them with the log in `folder`; `change` has a word on who may come in.
    pub(crate) async fn open(folder: &Path, change: impl FnOnce(&mut IdentityConfig)) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, file_key) = (Arc::new(Memory::new()), Secret::new(vec![7; 32]));
        let keys = Arc::new(MemorySubjectKeys::default());
        let opened = SubjectSealer::open(
            store.clone(),
            keys,
            &file_key,
            clock.clone(),
            Arc::clone(&entropy),
        );
        let sealer = Arc::new(opened.await.unwrap());
        let safe =
            VaultStores { keys: store.clone(), tokens: store.clone(), subjects: sealer.clone() };
        let chance = (clock.clone(), Arc::clone(&entropy));
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), chance.0, chance.1).await;
        let protector = Arc::new(vault.unwrap());
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
        let mut settings = IdentityConfig::new("https://guard.example");
        change(&mut settings);
        let identity = Arc::new(Identity::open(settings, stores, surroundings).await.unwrap());
        let mut audit = AuditConfig::new(folder.join("audit"), "test");
        audit.durability = Durability::Kill;
        audit.segment_bytes = 1 << 20;
        audit.notary = Some(NotaryConfig::new("guard.example/log", Secret::new(vec![9; 32])));
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let (sealed_by, told_by) = (sealer.clone(), clock.clone());
        let rooms =
            Rooms { identity, audit, sealer: sealed_by, protector, clock: told_by, entropy };
        Self { rooms, clock, sealer }
    }
}
