//! Entries on their way out: for each `[[audit.export]]` a follower and what it sends with.

mod file;
mod http;
mod syslog;

pub use file::{file_text, open_lines};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_audit::export::{Follower, Progress, Sink};
use haechi_core::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::assembly::Rooms;
use crate::settings::{Destination, ExportSettings};

/// This program, as records name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The exports of this process. Dropped, they end at once and lose nothing: whoever comes next goes
/// on where the sinks confirmed.
#[derive(Debug)]
pub struct Exports {
    running: Mutex<Vec<JoinHandle<()>>>,
    states: Vec<(String, Arc<Mutex<Progress>>)>,
    stop: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
}

/// How one export is doing.
#[derive(Clone, Debug)]
pub struct ExportState {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// How old the oldest entry is that was not confirmed yet.
    pub lag: Duration,
}

impl Exports {
    /// Starts one task for each of `settings` on this runtime. Nothing here fails: a sink that
    /// cannot be had is waited for.
    pub(crate) fn start(settings: &[ExportSettings], rooms: &Rooms) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (mut running, mut states) = (Vec::new(), Vec::new());
        for export in settings {
            let what = (export.selection(), export.encoder(VERSION));
            let clock = Arc::clone(&rooms.clock);
            let data = rooms.directory.path();
            let follower = Follower::new(&*export.name, data, what, sink(export, rooms), clock);
            states.push((export.name.clone(), follower.progress()));
            running.push(tokio::spawn(follower.run(stopped.clone())));
        }
        Self { running: Mutex::new(running), states, stop, clock: Arc::clone(&rooms.clock) }
    }

    /// How they are doing now.
    #[must_use]
    pub fn states(&self) -> Vec<ExportState> {
        let now: Timestamp = self.clock.now();
        let state = |(name, progress): &(String, Arc<Mutex<Progress>>)| {
            let progress = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ExportState { name: name.clone(), lag: progress.lag(now), progress }
        };
        self.states.iter().map(state).collect()
    }

    /// Lets what is in the log already leave, for at most `limit`, and ends.
    pub async fn finish(&self, limit: Duration) {
        // Nobody listens when nothing runs.
        let _ = self.stop.send(true);
        let running =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = tokio::time::Instant::now() + limit;
        for mut task in running {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Drop for Exports {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        running.iter().for_each(JoinHandle::abort);
    }
}

fn sink(export: &ExportSettings, rooms: &Rooms) -> Box<dyn Sink> {
    match &export.to {
        Destination::File(file) => Box::new(file::FileSink::new(file, export.format)),
        Destination::Syslog(to) => Box::new(syslog::SyslogSink::new(to, rooms.outbound.dialer())),
        Destination::Http(to) => {
            Box::new(http::HttpSink::new(to, export.format, rooms.outbound.upstream_client()))
        }
    }
}
