//! What a child writes to its standard error: read always, kept in part, never shown to callers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use haechi_core::UpstreamName;
use haechi_privacy::Privacy;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that are kept: the newest.
const KEPT_BYTES: usize = 64 << 10;
/// Bytes of a line that are logged.
const LOGGED_BYTES: usize = 1024;

/// The newest bytes of a standard error.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    unseen: Unseen,
}

/// What must stay unseen, as it is in force now.
pub(crate) type Unseen = Arc<ArcSwapOption<Privacy>>;

impl Tail {
    /// Nothing yet; lines will be shown without what `unseen` finds.
    pub(super) fn new(unseen: Unseen) -> Self {
        Self { kept: Arc::default(), unseen }
    }

    /// Reads `from` to its end, so that the child never waits for it.
    pub(super) async fn follow(self, upstream: UpstreamName, mut from: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 8 << 10];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            let read = chunk.get(..count).unwrap_or_default();
            self.keep(read);
            for byte in read {
                if *byte == b'\n' {
                    self.log(&upstream, &line);
                    line.clear();
                } else if line.len() < LOGGED_BYTES {
                    line.push(*byte);
                }
            }
        }
        self.log(&upstream, &line);
    }

    fn keep(&self, read: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(read);
        let excess = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..excess);
    }

    /// The last line that says anything, for the operator: printable characters only.
    pub(super) fn last_line(&self, upstream: &UpstreamName) -> Option<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = kept.as_slices();
        let text = [front, back].concat();
        let lines = text.split(|byte| *byte == b'\n').rev();
        let line = lines.map(printable).find(|line| !line.trim().is_empty());
        line.map(|line| self.blot(upstream, line))
    }

    fn log(&self, upstream: &UpstreamName, line: &[u8]) {
        if !line.is_empty() && tracing::enabled!(tracing::Level::DEBUG) {
            let line = self.blot(upstream, printable(line));
            tracing::debug!(%upstream, line, "standard error");
        }
    }

    fn blot(&self, upstream: &UpstreamName, line: String) -> String {
        match &*self.unseen.load() {
            Some(privacy) => privacy.blot(upstream.as_str(), &line),
            None => line,
        }
    }
}

/// `line` without anything that could move a terminal's cursor or forge another line.
fn printable(line: &[u8]) -> String {
    let cut = line.get(..LOGGED_BYTES).unwrap_or(line);
    String::from_utf8_lossy(cut).chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_bytes_are_kept_and_shown_without_control_characters() {
        let upstream = UpstreamName("files".into());
        let flood = [vec![b'x'; 200_000], b"\n\x1b[31mred\x07 alert\n\n".to_vec()].concat();
        let tail = Tail::default();
        tail.clone().follow(upstream.clone(), &flood[..]).await;
        assert_eq!(tail.kept.lock().unwrap().len(), KEPT_BYTES);
        assert_eq!(tail.last_line(&upstream).unwrap(), "[31mred alert");
    }
}
