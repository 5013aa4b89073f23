//! One child: started, fed, read and stopped with everything it forked.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::UpstreamName;
use haechi_core::json::{Checked, Kind, Limits};
use haechi_guard::UpstreamFailure;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::stderr::Tail;
use super::{StdioUpstreamConfig, exec, spawner};

/// Lines that may wait for a child to read them.
const QUEUED_LINES: usize = 32;
/// Messages of a child that may wait to be sorted.
const READ_AHEAD: usize = 16;
/// Lines that are no message, after which a child is killed.
const MAX_NONSENSE: u32 = 100;
/// How long the output of a child that has ended is still read: something it forked away from its
/// process group may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A child that runs, or has ended. Dropping it stops the child.
#[derive(Debug)]
pub(super) struct Process {
    stdin: mpsc::Sender<Bytes>,
    orders: Orders,
    ended: watch::Receiver<bool>,
    started: Instant,
    write_timeout: Duration,
    tail: Tail,
    pid: Option<u32>,
}

/// What whoever runs a child is told to do with it.
#[derive(Clone, Debug, Default)]
struct Orders {
    stop: CancellationToken,
    kill: CancellationToken,
}

/// Why a line did not reach a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// It does not read.
    Busy,
    /// It has ended, or is being stopped.
    Ended,
}

impl SendError {
    /// The same as the guard calls it.
    pub(super) fn failure(self, upstream: &UpstreamName) -> UpstreamFailure {
        match self {
            Self::Busy => UpstreamFailure::Busy(upstream.clone()),
            Self::Ended => UpstreamFailure::Ended(upstream.clone()),
        }
    }
}

impl Process {
    /// Starts a child, and hands out its messages: strictly checked JSON objects. `permit` is given
    /// back when the child and its process group are gone.
    pub(super) async fn start(
        upstream: &UpstreamName,
        config: &StdioUpstreamConfig,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Checked>), UpstreamFailure> {
        let unreachable = |source: std::io::Error| UpstreamFailure::Unreachable {
            upstream: upstream.clone(),
            source: source.into(),
        };
        check_program(config).map_err(unreachable)?;
        let mut child = spawner::spawn(command(config)).await.map_err(unreachable)?;
        let pid = child.id();
        let orders = Orders::default();
        let (has_ended, ended) = watch::channel(false);
        let (lines, messages) = mpsc::channel(READ_AHEAD);
        let (stdin, queue) = mpsc::channel(QUEUED_LINES);
        let tail = Tail::new(Arc::clone(&config.unseen));
        if let Some(pipe) = child.stdin.take() {
            tokio::spawn(write(pipe, queue, orders.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(tail.clone().follow(upstream.clone(), pipe));
        }
        if let Some(pipe) = child.stdout.take() {
            let reader = Reader {
                upstream: upstream.clone(),
                max_line_bytes: config.max_line_bytes,
                orders: orders.clone(),
                ended: ended.clone(),
            };
            tokio::spawn(reader.read(pipe, lines));
        }
        tokio::spawn(supervise(child, orders.clone(), config.stop_grace, has_ended, permit));
        tracing::info!(%upstream, pid, "child started");
        let (started, write_timeout) = (Instant::now(), config.write_timeout);
        Ok((Arc::new(Self { stdin, orders, ended, started, write_timeout, tail, pid }), messages))
    }

    /// Queues `line`, which ends with its line break.
    pub(super) async fn send(&self, line: Bytes) -> Result<(), SendError> {
        if self.is_stopping() {
            return Err(SendError::Ended);
        }
        match timeout(self.write_timeout, self.stdin.send(line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SendError::Ended),
            Err(_) => Err(SendError::Busy),
        }
    }

    /// Queues `line` when there is room; `false` when it was not.
    pub(super) fn send_now(&self, line: Bytes) -> bool {
        self.stdin.try_send(line).is_ok()
    }

    /// Begins to stop the child: its input is closed, then it is asked, then killed.
    pub(super) fn stop(&self) {
        self.orders.stop.cancel();
    }

    /// Whether the child was told to stop, or has ended.
    pub(super) fn is_stopping(&self) -> bool {
        self.orders.stop.is_cancelled() || *self.ended.borrow()
    }

    /// Whether the child was told to stop.
    pub(super) fn was_stopped(&self) -> bool {
        self.orders.stop.is_cancelled()
    }

    /// Waits until the child and its process group are gone.
    pub(super) async fn gone(&self) {
        wait_for_end(self.ended.clone()).await;
    }

    /// How long ago it was started.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Its last words on standard error, for the operator's log.
    pub(super) fn last_words(&self, upstream: &UpstreamName) -> Option<String> {
        self.tail.last_line(upstream)
    }

    /// Its process id.
    #[cfg(test)]
    pub(super) const fn pid(&self) -> Option<u32> {
        self.pid
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        tracing::debug!(pid = self.pid, "child let go");
    }
}

/// The launcher with the command behind it, in a process group of its own.
fn command(config: &StdioUpstreamConfig) -> Command {
    let mut command = Command::new(&config.launcher);
    command
        .args(exec::arguments(&config.limits, &config.command))
        .env_clear()
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = &config.folder {
        command.current_dir(folder);
    }
    command
}

/// Says early that a program does not exist: the launcher could only say so on standard error.
fn check_program(config: &StdioUpstreamConfig) -> std::io::Result<()> {
    let not_found = |what: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, what));
    let Some(program) = config.command.first().filter(|program| !program.is_empty()) else {
        return not_found("no command is set");
    };
    let base = config.folder.as_deref().unwrap_or(Path::new("."));
    if program.contains('/') {
        return if base.join(program).exists() { Ok(()) } else { not_found("no such program") };
    }
    let path = config.environment.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new("/usr/bin:/bin"), |(_, path)| path);
    if std::env::split_paths(path).any(|folder| base.join(folder).join(program).exists()) {
        return Ok(());
    }
    not_found("no such program in PATH")
}

/// Feeds a child until it is stopped; then, or when nobody can send any more, its input is closed.
async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Bytes>, orders: Orders) {
    loop {
        let line = tokio::select! {
            biased;
            line = queue.recv() => line,
            () = orders.stop.cancelled() => None,
        };
        let Some(line) = line else { return };
        let written = tokio::select! {
            biased;
            written = stdin.write_all(&line) => written.is_ok(),
            () = orders.stop.cancelled() => false,
        };
        if !written {
            return;
        }
    }
}

struct Reader {
    upstream: UpstreamName,
    max_line_bytes: usize,
    orders: Orders,
    ended: watch::Receiver<bool>,
}

impl Reader {
    async fn read(mut self, stdout: impl AsyncRead + Unpin, messages: mpsc::Sender<Checked>) {
        let mut lines = Lines::new(BufReader::with_capacity(64 << 10, stdout), self.max_line_bytes);
        let limits = Limits { max_bytes: self.max_line_bytes, ..Limits::RESULT };
        let mut nonsense = 0;
        let ended = self.ended.clone();
        let over = async move {
            wait_for_end(ended).await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::pin!(over);
        loop {
            let line = tokio::select! { line = lines.next() => line, () = &mut over => return };
            let message = match line {
                Ok(Some(line)) => Checked::new(line, &limits).ok(),
                Ok(None) => return,
                Err(error) => return self.kill(&error.to_string()),
            };
            match message.filter(|message| message.text().kind() == Kind::Object) {
                Some(message) => {
                    if messages.send(message).await.is_err() {
                        return;
                    }
                }
                None => nonsense += 1,
            }
            if nonsense > MAX_NONSENSE {
                return self.kill("too many lines are no message");
            }
        }
    }

    fn kill(&mut self, why: &str) {
        tracing::warn!(upstream = %self.upstream, why, "child killed");
        self.orders.kill.cancel();
        self.orders.stop.cancel();
    }
}

async fn wait_for_end(mut ended: watch::Receiver<bool>) {
    // The sender only goes away after it has said so.
    drop(ended.wait_for(|ended| *ended).await);
}

/// Waits for the end of a child and sees to it when told.
async fn supervise(
    mut child: Child,
    orders: Orders,
    grace: Duration,
    has_ended: watch::Sender<bool>,
    permit: OwnedSemaphorePermit,
) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    tokio::select! {
        _ = child.wait() => {}
        () = orders.stop.cancelled() => stop(&mut child, group, &orders, grace).await,
    }
    // What the child forked shares its group. A group keeps its number from being used again while
    // anything is left in it; an empty one is only asked in vain.
    signal(group, Signal::KILL);
    drop(permit);
    has_ended.send_replace(true);
}

async fn stop(child: &mut Child, group: Option<Pid>, orders: &Orders, grace: Duration) {
    for request in [None, Some(Signal::TERM)] {
        if let Some(request) = request {
            signal(group, request);
        }
        let ends = async {
            tokio::select! { _ = child.wait() => true, () = orders.kill.cancelled() => false }
        };
        if timeout(grace, ends).await == Ok(true) {
            return;
        }
    }
    signal(group, Signal::KILL);
    let _status = child.wait().await;
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // Nobody left to signal is what is wanted.
        let _gone = kill_process_group(group, signal);
    }
}
