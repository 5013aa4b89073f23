//! Events of our own, and events whose data had to change.

use std::time::Duration;

use bytes::Bytes;

use super::Event;

/// An event that carries `data`, with `id` where a stream can resume.
pub fn message(data: &str, id: Option<&str>) -> Bytes {
    let event = Some("message".to_owned());
    Event { event, id: id.map(str::to_owned), ..Event::default() }.with_data(data)
}

/// An event with an id and empty data: a client that loses the stream can resume from its start.
pub fn priming(id: &str, retry: Option<Duration>) -> Bytes {
    Event { id: Some(id.to_owned()), retry, ..Event::default() }.with_data("")
}

impl Event {
    /// This event with other data; id, type and `retry` stay. An id that no stream can carry, with
    /// a line end in it, is left out.
    pub fn with_data(&self, data: &str) -> Bytes {
        let mut lines = String::with_capacity(data.len() + 64);
        for (field, value) in [("event", &self.event), ("id", &self.id)] {
            let value = value.as_deref().filter(|value| !value.contains(['\r', '\n', '\0']));
            if let Some(value) = value {
                push_line(&mut lines, field, value);
            }
        }
        if let Some(retry) = self.retry {
            push_line(&mut lines, "retry", &retry.as_millis().to_string());
        }
        for line in lines_of(data) {
            push_line(&mut lines, "data", line);
        }
        lines.push('\n');
        lines.into()
    }
}

fn push_line(lines: &mut String, field: &str, value: &str) {
    lines.push_str(field);
    lines.push_str(": ");
    lines.push_str(value);
    lines.push('\n');
}

/// The lines of `text` by each of the three line ends; one empty line when it is empty.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(end) = text.find(['\r', '\n']) else { return Some(text) };
        let (line, behind) = text.split_at(end);
        let behind = behind.strip_prefix("\r\n").or_else(|| behind.get(1..));
        rest = behind;
        Some(line)
    })
}
