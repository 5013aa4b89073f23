//! Messages as lines (stdio transport): one JSON text, no line break inside, one at the end.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Why no line could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The line is longer than the limit; what follows cannot be read any more.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    /// The pipe cannot be read.
    #[error("the line could not be read")]
    Unreadable(#[source] io::Error),
}

/// Reads lines up to a limit, without their ends; blank ones are skipped.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    from: R,
    max_bytes: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `max_bytes` bytes.
    pub(crate) const fn new(from: R, max_bytes: usize) -> Self {
        Self { from, max_bytes }
    }

    /// The next line; `None` at the end. A last line without an end counts. Not safe to cancel:
    /// what was read of a line would be lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    async fn line(&mut self) -> Result<Option<Bytes>, LineError> {
        let mut line = BytesMut::new();
        loop {
            let read = self.from.fill_buf().await.map_err(LineError::Unreadable)?;
            if read.is_empty() {
                return Ok((!line.is_empty()).then(|| line.freeze()));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            if line.len() + part.len() > self.max_bytes {
                return Err(LineError::TooLong(self.max_bytes));
            }
            line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                return Ok(Some(line.freeze()));
            }
        }
    }
}

/// `message`, which is checked JSON, as a line with its end. Line breaks in JSON can only be white
/// space between tokens; they become spaces, everything else keeps its bytes.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend(
        message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }),
    );
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_blank_ones_are_skipped() {
        let mut lines = Lines::new(&b"{\"a\":1}\r\n\n  \n{}\n[1]"[..], 8);
        assert_eq!(lines.next().await.unwrap().unwrap(), "{\"a\":1}\r");
        assert_eq!(lines.next().await.unwrap().unwrap(), "{}");
        assert_eq!(lines.next().await.unwrap().unwrap(), "[1]");
        assert!(lines.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        let mut lines = Lines::new(&b"12345\n123456\n"[..], 5);
        assert_eq!(lines.next().await.unwrap().unwrap(), "12345");
        assert!(matches!(lines.next().await, Err(LineError::TooLong(5))));
    }

    #[test]
    fn a_framed_message_is_one_line() {
        assert_eq!(framed(b"{\r\n \"a\": \"\\n\"\n}"), "{   \"a\": \"\\n\" }\n");
    }
}
