//! A vault on a store in memory, with a clock moved by hand.

use std::sync::Arc;

use haechi_core::{
    Entropy, ManualClock, Opened, Place, ProtectError, Protection, Protector, Secret,
    SeededEntropy, Sid, Timestamp, ToOpen, ToProtect,
};
use haechi_storage::Memory;
use haechi_vault::{MemorySubjectKeys, Vault, VaultConfig, VaultStores};

/// Every protection that opens again.
pub(crate) const REVERSIBLE: [Protection; 4] =
    [Protection::Token, Protection::SameToken, Protection::Seal, Protection::Format];

pub(crate) struct Hall {
    pub(crate) vault: Vault,
    pub(crate) store: Memory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) subjects: Arc<MemorySubjectKeys>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

pub(crate) fn root() -> Secret {
    Secret::new(vec![42; 32])
}

pub(crate) fn sid() -> Sid {
    Sid("0123456789abcdef0123456789abcdef".into())
}

pub(crate) fn place(kind: &str) -> Place {
    Place {
        tenant: "acme".into(),
        upstream: "crm".into(),
        tool: "find".into(),
        field: "/customers/*/email".into(),
        kind: kind.into(),
    }
}

impl Hall {
    pub(crate) async fn new() -> Self {
        Self::with(VaultConfig::default()).await
    }

    pub(crate) async fn with(config: VaultConfig) -> Self {
        let store = Memory::new();
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let clock = Arc::new(ManualClock::at(Timestamp(1_795_353_258_007)));
        let subjects = Arc::new(MemorySubjectKeys::new(Arc::clone(&entropy)));
        let stores = VaultStores {
            keys: Arc::new(store.clone()),
            tokens: Arc::new(store.clone()),
            subjects: Arc::<MemorySubjectKeys>::clone(&subjects),
        };
        let chance = Arc::clone(&entropy);
        let vault = Vault::open(stores, &root(), config, clock.clone(), chance).await.unwrap();
        Self { vault, store, clock, subjects, entropy }
    }

    /// Another vault on the same stores, as another process would have it.
    pub(crate) async fn beside(&self) -> Vault {
        let stores = VaultStores {
            keys: Arc::new(self.store.clone()),
            tokens: Arc::new(self.store.clone()),
            subjects: Arc::<MemorySubjectKeys>::clone(&self.subjects),
        };
        let (clock, entropy) = (self.clock.clone(), Arc::clone(&self.entropy));
        Vault::open(stores, &root(), VaultConfig::default(), clock, entropy).await.unwrap()
    }

    pub(crate) async fn protect(&self, how: Protection, value: &str, place: &Place) -> String {
        self.try_protect(how, value, place, None).await.unwrap()
    }

    pub(crate) async fn try_protect(
        &self,
        how: Protection,
        value: &str,
        place: &Place,
        subject: Option<&Sid>,
    ) -> Result<String, ProtectError> {
        let value = ToProtect { how, value, place, subject, receiver: None };
        let mut texts = self.vault.protect(&[value]).await?;
        assert_eq!(texts.len(), 1);
        Ok(texts.remove(0))
    }

    pub(crate) async fn open(&self, text: &str, place: &Place) -> Result<Opened, ProtectError> {
        open_with(&self.vault, text, place).await
    }
}

pub(crate) async fn open_with(
    vault: &Vault,
    text: &str,
    place: &Place,
) -> Result<Opened, ProtectError> {
    let mut opened = vault.open(&[ToOpen { text, place }]).await;
    assert_eq!(opened.len(), 1);
    opened.remove(0)
}

/// Asserts that opening failed in the way `expected` says.
macro_rules! assert_fails {
    ($result:expr, $expected:pat) => {{
        let result = $result;
        assert!(matches!(&result, Err($expected)), "{:?}", result.err());
    }};
}
pub(crate) use assert_fails;
