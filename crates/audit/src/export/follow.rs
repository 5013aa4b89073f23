//! Hands what is new to a sink, for as long as it is told to.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{
    Batch, Cursor, CursorError, CursorLock, Encoder, Gatherer, Receipt, Selection, Sink, SinkError,
    cursor_path,
};

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often new entries are looked for.
    pub look: Duration,
    /// The first pause after a sink failed; it doubles up to `longest`.
    pub shortest: Duration,
    /// The longest pause, also when the sink asks for more.
    pub longest: Duration,
    /// How long a sink may take to confirm one batch.
    pub timeout: Duration,
}

/// Looks once a second, tries again after one to thirty seconds, waits a minute for a batch.
impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
        }
    }
}

/// How far an export is, for metrics and messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that the sink confirmed since the start of this process.
    pub sent: u64,
    /// Records that the sink refused for good.
    pub refused: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Entries that were pruned before they could be exported.
    pub pruned: u64,
    /// Entries that are not confirmed yet.
    pub lag_entries: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// What is wrong, in one line.
    pub trouble: Option<String>,
}

impl Progress {
    /// How old the oldest entry is that was not confirmed yet.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest))
    }
}

/// Hands the entries of all logs of a data directory to one sink.
#[derive(Debug)]
pub struct Follower {
    name: String,
    data: PathBuf,
    cursor: PathBuf,
    selection: Selection,
    encoder: Encoder,
    sink: Box<dyn Sink>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    progress: Arc<Mutex<Progress>>,
    measured: Option<Instant>,
    /// Whether every log can be read.
    well: bool,
    /// Since when something waits that is not in the batch.
    waits: Option<Timestamp>,
}

/// How far behind it is, is counted at most so often: it may mean reading a segment.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// It was told to stop.
struct Stopped;

impl Follower {
    /// A follower of the name `name`, by which its cursor is kept below `data`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        data: &Path,
        (selection, encoder): (Selection, Encoder),
        sink: Box<dyn Sink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let name = name.into();
        Self {
            cursor: cursor_path(data, &name),
            data: data.to_owned(),
            name,
            selection,
            encoder,
            sink,
            clock,
            pace: Pace::default(),
            progress: Arc::default(),
            measured: None,
            well: true,
            waits: None,
        }
    }

    /// At another pace.
    #[must_use]
    pub const fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How far it is; to be read at any time.
    #[must_use]
    pub fn progress(&self) -> Arc<Mutex<Progress>> {
        Arc::clone(&self.progress)
    }

    /// Exports until `stop` says true, then what is there already, if the sink takes it at once.
    ///
    /// Dropping the future at any time loses nothing: what was not confirmed is sent again. While
    /// another process sends to this sink, it waits. What goes wrong is told in [`Progress`] and
    /// logged once, and tried again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if let Ok((_lock, gatherer)) = self.begin(&mut stop).await {
            // Told to stop: whatever is left is sent by whoever comes next.
            let _ = self.follow(gatherer, &mut stop).await;
        }
    }

    /// Waits until this process is the one that sends to the sink.
    async fn begin(
        &self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(CursorLock, Gatherer), Stopped> {
        let mut told = false;
        loop {
            let path = self.cursor.clone();
            let opened = blocking(move || {
                let lock = CursorLock::take(&path)?;
                let cursor = Cursor::load(&path)?;
                if !path.exists() {
                    // Where it stands, nothing is given up that this sink has not confirmed: also
                    // before it has confirmed anything. A full disk keeps nothing from leaving.
                    let _later = cursor.store(&path);
                }
                Ok::<_, CursorError>((lock, cursor))
            });
            match opened.await {
                Some(Ok((lock, cursor))) => {
                    let selection = self.selection.clone();
                    let gatherer = Gatherer::new(&self.data, selection, self.encoder, cursor);
                    self.update(|progress| (progress.trouble, progress.oldest) = (None, None));
                    return Ok((lock, gatherer));
                }
                Some(Err(error)) => {
                    let elsewhere = matches!(error, CursorError::Locked { .. });
                    if !elsewhere {
                        // Nobody exports, and how much waits nobody can tell.
                        let now = self.clock.now();
                        self.update(|progress| progress.oldest = progress.oldest.or(Some(now)));
                    }
                    if !told && !elsewhere {
                        tracing::error!(
                            sink = self.name,
                            error = chain(&error),
                            help = error.help(),
                            "nothing is exported"
                        );
                    }
                    told = true;
                    self.update(|progress| progress.trouble = Some(chain(&error)));
                }
                None => return Err(Stopped),
            }
            self.pause(self.pace.longest.min(Duration::from_secs(5)), stop).await?;
        }
    }

    async fn follow(
        &mut self,
        mut gatherer: Gatherer,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        loop {
            let now = self.clock.now();
            let taken = blocking(move || {
                let batch = gatherer.next_batch(now);
                (gatherer, batch)
            });
            let Some((returned, batch)) = taken.await else { return Err(Stopped) };
            gatherer = returned;
            (self.well, self.waits) = (gatherer.is_well(), gatherer.waits_since());
            let batch = batch.unwrap_or_else(|error| {
                self.update(|progress| progress.trouble = Some(chain(&error)));
                Batch::default()
            });
            self.tell(&batch);
            if batch.is_empty() {
                gatherer = self.measure(&batch, gatherer).await?;
                self.pause(self.pace.look, stop).await?;
                continue;
            }
            gatherer = self.deliver(&batch, gatherer, stop).await?;
        }
    }

    /// Logs what is odd about a batch.
    fn tell(&self, batch: &Batch) {
        for (log, trouble) in &batch.troubles {
            tracing::error!(sink = self.name, log, error = chain(trouble), "a log is not exported");
            let text = format!("`{log}`: {}", chain(trouble));
            self.update(|progress| progress.trouble = Some(text));
        }
        if batch.pruned > 0 {
            tracing::warn!(
                sink = self.name,
                entries = batch.pruned,
                "entries were pruned before they were exported"
            );
            self.update(|progress| progress.pruned += batch.pruned);
        }
    }

    /// Sends a batch until it is confirmed, then moves the cursor.
    async fn deliver(
        &mut self,
        batch: &Batch,
        mut gatherer: Gatherer,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Gatherer, Stopped> {
        let mut pause = self.pace.shortest;
        let mut failing = false;
        loop {
            gatherer = self.measure(batch, gatherer).await?;
            let error = match self.send(batch).await {
                Ok(receipt) => {
                    self.confirmed(batch, receipt, failing).await;
                    return Ok(gatherer);
                }
                Err(error) => error,
            };
            self.refused(&error, &mut failing);
            let wanted = error.again_in().unwrap_or_default();
            self.pause(pause.max(wanted).min(self.pace.longest), stop).await?;
            pause = (pause * 2).min(self.pace.longest);
        }
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        if batch.lines.is_empty() {
            return Ok(Receipt::default());
        }
        let limit = self.pace.timeout;
        let sent = tokio::time::timeout(limit, self.sink.send(&batch.lines)).await;
        sent.unwrap_or(Err(SinkError::TimedOut(limit)))
    }

    async fn confirmed(&self, batch: &Batch, receipt: Receipt, failing: bool) {
        if failing {
            tracing::info!(sink = self.name, "the export goes on");
        }
        // No more than were sent, whatever the other side says.
        let refused = receipt.refused.min(batch.lines.len() as u64);
        if refused > 0 {
            tracing::warn!(sink = self.name, records = refused, "refused for good");
        }
        let (cursor, path) = (batch.next.clone(), self.cursor.clone());
        let stored = blocking(move || cursor.store(&path)).await;
        let trouble = match stored {
            Some(Err(error)) => {
                tracing::error!(
                    sink = self.name,
                    error = chain(&error),
                    help = error.help(),
                    "entries will be exported again after a restart"
                );
                Some(chain(&error))
            }
            Some(Ok(())) | None => None,
        };
        self.update(|progress| {
            progress.sent += batch.entries;
            progress.refused += refused;
            progress.lag_entries = progress.lag_entries.saturating_sub(batch.entries);
            progress.oldest = self.waits;
            if trouble.is_some() || self.well {
                progress.trouble = trouble;
            }
        });
    }

    fn refused(&self, error: &SinkError, failing: &mut bool) {
        let text = chain(error);
        if !*failing {
            tracing::warn!(sink = self.name, error = text, "the export waits for its sink");
        }
        *failing = true;
        self.update(|progress| {
            progress.failed += 1;
            progress.trouble = Some(text);
        });
    }

    /// How far behind it is while `batch` is not confirmed.
    async fn measure(&mut self, batch: &Batch, gatherer: Gatherer) -> Result<Gatherer, Stopped> {
        let oldest = batch.oldest().into_iter().chain(self.waits).min();
        self.update(|progress| {
            progress.oldest = oldest;
            progress.lag_entries = progress.lag_entries.max(batch.entries);
        });
        if batch.is_empty() && oldest.is_none() {
            self.update(|progress| progress.lag_entries = 0);
            return Ok(gatherer);
        }
        if self.measured.is_some_and(|at| at.elapsed() < MEASURE_INTERVAL) {
            return Ok(gatherer);
        }
        self.measured = Some(Instant::now());
        let measured = blocking(move || {
            let waiting = gatherer.waiting();
            (gatherer, waiting)
        });
        let (gatherer, waiting) = measured.await.ok_or(Stopped)?;
        self.update(|progress| progress.lag_entries = batch.entries + waiting);
        Ok(gatherer)
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits, unless it is told to stop. Whoever is gone wants that too.
    async fn pause(&self, long: Duration, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        if *stop.borrow() {
            return Err(Stopped);
        }
        tokio::select! {
            () = tokio::time::sleep(long) => Ok(()),
            // Looks once more, for what came last.
            told = stop.changed() => told.map_err(|_| Stopped),
        }
    }
}

/// Runs `work` where it may block; `None` when the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a text cannot fail.
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
