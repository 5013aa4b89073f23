//! The rooms behind every world of these tests: real ones, on stores in memory and a clock moved by
//! hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_authorization::{AuthorizationConfig, Dynamic, OfferedResource, Rooms, Scope, Stores};
use haechi_core::{
    Entropy, Event, Fetch, FetchError, Fetched, GrantStore, ManualClock, Secret, SeededEntropy,
    Timestamp,
};
use haechi_guard::{Guard, GuardConfig};
use haechi_identity::{Identity, IdentityConfig, PasswordPolicy, Surroundings};
use haechi_policy::{Policy, PolicySource};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};

/// `iss`, and the address of the server.
pub(crate) const ISSUER: &str = "https://gateway.example";
/// 2027-01-15T08:00:00Z, when every world begins.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A network without anybody in it.
#[derive(Debug)]
pub(crate) struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// The rooms.
pub(crate) struct House {
    pub(crate) identity: Arc<Identity>,
    pub(crate) store: Memory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) audit: AuditLog,
    guard: Arc<Guard>,
    folder: tempfile::TempDir,
}

impl House {
    /// Rooms that read what lies elsewhere by `fetch`.
    pub(crate) async fn new(settings: IdentityConfig, fetch: Arc<dyn Fetch>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, file_key) = (Memory::new(), Secret::new(vec![7; 32]));
        let shared = || Arc::new(store.clone());
        let chance = || (clock.clone(), Arc::clone(&entropy));
        let keys = Arc::new(MemorySubjectKeys::default());
        let (time, random) = chance();
        let sealer = SubjectSealer::open(shared(), keys, &file_key, time, random);
        let sealer = Arc::new(sealer.await.unwrap());
        let safe = VaultStores { keys: shared(), tokens: shared(), subjects: sealer.clone() };
        let (time, random) = chance();
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), time, random).await;
        let surroundings = Surroundings {
            sealer: sealer.clone(),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
            fetch: Arc::clone(&fetch),
            file_key,
        };
        let identity = Identity::open(settings, identity_stores(&store), surroundings).await;
        let identity = Arc::new(identity.unwrap());
        identity.be_authorization_server(ISSUER);
        let mut audit = AuditConfig::new(folder.path().join("audit"), "test");
        (audit.durability, audit.segment_bytes) = (Durability::Kill, 1 << 20);
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let hall = haechi_guard::Rooms {
            identity: Arc::clone(&identity),
            audit: audit.clone(),
            sealer: sealer.clone(),
            protector: Arc::new(vault.unwrap()),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
        };
        let policy = Policy::compile(&PolicySource::default(), 1).unwrap().0;
        let guard = Guard::new(hall, Arc::new(policy), GuardConfig::default());
        Self { identity, store, clock, entropy, sealer, fetch, audit, guard, folder }
    }

    /// What an authorization server works with.
    pub(crate) fn rooms(&self) -> Rooms {
        Rooms {
            identity: Arc::clone(&self.identity),
            guard: Arc::clone(&self.guard),
            fetch: Arc::clone(&self.fetch),
            clock: self.clock.clone(),
            entropy: Arc::clone(&self.entropy),
        }
    }

    /// Where it keeps what it knows.
    pub(crate) fn stores(&self) -> Stores {
        self.stores_with(Arc::new(self.store.clone()))
    }

    /// The same, with grants kept elsewhere.
    pub(crate) fn stores_with(&self, grants: Arc<dyn GrantStore>) -> Stores {
        let shared = || Arc::new(self.store.clone());
        Stores {
            users: shared(),
            clients: shared(),
            grants,
            consents: shared(),
            tickets: shared(),
            sessions: shared(),
            factors: shared(),
            logins: shared(),
        }
    }

    /// Where the log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    /// What the log says.
    pub(crate) fn events(&self) -> Vec<Event> {
        let reader = Reader::open(&self.log()).unwrap();
        reader.entries(0).map(|entry| entry.unwrap().event).collect()
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

/// Passwords that cost little, in a house of this name.
pub(crate) fn settings(issuer: &str) -> IdentityConfig {
    let mut settings = IdentityConfig::new(issuer);
    settings.passwords = PasswordPolicy { memory_kib: 64, iterations: 1, ..Default::default() };
    settings
}

/// The usual server: nobody registers by itself, and nothing is read elsewhere.
pub(crate) fn config() -> AuthorizationConfig {
    AuthorizationConfig {
        issuer: ISSUER.to_owned(),
        scopes: Vec::new(),
        access_lifetime: Duration::from_secs(600),
        refresh_idle: Duration::from_secs(86_400),
        grant_lifetime: Duration::from_secs(864_000),
        code_lifetime: Duration::from_secs(60),
        refresh_grace: Duration::from_secs(10),
        session_lifetime: Duration::from_secs(12 * 3600),
        session_idle: Duration::from_secs(12 * 3600),
        metadata_documents: false,
        document_hosts: Vec::new(),
        dangerous_loopback_documents: false,
        dynamic_registration: Dynamic::Off,
        second_factor_required: false,
        assertion_issuers: Vec::new(),
        exchange_issuers: Vec::new(),
    }
}

/// A scope that speaks for itself.
pub(crate) fn scope(name: &str) -> Scope {
    Scope { name: name.to_owned(), english: None, korean: None }
}

/// The upstream `name` at `uri`, where a newcomer should ask for `scope`.
pub(crate) fn offered(name: &str, uri: &str, scope: &str) -> OfferedResource {
    let (uris, scopes) = (vec![uri.to_owned()], vec![scope.to_owned()]);
    OfferedResource { uris, name: name.to_owned(), scopes }
}

/// All of identity's stores in one.
pub(crate) fn identity_stores(store: &Memory) -> haechi_identity::Stores {
    let shared = || Arc::new(store.clone());
    haechi_identity::Stores {
        users: shared(),
        passwords: shared(),
        api_keys: shared(),
        signing_keys: shared(),
        revocations: shared(),
        clients: shared(),
        grants: shared(),
        factors: shared(),
    }
}
