//! The wiring: which implementation stands behind each contract.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use haechi_audit::repair::{self, Extent, Loss, RepairError, Repaired};
use haechi_audit::{AuditConfig, AuditLog, NotaryConfig, OpenError, RecordError, Recovery};
use haechi_client::Client;
use haechi_core::{
    AccountStore, BoxFuture, Clock, Entropy, RevocationStore, SealError, Sealer, Secret, StoreError,
};
use haechi_guard::interceptor::Interceptor;
use haechi_guard::{Guard, GuardConfig};
use haechi_identity::{Identity, IdentityError, Stores, Surroundings};
use haechi_outbound::{FetchLimits, Outbound, OutboundConfig, TlsSetupError};
use haechi_policy::{Policy, PolicyWarning};
use haechi_privacy::Privacy;
use haechi_storage::Sqlite;
use haechi_vault::VaultOpenError;
use haechi_vault::provider::ProviderError;

use crate::settings::is_node;
use crate::{
    ConfiguredClients, DataDirectory, DirectoryError, Exports, PatternTrouble, PolicyTrouble, Safe,
    Settings, SystemClock, SystemEntropy, compile_policy, root_provider, unseen,
};

/// How long the last entries may take to leave, once the log is closed.
const LAST_ENTRIES: Duration = Duration::from_secs(3);

/// Logs of one name that may be written at once by `haechi run`.
const MOST_INSTANCES: u32 = 64;
/// A process of `haechi run` serves one client.
const RUN_SEGMENT_BYTES: u64 = 1 << 20;
const RUN_RESERVE_BYTES: u64 = 64 << 10;

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store cannot be used.
    #[error("the store in the data directory cannot be used")]
    Store(#[source] StoreError),
    /// Keys of persons cannot be used.
    #[error(transparent)]
    Sealer(#[from] SealError),
    /// The root key cannot be had.
    #[error(transparent)]
    Root(ProviderError),
    /// Something is sealed under a root key that is not there.
    #[error(
        "the root key is missing{}, and what the store holds is sealed under it",
        .0.as_ref().map(|place| format!(" at `{}`", place.display())).unwrap_or_default()
    )]
    NoRoot(Option<PathBuf>),
    /// The vault did not open.
    #[error(transparent)]
    Vault(VaultOpenError),
    /// What must stay unseen cannot be told.
    #[error(transparent)]
    Patterns(#[from] PatternTrouble),
    /// Identity did not open.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Trusted authorities cannot be read.
    #[error(transparent)]
    Outbound(#[from] TlsSetupError),
    /// The policies are not in force.
    #[error(transparent)]
    Policy(#[from] PolicyTrouble),
    /// The audit log did not open.
    #[error(transparent)]
    Audit(#[from] OpenError),
    /// The audit log does not take what it must be told first.
    #[error("that a backup was restored cannot be recorded")]
    NotRecorded(#[source] RecordError),
    /// The name of a log cannot be one.
    #[error("`{0}` cannot name a log: write 1 to 48 of `A-Za-z0-9._-`")]
    LogName(String),
}

impl AssemblyError {
    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Directory(error) => Some(error.help()),
            Self::Audit(error) => Some(error.help()),
            Self::Root(error) => Some(error.help()),
            Self::Vault(VaultOpenError::OtherRoot) => {
                Some("restore the root key that belongs to this store, or name it in `vault.root`")
            }
            Self::NoRoot(_) => {
                Some("restore that file from where you keep it; no other root opens this store")
            }
            Self::Patterns(_) => Some("`haechi pii test FILE` shows what is wrong with it"),
            Self::Policy(_) => Some("`haechi check` shows every problem at once"),
            Self::Identity(IdentityError::SealedKey(_)) => {
                Some("restore `key` in the data directory: it does not belong to this store")
            }
            _ => None,
        }
    }
}

/// What every command works with: the store, who is calling, time and chance.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Where everything is kept.
    pub directory: DataDirectory,
    /// Users, keys, revocations.
    pub store: Sqlite,
    /// Who is calling.
    pub identity: Arc<Identity>,
    /// The vault, and the people whose values are in it.
    pub safe: Safe,
    /// Seals what belongs to persons.
    pub sealer: Arc<dyn Sealer>,
    /// What must stay unseen, as it is in force now; for what does not travel through the guard.
    pub unseen: Arc<ArcSwapOption<Privacy>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Makes clients for upstreams.
    pub outbound: Outbound,
    /// This program as the OAuth client of others.
    pub client: Client,
    /// Persons' own accounts at upstreams.
    pub accounts: Arc<dyn AccountStore>,
    /// What the keys of the logs are made from: Ed25519, and ML-DSA-44.
    audit_seeds: [Secret; 2],
}

impl Rooms {
    /// Opens the store and identity in `directory`; what is missing is made.
    ///
    /// # Errors
    ///
    /// [`AssemblyError`].
    pub async fn open(
        settings: &Settings,
        directory: DataDirectory,
    ) -> Result<Self, AssemblyError> {
        Self::open_at(settings, directory, Arc::new(SystemClock)).await
    }

    /// The same by a clock of the caller's.
    fn open_at<'a>(
        settings: &'a Settings,
        directory: DataDirectory,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'a, Result<Self, AssemblyError>> {
        Box::pin(async move {
            let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
            let outbound = Outbound::new(OutboundConfig {
                extra_authorities: settings.outbound.authorities.clone(),
                connect_timeout: settings.outbound.connect_timeout,
                ..OutboundConfig::default()
            })?;
            let chance = || (Arc::clone(&clock), Arc::clone(&entropy));
            let provider = root_provider(&settings.vault.root, &directory, &outbound, chance());
            let provider = provider.map_err(AssemblyError::Root)?;
            let path = settings.storage.clone().unwrap_or_else(|| directory.database());
            let store = Sqlite::open(&path).await.map_err(AssemblyError::Store)?;
            let opened = Safe::open(&settings.vault, &directory, &store, provider, chance()).await;
            let (safe, file_key) = opened?;
            let seed = |kind| haechi_vault::derived_key(&file_key, &["audit log", kind]);
            let seeds = seed("Ed25519").and_then(|first| Ok([first, seed("ML-DSA-44")?]));
            let audit_seeds = seeds.map_err(AssemblyError::Vault)?;
            let sealer: Arc<dyn Sealer> = Arc::clone(&safe.sealer) as _;
            let all = Arc::new(store.clone());
            let limits = FetchLimits { reach: settings.outbound.reach, ..FetchLimits::default() };
            let accounts: Arc<dyn AccountStore> = Arc::clone(&all) as _;
            let client = Client::new(haechi_client::Surroundings {
                fetch: Arc::new(outbound.fetcher(limits)),
                exchange: Arc::new(outbound.exchanger(limits)),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
            });
            let surroundings = Surroundings {
                sealer: Arc::clone(&sealer),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                fetch: Arc::new(outbound.fetcher(limits)),
                file_key,
            };
            let stores = Stores {
                users: Arc::clone(&all) as _,
                passwords: Arc::clone(&all) as _,
                api_keys: Arc::clone(&all) as _,
                signing_keys: Arc::clone(&all) as _,
                revocations: Arc::clone(&all) as _,
                clients: Arc::new(ConfiguredClients::new(
                    settings.authorization.clients.clone(),
                    Arc::clone(&all) as _,
                )),
                grants: Arc::clone(&all) as _,
                factors: all,
            };
            let identity = Identity::open(settings.identity(), stores, surroundings).await?;
            let identity = Arc::new(identity.with_exchange(Arc::new(outbound.exchanger(limits))));
            let unseen = Arc::new(ArcSwapOption::empty());
            Ok(Self {
                directory,
                store,
                identity,
                safe,
                sealer,
                unseen,
                clock,
                entropy,
                outbound,
                client,
                accounts,
                audit_seeds,
            })
        })
    }

    /// What the guard is told under `settings`, with what must stay unseen; that is in force from
    /// here on for whatever asks [`Rooms::unseen`].
    fn guard(&self, settings: &Settings) -> Result<GuardConfig, PatternTrouble> {
        let protector = || Arc::clone(&self.safe.vault) as _;
        let made = settings.privacy.as_ref().map(|it| unseen::privacy(it, protector()));
        let privacy = made.transpose()?.map(Arc::new);
        self.unseen.store(privacy.clone());
        Ok(GuardConfig { privacy, ..settings.guard() })
    }

    /// Opens a log and becomes its writer.
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] when another process writes it; others when it cannot be used.
    pub async fn open_log(
        &self,
        settings: &Settings,
        log: &Log,
    ) -> Result<OpenedLog, AssemblyError> {
        match log {
            Log::Gateway => {
                let opened = self.open_one(self.gateway_log(settings)).await?;
                self.tell_of_restoring(&opened.audit).await?;
                Ok(opened)
            }
            Log::Run(name) => self.open_free(settings, name).await,
        }
    }

    /// Processes that run at the same time under one name take `name`, `name-2`, … so that logs
    /// are used again and do not pile up.
    async fn open_free(&self, settings: &Settings, name: &str) -> Result<OpenedLog, AssemblyError> {
        if name.len() > 48 || !is_node(name) || name.starts_with('.') {
            return Err(AssemblyError::LogName(name.to_owned()));
        }
        let mut number = 1;
        loop {
            let instance = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            match self.open_one(self.run_log(settings, &instance)).await {
                Err(OpenError::Locked { .. }) if number < MOST_INSTANCES => number += 1,
                opened => return Ok(opened?),
            }
        }
    }

    /// How the log of one `haechi run` is kept.
    fn run_log(&self, settings: &Settings, instance: &str) -> AuditConfig {
        AuditConfig {
            segment_bytes: RUN_SEGMENT_BYTES,
            reserve_bytes: RUN_RESERVE_BYTES,
            durability: settings.audit.durability,
            notary: Some(self.notary(settings, &format!("/run-{instance}"))),
            ..AuditConfig::new(self.directory.run(instance), format!("run-{instance}"))
        }
    }

    /// How a log is kept; [`Log::Run`] names this one instance.
    fn log_config(&self, settings: &Settings, log: &Log) -> AuditConfig {
        match log {
            Log::Gateway => self.gateway_log(settings),
            Log::Run(instance) => self.run_log(settings, instance),
        }
    }

    /// How the gateway's own log is kept.
    fn gateway_log(&self, settings: &Settings) -> AuditConfig {
        let audit = &settings.audit;
        AuditConfig {
            durability: audit.durability,
            segment_bytes: audit.segment_bytes,
            group_delay: audit.group_delay.min(Duration::from_millis(2)),
            reserve_bytes: audit.reserve_bytes,
            notary: Some(self.notary(settings, "")),
            ..AuditConfig::new(self.directory.audit(), audit.node.clone())
        }
    }

    /// Says what is wrong with a log, and changes nothing; `None` where nothing is. [`Log::Run`] names
    /// one instance here, and below.
    ///
    /// # Errors
    ///
    /// [`RepairError`] where nobody can tell.
    pub async fn examine_log(
        &self,
        settings: &Settings,
        log: &Log,
        extent: Extent,
    ) -> Result<Option<Loss>, RepairError> {
        let (config, clock) = (self.log_config(settings, log), Arc::clone(&self.clock));
        aside(move || repair::examine(&config, extent, clock)).await
    }

    /// Sets a log aside, which lost entries, and begins another.
    ///
    /// # Errors
    ///
    /// [`RepairError`].
    pub async fn accept_loss(
        &self,
        settings: &Settings,
        log: &Log,
    ) -> Result<Repaired, RepairError> {
        let (config, clock) = (self.log_config(settings, log), Arc::clone(&self.clock));
        aside(move || repair::accept_loss(config, clock)).await
    }

    /// How a log signs whose name is the gateway's with `more` behind it.
    fn notary(&self, settings: &Settings, more: &str) -> NotaryConfig {
        let [seed, post_quantum] = &self.audit_seeds;
        let post_quantum = settings.audit.post_quantum.then(|| post_quantum.clone());
        let origin = format!("{}{more}", settings.audit.origin);
        NotaryConfig { post_quantum, ..NotaryConfig::new(origin, seed.clone()) }
    }

    async fn open_one(&self, config: AuditConfig) -> Result<OpenedLog, OpenError> {
        let (clock, directory) = (Arc::clone(&self.clock), config.directory.clone());
        let opening = tokio::task::spawn_blocking(move || AuditLog::open(config, clock));
        let opened = opening.await.unwrap_or_else(|error| {
            let path = directory.clone();
            Err(OpenError::File { path, source: std::io::Error::other(error) })
        });
        opened.map(|(audit, recovery)| OpenedLog { audit, recovery, directory })
    }

    /// Whether the store can be read now.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        self.store.epoch().await.map(drop)
    }
}

/// Runs what reads whole files where it may take its time.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepairError> + Send + 'static,
) -> Result<T, RepairError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let source = std::io::Error::other(error);
        Err(RepairError::File { path: PathBuf::from("audit"), source })
    })
}

/// A log whose writer this process is.
#[derive(Debug)]
pub struct OpenedLog {
    /// The log.
    pub audit: AuditLog,
    /// What it found when it was opened.
    pub recovery: Recovery,
    /// Where it is.
    pub directory: PathBuf,
}

/// Which log a process writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// The gateway's own, which whoever owns the data directory writes.
    Gateway,
    /// That of one `haechi run`, by its name.
    Run(String),
}

/// What a program that embeds the guard adds to its settings. It stays in force whatever settings
/// are put in force later.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Stages of the program's own, in their order, after the built-in second look.
    pub interceptors: Vec<Arc<dyn Interceptor>>,
    /// Tells the time in place of the machine: for tests of what time does.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Everything a call walks through.
#[derive(Debug)]
pub struct Assembly {
    /// The store, identity and what they need.
    pub rooms: Rooms,
    /// What happened.
    pub audit: AuditLog,
    /// The line every call walks.
    pub guard: Arc<Guard>,
    /// Where the log is.
    pub log: PathBuf,
    /// What the log found when it was opened.
    pub recovery: Recovery,
    /// What is odd about the policies.
    pub warnings: Vec<PolicyWarning>,
    /// What leaves the log, to where the settings say.
    pub exports: Exports,
    interceptors: Vec<Arc<dyn Interceptor>>,
}

impl Assembly {
    /// Puts everything together under `settings`.
    ///
    /// # Errors
    ///
    /// [`AssemblyError`]; the policies are compiled first, so that a mistake in them changes
    /// nothing.
    pub async fn open(
        settings: &Settings,
        directory: DataDirectory,
        log: &Log,
    ) -> Result<Self, AssemblyError> {
        Self::open_with(settings, directory, log, Extras::default()).await
    }

    /// Puts everything together under `settings`, with what a program adds to them.
    ///
    /// # Errors
    ///
    /// As [`Assembly::open`].
    pub fn open_with<'a>(
        settings: &'a Settings,
        directory: DataDirectory,
        log: &'a Log,
        extras: Extras,
    ) -> BoxFuture<'a, Result<Self, AssemblyError>> {
        Box::pin(async move {
            let Extras { interceptors, clock } = extras;
            let clock = clock.unwrap_or_else(|| Arc::new(SystemClock));
            let epoch = clock.now().as_millis();
            let (policy, warnings) = compile_policy(settings, Vec::new(), epoch)?;
            let rooms = Rooms::open_at(settings, directory, clock).await?;
            let opened = rooms.open_log(settings, log).await?;
            if *log == Log::Gateway {
                rooms.ask_witnesses(settings, &opened.audit);
            }
            let OpenedLog { audit, recovery, directory: log } = opened;
            let hall = haechi_guard::Rooms {
                identity: Arc::clone(&rooms.identity),
                audit: audit.clone(),
                sealer: Arc::clone(&rooms.sealer),
                protector: Arc::clone(&rooms.safe.vault) as _,
                clock: Arc::clone(&rooms.clock),
                entropy: Arc::clone(&rooms.entropy),
            };
            let config =
                GuardConfig { interceptors: interceptors.clone(), ..rooms.guard(settings)? };
            let guard = Guard::new(hall, Arc::new(policy), config);
            let exports = Exports::start(&settings.exports, &rooms);
            Ok(Self { rooms, audit, guard, log, recovery, warnings, exports, interceptors })
        })
    }

    /// Compiles the policy of `settings` again, which are in force already, with the tools that are
    /// known now.
    ///
    /// # Errors
    ///
    /// [`PolicyTrouble`]; then what was in force stays.
    pub fn recompile(&self, settings: &Settings) -> Result<Vec<PolicyWarning>, PolicyTrouble> {
        let (policy, warnings) = self.compile(settings)?;
        let privacy = self.rooms.unseen.load_full();
        let interceptors = self.interceptors.clone();
        let config = GuardConfig { privacy, interceptors, ..settings.guard() };
        self.guard.reload(Arc::new(policy), config);
        Ok(warnings)
    }

    /// Puts `settings` in force for the calls from now on.
    ///
    /// # Errors
    ///
    /// [`AssemblyError::Policy`] and [`AssemblyError::Patterns`]; then what was in force stays.
    pub fn reload(&self, settings: &Settings) -> Result<Vec<PolicyWarning>, AssemblyError> {
        let (policy, warnings) = self.compile(settings)?;
        let interceptors = self.interceptors.clone();
        let config = GuardConfig { interceptors, ..self.rooms.guard(settings)? };
        self.guard.reload(Arc::new(policy), config);
        Ok(warnings)
    }

    /// Writes what is still to be written, lets the last entries leave, and gives the log to whoever
    /// wants it next.
    pub async fn close(&self) {
        self.audit.clone().close().await;
        self.exports.finish(LAST_ENTRIES).await;
    }

    fn compile(&self, settings: &Settings) -> Result<(Policy, Vec<PolicyWarning>), PolicyTrouble> {
        let epoch = self.rooms.clock.now().as_millis();
        let catalog = self.guard.catalog().all();
        let known = |upstream: &str| settings.upstream(upstream).is_some();
        let catalog = catalog.into_iter().filter(|tool| known(&tool.upstream)).collect();
        compile_policy(settings, catalog, epoch)
    }
}
