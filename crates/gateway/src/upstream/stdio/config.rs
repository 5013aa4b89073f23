//! How a child is started and how much it may take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::stderr::Unseen;

/// Who shares a child. It concerns the modern era; a legacy session always has a child of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Share {
    /// One child for each person.
    #[default]
    Person,
    /// One child for everybody.
    Everybody,
}

/// Limits of the operating system on a child (`setrlimit`); they hold for each of its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceLimits {
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub(crate) open_files: Option<u64>,
    /// Processes of the same operating-system user, the gateway's included (`RLIMIT_NPROC`).
    pub(crate) processes: Option<u64>,
    /// Writable private memory in bytes (`RLIMIT_DATA`). Reserved address space does not count:
    /// JavaScript engines reserve far more than they use.
    pub(crate) memory_bytes: Option<u64>,
}

/// One upstream that is a program.
#[derive(Clone, Debug)]
pub(crate) struct StdioUpstreamConfig {
    /// The program and its arguments; at least the program.
    pub(crate) command: Vec<String>,
    /// The whole environment of the child, see [`super::environment::scrubbed`].
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where the child runs; the gateway's own folder when absent.
    pub(crate) folder: Option<PathBuf>,
    /// This program itself: it is started as `<launcher> child-exec … -- command…`, takes its limits
    /// on and becomes the command.
    pub(crate) launcher: PathBuf,
    /// Who shares a child.
    pub(crate) share: Share,
    /// The most children at one time, sessions and persons together.
    pub(crate) max_children: usize,
    /// After how long without a call a person's child is stopped.
    pub(crate) idle_timeout: Duration,
    /// Limits of the operating system.
    pub(crate) limits: ResourceLimits,
    /// Longest line a child may write, in bytes.
    pub(crate) max_line_bytes: usize,
    /// How long a child that is stopped gets after each step: its input is closed, it is asked
    /// (SIGTERM), it is killed (SIGKILL).
    pub(crate) stop_grace: Duration,
    /// How long a line may wait for a child that does not read.
    pub(crate) write_timeout: Duration,
    /// How long a child may take to show which era it speaks.
    pub(crate) probe_timeout: Duration,
    /// Bytes of messages that are kept for the resumption of one session's streams.
    pub(crate) replay_bytes: usize,
    /// What must not be seen in what a child writes to its standard error.
    pub(crate) unseen: Unseen,
}

impl Default for StdioUpstreamConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            environment: Vec::new(),
            folder: None,
            launcher: PathBuf::from("/proc/self/exe"),
            share: Share::Person,
            max_children: 64,
            idle_timeout: Duration::from_secs(600),
            limits: ResourceLimits::default(),
            max_line_bytes: 16 << 20,
            stop_grace: Duration::from_secs(2),
            write_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(10),
            replay_bytes: 256 << 10,
            unseen: Unseen::default(),
        }
    }
}
