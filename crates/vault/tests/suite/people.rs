//! People in files, as a gateway keeps them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::{
    BackUp as _, Entropy, ManualClock, Opened, Place, ProtectError, Protection, Protector as _,
    Secret, SeededEntropy, Sid, Timestamp, ToOpen, ToProtect,
};
use haechi_storage::{Sqlite, SubjectKeyFile};
use haechi_vault::{SubjectSealer, SubjectStores, Subjects, Vault, VaultConfig, VaultStores};
use tempfile::TempDir;

/// One process on a data directory.
pub(crate) struct People {
    pub(crate) subjects: Subjects,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) database: Sqlite,
    pub(crate) keys: SubjectKeyFile,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn root() -> Secret {
    Secret::new(vec![42; 32])
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn place() -> Place {
    Place {
        tenant: "acme".into(),
        upstream: "crm".into(),
        tool: "find".into(),
        field: "/customers/*/email".into(),
        kind: "EMAIL_ADDRESS".into(),
    }
}

impl People {
    /// A process on `folder`; `seed` makes its chance its own.
    pub(crate) async fn open(folder: &Path, seed: u64) -> Self {
        Self::with(folder, seed, VaultConfig::default()).await
    }

    pub(crate) async fn with(folder: &Path, seed: u64, config: VaultConfig) -> Self {
        Self::try_open(folder, seed, (config, root())).await.unwrap()
    }

    pub(crate) async fn under(folder: &Path, seed: u64, root: Secret) -> Self {
        Self::try_open(folder, seed, (VaultConfig::default(), root)).await.unwrap()
    }

    async fn try_open(
        folder: &Path,
        seed: u64,
        (config, root): (VaultConfig, Secret),
    ) -> Result<Self, haechi_core::SealError> {
        let database = Sqlite::open(&folder.join("haechi.db")).await.unwrap();
        let keys = SubjectKeyFile::open(&folder.join("subject-keys.db")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_795_353_258_007)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let all = Arc::new(database.clone());
        let sealer = SubjectSealer::open(
            all.clone(),
            Arc::new(keys.clone()),
            &root,
            clock.clone(),
            Arc::clone(&entropy),
        );
        let sealer = Arc::new(sealer.await?);
        let stores =
            VaultStores { keys: all.clone(), tokens: all.clone(), subjects: sealer.clone() };
        let chance = Arc::clone(&entropy);
        let vault = Vault::open(stores, &root, config, clock.clone(), chance).await.unwrap();
        let vault = Arc::new(vault);
        let stores =
            SubjectStores { registry: all.clone(), keys: Arc::new(keys.clone()), tokens: all };
        let subjects = Subjects::new(stores, sealer.clone(), vault.clone(), clock.clone(), entropy);
        Ok(Self { subjects, sealer, vault, database, keys, clock })
    }

    pub(crate) async fn protect(
        &self,
        how: Protection,
        value: &str,
        subject: &Sid,
    ) -> Result<String, ProtectError> {
        let place = place();
        let value = ToProtect { how, value, place: &place, subject: Some(subject), receiver: None };
        Ok(self.vault.protect(&[value]).await?.remove(0))
    }

    pub(crate) async fn read(&self, text: &str) -> Result<Opened, ProtectError> {
        let place = place();
        self.vault.open(&[ToOpen { text, place: &place }]).await.remove(0)
    }

    /// An ordinary backup: the database without the keys of persons.
    pub(crate) async fn back_up(&self, folder: &Path) -> PathBuf {
        let to = folder.join("haechi.db");
        self.database.back_up(&to).await.unwrap();
        to
    }
}

/// Whether `bytes` stand in any file below `folder`.
pub(crate) fn stands_in(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands_in(&path, bytes);
        }
        std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

/// Waits until every connection to the databases in `folder` is closed: only then are they put aside.
/// Each connection has the index of its log open, and nothing else does.
pub(crate) async fn closed(folder: &Path) {
    let folder = folder.canonicalize().unwrap();
    let is_index = |entry: std::io::Result<std::fs::DirEntry>| {
        let Ok(target) = entry.and_then(|entry| std::fs::read_link(entry.path())) else {
            return false;
        };
        target.starts_with(&folder) && target.to_str().unwrap().contains("-shm")
    };
    for _ in 0..500 {
        if !std::fs::read_dir("/proc/self/fd").unwrap().any(is_index) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the databases were not closed");
}
