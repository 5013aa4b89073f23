//! The listener: connections, TLS, and an orderly end.

mod clients;
mod connection;
mod tls;
mod tls_error;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use tls::{Accepted, Tls};

use crate::gateway::Gateway;
use crate::observability::metrics;
use connection::Connection;

/// How often idle sessions are looked for and metrics are tidied.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the gateway could not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The listener does not say where it listens.
    #[error("the listener is not usable")]
    Listener(#[source] std::io::Error),
}

impl Gateway {
    /// Answers on `listener` until `stop` is cancelled, then lets running requests end within the
    /// grace of the settings.
    ///
    /// `tls` reloads its own files. Bind the listener first and put its real address into
    /// [`HttpConfig::listen`](crate::gateway::HttpConfig).
    ///
    /// # Errors
    ///
    /// [`ServeError`] before the first connection; afterwards failures concern one connection.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        listener.local_addr().map_err(ServeError::Listener)?;
        let sweeper = tokio::spawn(sweep(Arc::clone(&self), self.stopping.clone()));
        let reloader = tls.clone().map(|tls| tokio::spawn(tls.watch(self.stopping.clone())));
        let acceptor = Acceptor::new(self, listener, tls);
        acceptor.run(stop).await;
        sweeper.abort();
        if let Some(reloader) = reloader {
            reloader.abort();
        }
        Ok(())
    }
}

struct Acceptor {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    /// Cancelled at the end of the grace.
    cut: CancellationToken,
}

impl Acceptor {
    fn new(gateway: Arc<Gateway>, listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        let places = Arc::new(Semaphore::new(gateway.http.limits.connections));
        let (graceful, cut) = (GracefulShutdown::new(), CancellationToken::new());
        Self { gateway, listener, tls, places, graceful, cut }
    }

    async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.accept() => {
                    if let Some((stream, place)) = accepted {
                        self.begin(stream, place);
                    }
                }
            }
        }
        self.finish().await;
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, _)) => Some((stream, place)),
            Err(error) => {
                // Out of descriptors, or the peer is gone already: neither ends the gateway.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    fn begin(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let connection = Connection {
            gateway: Arc::clone(&self.gateway),
            tls: self.tls.clone(),
            watcher: self.graceful.watcher(),
        };
        let cut = self.cut.clone();
        tokio::spawn(async move {
            metrics::connection_opened();
            tokio::select! {
                () = connection.serve(stream) => {}
                () = cut.cancelled() => {}
            }
            metrics::connection_closed();
            drop(place);
        });
    }

    async fn finish(self) {
        drop(self.listener);
        self.gateway.stopping.cancel();
        let grace = self.gateway.http.limits.grace;
        if tokio::time::timeout(grace, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(?grace, "requests were still running at the end of the grace");
        }
        self.cut.cancel();
    }
}

async fn sweep(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        gateway.guard.sweep(&|name| gateway.upstream(name)).await;
        if let Some(metrics) = &gateway.metrics {
            metrics.run_upkeep();
        }
    }
}
