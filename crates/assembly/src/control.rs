//! The socket by which commands reach the gateway that owns the data directory.
//!
//! One line of JSON with an [`Act`], one line of JSON with the answer. The socket has mode 0600 in a
//! directory of mode 0700, and the peer's operating-system user is looked at besides.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::directory::owner;
use crate::{Act, Administrator, DataDirectory, Done};

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";

/// The longest line, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// Commands at once.
const CONCURRENT: usize = 16;
/// How long a command may take, and its answer be waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// A gateway that starts has its lock before its socket.
const ATTEMPTS: u32 = 60;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the gateway that owns the data directory did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It said no.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// The next step.
        help: Option<String>,
    },
    /// Another process holds the data directory, and nobody answers.
    #[error("another process{} owns the data directory and does not answer", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Silent {
        /// Its process id, when it is known.
        pid: Option<u32>,
    },
    /// It did not answer in time.
    #[error("the gateway that owns the data directory did not answer in time")]
    TimedOut,
    /// The socket cannot be used.
    #[error("the socket `{}` cannot be used", .path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it answered cannot be read: another version of this program, perhaps.
    #[error("the gateway that owns the data directory answered what this program cannot read")]
    Nonsense,
}

impl ControlError {
    /// The next step, where there is one.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Refused { help, .. } => help.clone(),
            Self::Silent { .. } | Self::TimedOut => Some(
                "look at that process, or stop it; the command then works by itself".to_owned(),
            ),
            Self::Nonsense => Some("start the gateway again with this program".to_owned()),
            Self::Socket { .. } => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ok(Done),
    Error { message: String, help: Option<String> },
}

/// The listening end.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Listens in `directory`. Only whoever holds the lock of the audit log may: a socket that is
    /// left over from a process that was killed is replaced.
    ///
    /// # Errors
    ///
    /// [`ControlError::Socket`].
    pub fn listen(directory: &DataDirectory) -> Result<Self, ControlError> {
        let path = directory.path().join(SOCKET);
        let unusable = |source| ControlError::Socket { path: path.clone(), source };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(unusable)?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(unusable)?;
        let owner = owner(directory.path()).map_err(unusable)?;
        Ok(Self { listener, path, owner })
    }

    /// Answers until it is dropped. `afterwards` hears of every act that was done.
    pub async fn serve(
        self,
        administrator: Administrator,
        afterwards: impl Fn(&Act) + Send + Sync + 'static,
    ) {
        let places = Arc::new(Semaphore::new(CONCURRENT));
        let shared = Arc::new((administrator, afterwards));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ATTEMPT_PAUSE).await;
                continue;
            };
            let (shared, owner) = (Arc::clone(&shared), self.owner);
            tokio::spawn(async move {
                let (administrator, afterwards) = &*shared;
                let answered = timeout(PATIENCE, answer(stream, owner, administrator, afterwards));
                if let Ok(Err(error)) = answered.await {
                    tracing::debug!(%error, "a command was not answered");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_file(&self.path);
    }
}

async fn answer(
    stream: UnixStream,
    owner: u32,
    administrator: &Administrator,
    afterwards: &(impl Fn(&Act) + Send + Sync),
) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (reading, mut writing) = stream.into_split();
    if uid != owner && uid != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let line = read_line(reading).await?;
    let reply = match serde_json::from_slice::<Act>(&line) {
        Ok(act) => match administrator.perform(act.clone(), uid).await {
            Ok(done) => {
                afterwards(&act);
                Reply::Ok(done)
            }
            Err(failure) => Reply::Error { message: failure.to_string(), help: failure.help() },
        },
        Err(_) => Reply::Error {
            message: "the running gateway does not know this command".to_owned(),
            help: Some("start the gateway again with this program".to_owned()),
        },
    };
    let mut line = Zeroizing::new(serde_json::to_vec(&reply)?);
    line.push(b'\n');
    writing.write_all(&line).await
}

async fn read_line(reading: impl tokio::io::AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for the whole line, so that no part of a secret is left behind by growing.
    let mut line = Zeroizing::new(Vec::with_capacity(4096));
    let mut limited = BufReader::new(reading.take(MAX_LINE_BYTES));
    limited.read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

/// Asks the gateway that owns `directory`; `None` when none listens.
pub(crate) async fn ask(
    directory: &DataDirectory,
    act: &Act,
) -> Result<Option<Done>, ControlError> {
    let path = directory.path().join(SOCKET);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(source) => return Err(ControlError::Socket { path, source }),
    };
    let reply = timeout(PATIENCE, exchange(stream, act)).await;
    match reply.map_err(|_| ControlError::TimedOut)? {
        Ok(Reply::Ok(done)) => Ok(Some(done)),
        Ok(Reply::Error { message, help }) => Err(ControlError::Refused { message, help }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(ControlError::Nonsense),
        Err(source) => Err(ControlError::Socket { path, source }),
    }
}

/// As [`ask`], with patience for a gateway that is about to listen.
pub(crate) async fn ask_again(
    directory: &DataDirectory,
    act: &Act,
) -> Result<Option<Done>, ControlError> {
    for _ in 0..ATTEMPTS {
        if let Some(done) = ask(directory, act).await? {
            return Ok(Some(done));
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
    Ok(None)
}

async fn exchange(stream: UnixStream, act: &Act) -> io::Result<Reply> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Zeroizing::new(serde_json::to_vec(act)?);
    line.push(b'\n');
    writing.write_all(&line).await?;
    let line = read_line(reading).await?;
    serde_json::from_slice(&line).map_err(|_| io::ErrorKind::InvalidData.into())
}
