//! The vault and what unlocks it.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Entropy};
use haechi_outbound::{FetchLimits, Outbound, Reach};
use haechi_storage::{Sqlite, SubjectKeyFile};
use haechi_vault::provider::{
    EnvironmentRoot, FileRoot, KmsWrapper, PassphraseRoot, Pkcs11Wrapper, ProviderError,
    RootProvider, RootWrapper, TransitWrapper, WrappedRoot,
};
use haechi_vault::{
    Retention, SubjectSealer, SubjectStores, Subjects, Vault, VaultConfig, VaultStores,
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
    ) -> Result<(Self, haechi_core::Secret), AssemblyError> {
        let root = provider.unseal().await.map_err(AssemblyError::Root)?;
        let keys = SubjectKeyFile::open(&directory.subject_keys()).await;
        let subject_keys = keys.map_err(AssemblyError::Store)?;
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
