//! The face of `haechi run`: one client on standard input and output, one program behind the guard.

mod face;
mod message;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::json::Limits;
use haechi_core::{Credentials, UpstreamName};
use haechi_face::Language;
use haechi_guard::{Guard, Upstream as _};
use haechi_identity::Audience;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::upstream::StdioUpstream;
use crate::upstream::stdio::lines::{LineError, Lines, framed};
use face::Face;

/// Lines that may wait for a client to read them.
const QUEUED_LINES: usize = 64;
/// How long calls in flight may still answer after the client has closed our input.
const LAST_ANSWERS: Duration = Duration::from_millis(1500);

/// Why `haechi run` ended otherwise than by its client's wish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Standard input cannot be read on.
    #[error("standard input cannot be read on")]
    Input(#[source] LineError),
    /// The program ended.
    #[error("the program of `{0}` has ended")]
    ProgramEnded(UpstreamName),
}

/// Who speaks to what, and how it is told no.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// Decides.
    pub(crate) guard: Arc<Guard>,
    /// Runs the program.
    pub(crate) upstream: Arc<StdioUpstream>,
    /// Who the client is; proved again for each message, so that a revocation bites on the next.
    pub(crate) credentials: Credentials,
    /// For whom a token must be.
    pub(crate) audience: Audience,
    /// The language of refusals.
    pub(crate) language: Language,
    /// Whether a refusal may tell that a tool exists.
    pub(crate) tell_denied: bool,
}

/// Reads messages from `input` and writes answers to `output` until the input ends or `shutdown` is
/// told; then the program and all it forked are stopped.
///
/// # Errors
///
/// [`RunError`]; the program is stopped then too.
pub(crate) async fn run(
    conversation: Conversation,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let (lines, queue) = mpsc::channel(QUEUED_LINES);
    let writer = tokio::spawn(write(output, queue, shutdown.clone()));
    let name = conversation.upstream.name().clone();
    let upstream = Arc::clone(&conversation.upstream);
    let ended = CancellationToken::new();
    let face = Arc::new(Face::new(conversation, lines, ended.clone()));
    let mut calls = JoinSet::new();
    let read = read(&face, input, &mut calls);
    let outcome = tokio::select! {
        read = read => read.map_err(RunError::Input),
        () = shutdown.cancelled() => Ok(()),
        () = ended.cancelled() => Err(RunError::ProgramEnded(name)),
    };
    if outcome.is_ok() && !shutdown.is_cancelled() {
        let answers = async { while calls.join_next().await.is_some() {} };
        // What takes longer is interrupted, and recorded as such.
        let _late = tokio::time::timeout(LAST_ANSWERS, answers).await;
    }
    face.end_session().await;
    upstream.stop().await;
    let rest = async { while calls.join_next().await.is_some() {} };
    let _late = tokio::time::timeout(LAST_ANSWERS, rest).await;
    calls.shutdown().await;
    face.close();
    let _written = tokio::time::timeout(LAST_ANSWERS, writer).await;
    outcome
}

/// Takes line after line. What must keep its order (`initialize`, notifications, answers) is seen to
/// before the next line is read; requests go their own ways.
async fn read(
    face: &Arc<Face>,
    input: impl AsyncRead + Unpin,
    calls: &mut JoinSet<()>,
) -> Result<(), LineError> {
    let mut lines = Lines::new(BufReader::new(input), Limits::WIRE.max_bytes);
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => {
                face.refuse_line(&error).await;
                return Err(error);
            }
        };
        while calls.try_join_next().is_some() {}
        face.take(line, calls).await;
    }
}

/// Writes lines in the order in which they come. A client that does not read any more has gone.
async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Bytes>,
    gone: CancellationToken,
) {
    while let Some(line) = lines.recv().await {
        let written = async {
            output.write_all(&framed(&line)).await?;
            output.flush().await
        };
        if written.await.is_err() {
            return gone.cancel();
        }
    }
}
