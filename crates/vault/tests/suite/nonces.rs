//! No nonce comes twice, whatever dies on the way.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    Entropy, EntropyError, KeyState, ManualClock, Protection, Protector, Rewrapped, SeededEntropy,
    StoreError, StoredKeyVersion, StoredVaultKey, Timestamp, ToProtect, VaultKeyChange,
    VaultKeyStore, VaultPurpose,
};
use haechi_storage::{Memory, Sqlite};
use haechi_vault::{MemorySubjectKeys, Vault, VaultConfig, VaultStores};

use crate::hall::{Hall, place, root};

/// Header, then nonce, then commitment: see the envelope's layout.
fn nonce_and_key(text: &str) -> (Vec<u8>, Vec<u8>) {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("hv1.").unwrap()).unwrap();
    (bytes[10..22].to_vec(), bytes[2..10].to_vec())
}

async fn seal(vault: &Vault, count: usize) -> Vec<String> {
    let place = place("EMAIL_ADDRESS");
    let value = ToProtect {
        how: Protection::Seal,
        value: "a@example.com",
        place: &place,
        subject: None,
        receiver: None,
    };
    vault.protect(&vec![value; count]).await.unwrap()
}

fn assert_distinct(texts: &[String]) {
    let mut seen = HashSet::new();
    for text in texts {
        // The counter alone must differ: the bytes that are drawn are not what is relied upon.
        let (nonce, key) = nonce_and_key(text);
        assert!(seen.insert((nonce[7..].to_vec(), key)), "a nonce came twice");
    }
}

#[tokio::test]
async fn processes_on_one_store_never_take_the_same_nonce() {
    let hall = Hall::new().await;
    let mut texts = Vec::new();
    for _ in 0..5 {
        let beside = hall.beside().await;
        for count in [1, 300, 7] {
            texts.extend(seal(&hall.vault, count).await);
            texts.extend(seal(&beside, count).await);
        }
    }
    assert_distinct(&texts);
}

#[tokio::test]
async fn a_version_that_has_sealed_all_it_may_gives_way() {
    let config = VaultConfig { seals_per_key: 300, ..VaultConfig::default() };
    let hall = Hall::with(config).await;
    let mut texts = Vec::new();
    for count in [250, 49, 1, 1, 650] {
        texts.extend(seal(&hall.vault, count).await);
    }
    assert_distinct(&texts);
    let mut sealed = std::collections::BTreeMap::new();
    for text in &texts {
        *sealed.entry(nonce_and_key(text).1[4..].to_vec()).or_insert(0_u32) += 1;
    }
    let sealed: Vec<u32> = sealed.into_values().collect();
    assert_eq!(sealed, [300, 300, 300, 51]);
    for text in &texts {
        assert!(hall.open(text, &place("EMAIL_ADDRESS")).await.is_ok());
    }
}

/// A store whose every third reservation fails, one half of them after it was written.
#[derive(Debug)]
struct Failing(Memory, AtomicU32);

#[async_trait]
impl VaultKeyStore for Failing {
    async fn keys_epoch(&self) -> Result<u64, StoreError> {
        self.0.keys_epoch().await
    }
    async fn find_or_add(&self, key: StoredVaultKey) -> Result<StoredVaultKey, StoreError> {
        self.0.find_or_add(key).await
    }
    async fn by_name(
        &self,
        tenant: &str,
        purpose: VaultPurpose,
        kind: &str,
    ) -> Result<Option<StoredVaultKey>, StoreError> {
        self.0.by_name(tenant, purpose, kind).await
    }
    async fn by_ids(&self, key_ids: &[u32]) -> Result<Vec<StoredVaultKey>, StoreError> {
        self.0.by_ids(key_ids).await
    }
    async fn list(&self, tenant: Option<&str>) -> Result<Vec<StoredVaultKey>, StoreError> {
        VaultKeyStore::list(&self.0, tenant).await
    }
    async fn add_version(
        &self,
        key_id: u32,
        version: StoredKeyVersion,
        promote: bool,
    ) -> Result<bool, StoreError> {
        self.0.add_version(key_id, version, promote).await
    }
    async fn change(&self, key_id: u32, change: VaultKeyChange) -> Result<(), StoreError> {
        VaultKeyStore::change(&self.0, key_id, change).await
    }
    async fn set_state(
        &self,
        key_id: u32,
        version: u32,
        state: KeyState,
    ) -> Result<(), StoreError> {
        self.0.set_state(key_id, version, state).await
    }
    async fn destroy_due(&self, now: Timestamp) -> Result<Vec<(u32, u32)>, StoreError> {
        self.0.destroy_due(now).await
    }
    async fn rewrap(&self, keys: Vec<Rewrapped>) -> Result<bool, StoreError> {
        self.0.rewrap(keys).await
    }
    async fn reserve(&self, key_id: u32, version: u32, count: u64) -> Result<u64, StoreError> {
        let failed = || StoreError::Unavailable(Box::new(EntropyError));
        match self.1.fetch_add(1, Ordering::SeqCst) % 6 {
            2 => Err(failed()),
            5 => self.0.reserve(key_id, version, count).await.and_then(|_| Err(failed())),
            _ => self.0.reserve(key_id, version, count).await,
        }
    }
}

async fn vault_on(keys: Arc<dyn VaultKeyStore>, entropy: Arc<dyn Entropy>) -> Vault {
    let subjects = Arc::new(MemorySubjectKeys::new(Arc::clone(&entropy)));
    let stores = VaultStores { keys, tokens: Arc::new(Memory::new()), subjects };
    let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
    Vault::open(stores, &root(), VaultConfig::default(), clock, entropy).await.unwrap()
}

#[tokio::test]
async fn a_store_that_fails_costs_nonces_and_repeats_none() {
    let store = Memory::new();
    let mut texts = Vec::new();
    for seed in 0..40 {
        let failing = Arc::new(Failing(store.clone(), AtomicU32::new(seed)));
        let vault = vault_on(failing, Arc::new(SeededEntropy::new(7 + u64::from(seed)))).await;
        let place = place("EMAIL_ADDRESS");
        for _ in 0..6 {
            let value = ToProtect {
                how: Protection::Seal,
                value: "a@example.com",
                place: &place,
                subject: None,
                receiver: None,
            };
            if let Ok(sealed) = vault.protect(&vec![value; 200]).await {
                texts.extend(sealed);
            }
        }
    }
    assert!(texts.len() > 10_000, "{}", texts.len());
    assert_distinct(&texts);
}

/// Where the child finds its store.
const FOLDER: &str = "HAECHI_TEST_NONCES";

#[tokio::test]
async fn a_process_that_is_killed_repeats_no_nonce() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nonces::the_sealer", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At work, and then killed at some moment between two system calls.
        let mut first = lines.by_ref().map(Result::unwrap).find(|line| line.contains("hv1."));
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        texts.extend(first.take());
        texts.extend(lines.map_while(Result::ok));
    }
    // The last line of a killed process may be cut short.
    let whole = texts.iter().filter_map(|line| line.split_once("hv1.")).map(|(_, rest)| rest);
    let texts: Vec<String> =
        whole.filter(|rest| rest.len() > 90).map(|rest| format!("hv1.{rest}")).collect();
    let texts: Vec<String> = texts
        .into_iter()
        .filter(|text| URL_SAFE_NO_PAD.decode(text.strip_prefix("hv1.").unwrap()).is_ok())
        .collect();
    assert!(texts.len() > 12, "{}", texts.len());
    assert_distinct(&texts);
}

#[tokio::test]
#[ignore = "the test above starts it in a process of its own and kills it"]
async fn the_sealer() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells its child where to work")]
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Sqlite::open(&Path::new(&folder).join("store.db")).await.unwrap();
    // The drawn bytes are always the same, so that only the counter tells nonces apart.
    let vault = vault_on(Arc::new(store), Arc::new(SeededEntropy::new(7))).await;
    let mut out = std::io::stdout().lock();
    for _ in 0..100 {
        for text in seal(&vault, 100).await {
            writeln!(out, "{text}").unwrap();
        }
        out.flush().unwrap();
    }
}
