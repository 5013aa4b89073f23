//! `haechi serve`: guard the servers of the settings over HTTP.

mod keeper;
mod tidy;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_assembly::{Act, Administrator, Assembly, Control, Log, Settings};
use haechi_audit::view::View;
use haechi_face::Language;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::audit::repair::{GATEWAY, refused};
use super::carriers::Carriers;
use super::context::Context;
use super::desk;
use super::failure::Failure;
use crate::gateway::{Gateway, HttpConfig, HttpLimits, Parts, PublishedLog};
use crate::observability::{LogConfig, LogFormat, Logging, metrics};
use crate::server::Tls;
use keeper::{Keeper, Warned};

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
        let assembly = assembly.map_err(|error| refused(context, GATEWAY, error))?;
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
