//! `haechi serve`: guard the servers of the settings over HTTP.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_assembly::settings::KeepSettings;
use haechi_assembly::{Act, Administrator, Assembly, Control, Log, Rooms, Settings, Tidied, Watch};
use haechi_audit::view::View;
use haechi_face::Language;
use haechi_identity::KeyTurn;
use haechi_policy::PolicyWarning;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::audit::repair::refused;
use super::carriers::Carriers;
use super::context::Context;
use super::desk;
use super::failure::{Failure, chain};
use crate::gateway::{Gateway, HttpConfig, HttpLimits, Parts, PublishedLog};
use crate::observability::{LogConfig, LogFormat, Logging, metrics};
use crate::server::Tls;

/// How often the files of the settings are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often what has ended is forgotten, signing keys take turns, and what is kept sealed is tidied.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// How long the last entries may take to leave, once the log is closed.
pub(super) const LAST_ENTRIES: Duration = Duration::from_secs(3);
/// How long the last traces may take to be sent.
const LAST_TRACES: Duration = Duration::from_secs(3);

/// Guard the servers of the settings over HTTP
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  $ haechi serve --config haechi.toml\n\n\
    Settings and policies are read again on SIGHUP and when their files change; a version with a \
    mistake in it leaves the old one in force.")]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let settings = context.required_settings()?;
        let directory = context.directory(&settings)?;
        let listener = listen(settings.listen.address).await?;
        let assembly = Assembly::open(&settings, directory, &Log::Gateway).await;
        let assembly = assembly.map_err(|error| refused(context, error))?;
        let stop = stop_signals()?;
        serve(Serving { settings, assembly, listener, language: context.language, stop }).await
    }
}

/// Binds `address`.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::unknown(format!("`{address}` cannot be listened on: {error}"))
            .help("choose another address with `listen.address`")
    })
}

/// A gateway that is ready to serve.
pub(super) struct Serving {
    pub(super) settings: Settings,
    pub(super) assembly: Assembly,
    pub(super) listener: TcpListener,
    pub(super) language: Language,
    /// From [`stop_signals`].
    pub(super) stop: CancellationToken,
}

/// Serves until it is told to stop, then ends in order: connections, children, the log.
pub(super) async fn serve(serving: Serving) -> Result<ExitCode, Failure> {
    let Serving { settings, assembly, listener, language, stop } = serving;
    let logging = start_logging(&settings, &assembly)?;
    let carriers = Carriers::default().next(&settings, &assembly.rooms, false)?;
    let mut http = http_config(&settings, &listener, language)?;
    let authorization = desk::open(&settings, &assembly, &http)?;
    if let Some(server) = &authorization {
        http.authorization_servers.insert(0, server.issuer().to_owned());
    }
    let tls = load_tls(&settings)?;
    let gateway = Arc::new(Gateway::new(Parts {
        guard: Arc::clone(&assembly.guard),
        identity: Arc::clone(&assembly.rooms.identity),
        routes: carriers.routes(settings.listen.anonymous),
        ready: readiness(&assembly),
        metrics: start_metrics(&settings)?,
        log: Some(published_log(&settings, &assembly)?),
        authorization,
        http,
    }));
    let administrator =
        Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &settings);
    let new_keys = Arc::new(Notify::new());
    let control = Control::listen(&assembly.rooms.directory)
        .map_err(|error| Failure::of(&error))?
        .serve(administrator.clone(), hears_of_keys(Arc::clone(&new_keys)));
    let control = tokio::spawn(control);
    announce(&gateway, &assembly);
    let mut warned = Warned::default();
    warned.warn_of(&assembly.warnings);
    let digests = settings.digests();
    record_settings(&administrator, &digests).await?;
    let mut keeper =
        Keeper { settings, assembly, carriers, administrator, gateway, new_keys, warned, digests };
    let gateway = Arc::clone(&keeper.gateway);
    let serving = gateway.serve(listener, tls, stop);
    let served = tokio::select! {
        served = serving => served,
        () = keeper.keep() => Ok(()),
    };
    control.abort();
    keeper.close().await;
    logging.finish(LAST_TRACES);
    served.map_err(|error| Failure::of(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// Says by which settings, policies and patterns the calls from now on are judged.
async fn record_settings(
    administrator: &Administrator,
    digests: &[(String, String)],
) -> Result<(), Failure> {
    let detail = digests.iter().map(|(name, sha256)| format!("is:{name}:{sha256}"));
    let detail = std::iter::once("done".to_owned()).chain(detail).collect();
    let recorded = administrator.record("settings.load", "settings", detail).await;
    recorded.map_err(Failure::from)
}

fn start_logging(settings: &Settings, assembly: &Assembly) -> Result<Logging, Failure> {
    let config = LogConfig {
        format: if settings.log.json { LogFormat::Json } else { LogFormat::Text },
        level: settings.log.level.parse().unwrap_or(LevelFilter::INFO),
        otlp_endpoint: settings.telemetry.as_ref().map(|url| url.as_str().to_owned()),
    };
    Logging::start(&config, assembly.rooms.outbound.upstream_client())
        .map_err(|error| Failure::of(&error))
}

/// The gateway's own log, as monitors may read it.
fn published_log(settings: &Settings, assembly: &Assembly) -> Result<PublishedLog, Failure> {
    let view = View::open(&assembly.rooms.directory.audit());
    let view = view.map_err(|error| Failure::of(&error).help(error.help()))?;
    Ok(PublishedLog::new(view, settings.audit.publish))
}

fn start_metrics(
    settings: &Settings,
) -> Result<Option<metrics_exporter_prometheus::PrometheusHandle>, Failure> {
    let started = settings.metrics.enabled.then(metrics::start).transpose();
    started.map_err(|error| Failure::of(&error))
}

fn load_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, Failure> {
    let Some(files) = &settings.listen.tls else { return Ok(None) };
    let loaded = Tls::load(files);
    loaded
        .map(|tls| Some(Arc::new(tls)))
        .map_err(|error| Failure::of(&error).help("look at `listen.tls` in the settings"))
}

/// What HTTP may do, by the settings and the address that is really listened on.
pub(super) fn http_config(
    settings: &Settings,
    listener: &TcpListener,
    language: Language,
) -> Result<HttpConfig, Failure> {
    let listen = &settings.listen;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::unknown(format!("the listener has no address: {error}")))?;
    let limits = &listen.limits;
    Ok(HttpConfig {
        tls: listen.tls.is_some(),
        client_certificates: listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some()),
        public_url: listen.public_url.clone(),
        allowed_hosts: listen.allowed_hosts.clone(),
        allowed_origins: listen.allowed_origins.clone(),
        limits: HttpLimits {
            header_bytes: limits.header_bytes,
            headers: limits.headers,
            body_bytes: limits.body_bytes,
            header_timeout: limits.header_timeout,
            body_timeout: limits.body_timeout,
            connections: limits.connections,
            streams: limits.streams,
            grace: limits.grace,
        },
        tell_denied: settings.policy.tell_denied,
        open_metrics: settings.metrics.open,
        authorization_servers: settings.issuers.iter().map(|one| one.issuer.clone()).collect(),
        language,
        ..HttpConfig::new(address)
    })
}

fn readiness(assembly: &Assembly) -> crate::gateway::Readiness {
    let rooms = assembly.rooms.clone();
    Arc::new(move || {
        let rooms = rooms.clone();
        Box::pin(async move { rooms.check_store().await.map_err(|_| "store") })
    })
}

fn hears_of_keys(new_keys: Arc<Notify>) -> impl Fn(&Act) + Send + Sync + 'static {
    move |act| {
        if matches!(act, Act::RotateKey | Act::RetireKey { .. }) {
            new_keys.notify_one();
        }
    }
}

fn announce(gateway: &Gateway, assembly: &Assembly) {
    let bases = gateway.http.bases();
    let base = bases.first().map_or("", String::as_str);
    let directory = assembly.rooms.directory.path().display();
    tracing::info!(address = base, %directory, "haechi is on guard");
    for resource in gateway.routes().resources() {
        tracing::info!(%resource, "guarding");
    }
    let recovery = &assembly.recovery;
    tracing::debug!(?recovery, "the audit log is open");
}

/// Warnings of policies that were logged: each once, however often the policy is compiled again.
#[derive(Debug, Default)]
struct Warned(HashSet<String>);

impl Warned {
    fn warn_of(&mut self, warnings: &[PolicyWarning]) {
        for warning in warnings {
            if self.0.insert(warning.to_string()) {
                tracing::warn!(%warning, "a rule may not do what it seems to");
            }
        }
    }
}

/// A token that is cancelled by SIGINT and SIGTERM.
pub(super) fn stop_signals() -> Result<CancellationToken, Failure> {
    let unusable = |error| Failure::unknown(format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(stop)
}

/// Keeps a running gateway in step with its settings.
struct Keeper {
    settings: Settings,
    assembly: Assembly,
    carriers: Carriers,
    administrator: Administrator,
    gateway: Arc<Gateway>,
    new_keys: Arc<Notify>,
    warned: Warned,
    /// The files of the settings as they are in force.
    digests: Vec<(String, String)>,
}

impl Keeper {
    /// Never ends by itself.
    async fn keep(&mut self) {
        let mut watch = Watch::new(self.settings.files());
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let mut forgetting = tokio::time::interval(FORGET_INTERVAL);
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut learned = 0;
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    if watch.changed() {
                        self.reload().await;
                        watch = Watch::new(self.settings.files());
                    }
                    self.recompile(&mut learned);
                    metrics::exported(&self.assembly.exports.states());
                },
                _ = heard(&mut hangup) => {
                    self.reload().await;
                    watch = Watch::new(self.settings.files());
                },
                () = self.new_keys.notified() => self.give_new_keys(),
                _ = forgetting.tick() => {
                    // On its own: an erasure that is finished reads whole files.
                    let keep = self.settings.audit.keep.clone();
                    let (rooms, administrator) =
                        (self.assembly.rooms.clone(), self.administrator.clone());
                    tokio::spawn(tidy(rooms, administrator, keep));
                    if let Err(error) = self.assembly.rooms.forget_ended().await {
                        tracing::warn!(error = chain(&error), "what has ended was not forgotten");
                    }
                    self.turn_keys().await;
                }
            }
        }
    }

    /// Lets signing keys take turns when it is time. Each step is recorded by whoever took it.
    async fn turn_keys(&self) {
        let turns = match self.assembly.rooms.identity.turn_keys().await {
            Ok(turns) => turns,
            Err(error) => {
                tracing::error!(error = chain(&error), "signing keys did not take turns");
                return;
            }
        };
        for turn in turns {
            let (act, key_id) = match turn {
                KeyTurn::Announced(key_id) => {
                    self.new_keys.notify_one();
                    ("key.announce", key_id)
                }
                KeyTurn::Activated(key_id) => ("key.rotate", key_id),
                KeyTurn::Retired(key_id) => ("key.retire", key_id),
            };
            tracing::info!(act, key_id, "done when it was time");
            let recorded = self.administrator.record(act, &key_id, vec!["done".to_owned()]).await;
            if let Err(error) = recorded {
                tracing::error!(error = chain(&error), act, "this was not recorded");
            }
        }
    }

    /// Reads settings and policies again. Whatever is wrong leaves the old ones in force.
    async fn reload(&mut self) {
        let Some(file) = self.settings.file.clone() else { return };
        let before = self.settings.clone();
        let taken = self.take(&file);
        // A version that was refused is named too; what it is held against is in force.
        let digests = self.settings.digests();
        let differing = differing(&self.digests, &digests);
        if taken.is_ok() {
            self.digests = digests;
        }
        let mut detail: Vec<String> = match taken {
            Ok(restart) => {
                for section in &restart {
                    tracing::warn!(section, "takes effect at the next start");
                }
                tracing::info!("the settings were read again and are in force");
                let restart = restart.into_iter().map(str::to_owned);
                let changed = before.changed_sections(&self.settings).into_iter();
                let done = std::iter::once("done".to_owned());
                done.chain(restart).chain(changed.map(|it| format!("changed:{it}"))).collect()
            }
            Err(why) => {
                tracing::error!(%why, "the settings were read again; the old ones stay in force");
                vec!["not-done".to_owned()]
            }
        };
        detail.extend(differing);
        let recorded = self.administrator.record("settings.reload", "settings", detail).await;
        if let Err(error) = recorded {
            tracing::error!(error = chain(&error), "reading the settings again was not recorded");
        }
    }

    /// Compiles the policy again when lists have shown tools it did not know: it then judges by the
    /// rules that can concern a tool, and says which rules fit none.
    fn recompile(&mut self, learned: &mut u64) {
        let version = self.assembly.guard.catalog().version();
        if std::mem::replace(learned, version) == version {
            return;
        }
        match self.assembly.recompile(&self.settings) {
            Ok(warnings) => self.warned.warn_of(&warnings),
            Err(error) => {
                tracing::error!(error = chain(&error), "the policy was not compiled again");
            }
        }
    }

    /// Puts a new version in force; names what of it needs another start.
    fn take(&mut self, file: &std::path::Path) -> Result<Vec<&'static str>, String> {
        let newer = Settings::load(file).map_err(|error| chain(&error))?;
        let carriers = self.carriers.next(&newer, &self.assembly.rooms, false);
        let carriers = carriers.map_err(|failure| failure.to_string())?;
        let warnings = self.assembly.reload(&newer).map_err(|error| chain(&error))?;
        self.warned.warn_of(&warnings);
        self.carriers = carriers;
        self.gateway.replace_routes(self.carriers.routes(self.settings.listen.anonymous));
        let restart = self.settings.needs_restart_for(&newer);
        self.settings = newer;
        Ok(restart)
    }

    /// Programs that verify our signature learn the keys at their start.
    fn give_new_keys(&mut self) {
        match self.carriers.next(&self.settings, &self.assembly.rooms, true) {
            Ok(carriers) => {
                self.carriers = carriers;
                let routes = self.carriers.routes(self.settings.listen.anonymous);
                self.gateway.replace_routes(routes);
            }
            Err(failure) => tracing::error!(%failure, "programs did not get the new keys"),
        }
    }

    /// Stops the children and closes the log.
    async fn close(self) {
        self.carriers.stop().await;
        self.assembly.audit.clone().close().await;
        self.assembly.exports.finish(LAST_ENTRIES).await;
    }
}

/// Retention, keys that are due, erasures that were cut off. What is gone for good is recorded.
async fn tidy(rooms: Rooms, administrator: Administrator, keep: KeepSettings) {
    // Where nobody can tell whether a hold stands, one does.
    let held = match rooms.refuse_while_held().await {
        Ok(()) => false,
        Err(error) => {
            tracing::info!(reason = chain(&error), "no key is destroyed, and no entry given up");
            true
        }
    };
    if !held && let Err(error) = administrator.give_up_old(&keep).await {
        tracing::error!(error = chain(&error), "old entries of the audit log were not given up");
    }
    let Tidied { erased, expired, destroyed } = rooms.safe.tidy(held).await;
    let record = async |act: &str, object: String| {
        tracing::info!(act, object, "done when it was time");
        let recorded = administrator.record(act, &object, vec!["done".to_owned()]).await;
        if let Err(error) = recorded {
            tracing::error!(error = chain(&error), act, "this was not recorded");
        }
    };
    match erased {
        Ok(certificates) => {
            for certificate in certificates {
                if let Err(error) = rooms.accounts.remove_all(&certificate.sid).await {
                    tracing::error!(error = chain(&error), "linked accounts were not forgotten");
                }
                record("subject.erase", certificate.sid.to_string()).await;
                if let Err(error) = administrator.certify_erasure(&certificate.sid).await {
                    tracing::error!(error = chain(&error), "a certificate was not signed");
                }
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "erasures were not finished"),
    }
    match expired {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "tokens whose time was over were deleted"),
        Err(error) => tracing::error!(error = chain(&error), "old tokens were not deleted"),
    }
    match destroyed {
        Ok(versions) => {
            for (key, version) in versions {
                record("vault.destroy", format!("{key}/{version}")).await;
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "keys that are due stand"),
    }
}

/// Which files are others now: what each was, and is.
fn differing(old: &[(String, String)], new: &[(String, String)]) -> Vec<String> {
    let gone = old.iter().filter(|file| !new.contains(file));
    let come = new.iter().filter(|file| !old.contains(file));
    let gone = gone.map(|(name, sha256)| format!("was:{name}:{sha256}"));
    gone.chain(come.map(|(name, sha256)| format!("is:{name}:{sha256}"))).collect()
}

async fn heard(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
