//! The vault and what unlocks it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Clock, Entropy, Secret, SigningKeyStore, StoreError, SubjectKeyStore as _, VaultKeyStore,
};
use haechi_outbound::{FetchLimits, Outbound, Reach};
use haechi_storage::{Sqlite, SubjectKeyFile};
use haechi_vault::provider::{
    EnvironmentRoot, FileRoot, KmsWrapper, PassphraseRoot, Pkcs11Wrapper, ProviderError,
    RootProvider, RootWrapper, TransitWrapper, WrappedRoot,
};
use haechi_vault::{
    Certificate, Retention, SubjectError, SubjectSealer, SubjectStores, Subjects, Vault,
    VaultConfig, VaultKeyError, VaultStores,
};

use crate::settings::{RootSettings, VaultSettings};
use crate::{AssemblyError, DataDirectory};

/// How long a key service may take to answer.
const SERVICE_LIMIT: Duration = Duration::from_secs(10);

/// Time and chance.
pub(crate) type Surroundings = (Arc<dyn Clock>, Arc<dyn Entropy>);

/// The vault, and the people whose values are in it.
#[derive(Clone, Debug)]
pub struct Safe {
    /// Keys, envelopes and tokens.
    pub vault: Arc<Vault>,
    /// Who there is, and the keys of each.
    pub subjects: Subjects,
    /// Seals what belongs to persons.
    pub sealer: Arc<SubjectSealer>,
    /// The file of persons' keys.
    pub subject_keys: SubjectKeyFile,
    /// Where the root key comes from.
    pub provider: Arc<dyn RootProvider>,
}

impl Safe {
    /// Unseals the root, made on first use, and opens the vault with it.
    pub(crate) async fn open(
        settings: &VaultSettings,
        directory: &DataDirectory,
        store: &Sqlite,
        provider: Arc<dyn RootProvider>,
        (clock, entropy): Surroundings,
    ) -> Result<(Self, Secret), AssemblyError> {
        let keys = SubjectKeyFile::open(&directory.subject_keys()).await;
        let subject_keys = keys.map_err(AssemblyError::Store)?;
        let root = root_of(&*provider, store, &subject_keys).await?;
        let all = Arc::new(store.clone());
        let persons = Arc::new(subject_keys.clone());
        let sealer = SubjectSealer::open(
            Arc::clone(&all) as _,
            Arc::clone(&persons) as _,
            &root,
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let sealer = Arc::new(sealer.await?);
        let stores = VaultStores {
            keys: Arc::clone(&all) as _,
            tokens: Arc::clone(&all) as _,
            subjects: Arc::clone(&sealer) as _,
        };
        let chance = (Arc::clone(&clock), Arc::clone(&entropy));
        let vault = Vault::open(stores, &root, config(settings), chance.0, chance.1).await;
        let vault = Arc::new(vault.map_err(AssemblyError::Vault)?);
        let stores = SubjectStores { registry: Arc::clone(&all) as _, keys: persons, tokens: all };
        let values = Arc::clone(&vault) as _;
        let subjects = Subjects::new(stores, Arc::clone(&sealer), values, clock, entropy);
        Ok((Self { vault, subjects, sealer, subject_keys, provider }, root))
    }

    /// Does what time asks for: finishes erasures that were cut off or undone by a restore, deletes
    /// the tokens whose time is over, destroys the key versions that are due; while a legal hold stands
    /// (`held`), no key. For the start, and for now and then.
    pub async fn tidy(&self, held: bool) -> Tidied {
        let destroyed = if held { Ok(Vec::new()) } else { self.vault.destroy_due().await };
        Tidied {
            erased: self.subjects.finish_erasures().await,
            expired: self.subjects.expire().await,
            destroyed,
        }
    }
}

/// What [`Safe::tidy`] did; each part for itself.
#[derive(Debug)]
pub struct Tidied {
    /// Erasures that were finished.
    pub erased: Result<Vec<Certificate>, SubjectError>,
    /// Tokens whose time was over.
    pub expired: Result<u64, SubjectError>,
    /// Key versions that were due.
    pub destroyed: Result<Vec<(u32, u32)>, VaultKeyError>,
}

/// The root key. It is made only where nothing is sealed yet: under a new root nothing that is there
/// would ever open again.
async fn root_of(
    provider: &dyn RootProvider,
    store: &Sqlite,
    subject_keys: &SubjectKeyFile,
) -> Result<Secret, AssemblyError> {
    if let Some(root) = provider.find().await.map_err(AssemblyError::Root)? {
        return Ok(root);
    }
    if !is_sealed(store, subject_keys).await.map_err(AssemblyError::Store)? {
        return provider.unseal().await.map_err(AssemblyError::Root);
    }
    // Another process may have made the root, and sealed with it, between the two questions.
    let root = provider.find().await.map_err(AssemblyError::Root)?;
    root.ok_or_else(|| AssemblyError::NoRoot(provider.place().map(Path::to_owned)))
}

/// Whether anything stands that a root key wraps.
async fn is_sealed(store: &Sqlite, subject_keys: &SubjectKeyFile) -> Result<bool, StoreError> {
    Ok(!VaultKeyStore::list(store, None).await?.is_empty()
        || !SigningKeyStore::list(store).await?.is_empty()
        || !subject_keys.list(None, 1).await?.is_empty())
}

fn config(settings: &VaultSettings) -> VaultConfig {
    let kind = |kind: &str| (kind != "*").then(|| kind.to_owned());
    let mut retention = Retention::default();
    for (name, time) in &settings.retention {
        retention = retention.keep(None, kind(name).as_deref(), *time);
    }
    for (tenant, times) in &settings.tenants {
        for (name, time) in times {
            retention = retention.keep(Some(tenant), kind(name).as_deref(), *time);
        }
    }
    VaultConfig { retention, ..VaultConfig::default() }
}

/// Where the root key of `settings` comes from. Nothing is read or asked yet.
///
/// # Errors
///
/// [`ProviderError`] for what cannot be an address or a name.
pub fn root_provider(
    settings: &RootSettings,
    directory: &DataDirectory,
    outbound: &Outbound,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<Arc<dyn RootProvider>, ProviderError> {
    let exchange = || {
        // The operator chose the address.
        let reach = Reach::DangerousPrivate;
        let limits = FetchLimits { reach, timeout: SERVICE_LIMIT, ..FetchLimits::default() };
        Arc::new(outbound.exchanger(limits))
    };
    let wrapper: Box<dyn RootWrapper> = match settings {
        RootSettings::File => return Ok(Arc::new(FileRoot::new(directory.key(), entropy))),
        RootSettings::Environment(root) => return Ok(Arc::new(EnvironmentRoot::new(root)?)),
        RootSettings::Passphrase(passphrase) => {
            let path = directory.path().join("root.age");
            return Ok(Arc::new(PassphraseRoot::new(path, passphrase, entropy)?));
        }
        RootSettings::Pkcs11(config, pin) => {
            Box::new(Pkcs11Wrapper::new(config.clone(), pin, Arc::clone(&entropy)))
        }
        RootSettings::Transit(config, token) => {
            Box::new(TransitWrapper::new(config.clone(), token, exchange())?)
        }
        RootSettings::AwsKms(config, credentials) => {
            let clock = Arc::clone(&clock);
            Box::new(KmsWrapper::new(config.clone(), credentials.clone(), exchange(), clock)?)
        }
    };
    let path = directory.path().join("root.wrapped");
    Ok(Arc::new(WrappedRoot::new(path, wrapper, clock, entropy)))
}
