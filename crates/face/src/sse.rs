//! Event streams (WHATWG HTML §9.2), read in pieces of any size and written.
//!
//! Every byte that comes in goes out again as the original of some event, so a relay that changes
//! nothing is faithful to keep-alive comments, ids, `retry` and empty priming events alike.

mod encode;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use encode::{message, priming};

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is longer than the limit, in bytes.
    #[error("an event is longer than {0} bytes")]
    TooLarge(usize),
    /// An event is not UTF-8: what is screened and what is forwarded would differ.
    #[error("an event is not UTF-8")]
    NotUtf8,
}

/// A block of lines up to an empty one, a comment that stands alone, or an empty line.
///
/// A field that was not there is `None`; one that came again has its last value. Its `Debug` shows
/// sizes only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The exact bytes, line ends included.
    pub original: Bytes,
    /// `id`: where a stream resumes. One with U+0000 is ignored.
    pub id: Option<String>,
    /// `event`: the type.
    pub event: Option<String>,
    /// `data`, its lines joined by U+000A. Empty in a priming event.
    pub data: Option<String>,
    /// `retry`: how long to wait before connecting again.
    pub retry: Option<Duration>,
}

impl Event {
    /// The message that the event carries; `None` for comments, priming events and bare fields.
    pub fn message(&self) -> Option<&str> {
        self.data.as_deref().filter(|data| !data.is_empty())
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let data = self.data.as_ref().map(String::len);
        write!(f, "event of {} bytes, data {data:?}", self.original.len())
    }
}

/// Reads a stream: [`Decoder::push`] what arrives, then take events until there is none.
#[derive(Debug)]
pub struct Decoder {
    max_bytes: usize,
    /// The unfinished event and what follows it.
    buffer: BytesMut,
    /// Where the unfinished line starts in `buffer`.
    line: usize,
    /// Up to where no line end was found.
    searched: usize,
    /// Whether the last line ended in CR alone: such a stream must not wait for an LF.
    ends_in_cr: bool,
    at_start: bool,
    ended: bool,
    has_fields: bool,
    event: Event,
    failed: Option<SseError>,
}

impl Decoder {
    /// A reader of a new stream whose events are at most `max_bytes` long, line ends included.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            buffer: BytesMut::new(),
            line: 0,
            searched: 0,
            ends_in_cr: false,
            at_start: true,
            ended: false,
            has_fields: false,
            event: Event::default(),
            failed: None,
        }
    }

    /// Takes what has arrived. Empty the decoder by [`Decoder::next_event`] before the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Says that nothing more will arrive; a last line end may still finish an event.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// The next event that is complete; `None` when more has to arrive.
    ///
    /// # Errors
    ///
    /// Once it failed, it fails always: what follows cannot be told apart.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = self.read_lines();
        if let Err(error) = next {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        next
    }

    /// What is left of an event that never ended; it must not be taken for one.
    #[cfg(test)]
    fn into_remainder(self) -> Bytes {
        self.buffer.freeze()
    }

    fn read_lines(&mut self) -> Result<Option<Event>, SseError> {
        while let Some((end, next_line)) = self.line_end() {
            if next_line > self.max_bytes {
                return Err(SseError::TooLarge(self.max_bytes));
            }
            let start = std::mem::replace(&mut self.line, next_line);
            self.searched = next_line;
            if self.read_line(start, end)? {
                return Ok(Some(self.take(next_line)));
            }
        }
        if self.buffer.len() > self.max_bytes {
            return Err(SseError::TooLarge(self.max_bytes));
        }
        Ok(None)
    }

    /// Where the unfinished line ends and the next one starts; `None` when that is still to come.
    fn line_end(&mut self) -> Option<(usize, usize)> {
        if self.ends_in_cr && self.buffer.get(self.line) == Some(&b'\n') {
            // That CR was the first half of a CRLF; the LF travels with the next event.
            self.ends_in_cr = false;
            self.line += 1;
            self.searched = self.line;
        }
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + length;
        let is_cr = self.buffer.get(end) == Some(&b'\r');
        match self.buffer.get(end + 1) {
            _ if !is_cr || self.ends_in_cr => {}
            Some(b'\n') => return Some((end, end + 2)),
            // An LF may be on its way.
            None if !self.ended => {
                self.searched = end;
                return None;
            }
            _ => {}
        }
        self.ends_in_cr = is_cr;
        Some((end, end + 1))
    }

    /// Reads a line; whether it completes an event.
    fn read_line(&mut self, start: usize, end: usize) -> Result<bool, SseError> {
        let mut line = self.buffer.get(start..end).unwrap_or_default();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        if line.is_empty() {
            return Ok(true);
        }
        if line.starts_with(':') {
            return Ok(!self.has_fields);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        read_field(&mut self.event, field, value.strip_prefix(' ').unwrap_or(value));
        self.has_fields = true;
        Ok(false)
    }

    fn take(&mut self, behind: usize) -> Event {
        let original = self.buffer.split_to(behind).freeze();
        self.line = 0;
        self.searched = 0;
        self.has_fields = false;
        Event { original, ..std::mem::take(&mut self.event) }
    }
}

fn read_field(event: &mut Event, field: &str, value: &str) {
    match field {
        "data" => match &mut event.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => event.data = Some(value.to_owned()),
        },
        "event" => event.event = Some(value.to_owned()),
        "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
        "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
            event.retry = value.parse().ok().map(Duration::from_millis).or(event.retry);
        }
        _ => {}
    }
}
