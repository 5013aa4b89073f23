//! The streams of one legacy session: numbered events, kept within a bound, so that a stream can be
//! resumed after the last event its reader saw, on the same stream and on no other.

use std::collections::{BTreeMap, VecDeque};

use haechi_core::json::Checked;
use haechi_core::rpc::RequestId;
use haechi_guard::IncomingItem;

use super::mailbox::{Receiver, Sender, mailbox};

/// The number of the stream of what belongs to no call (HTTP GET).
pub(super) const GENERAL: u64 = 0;
/// Messages that are kept for one stream.
const MAX_KEPT: usize = 1024;
/// Streams that are kept after their answer.
const MAX_FINISHED: usize = 16;

/// All streams of a session.
#[derive(Debug)]
pub(super) struct Streams {
    streams: BTreeMap<u64, Stream>,
    next: u64,
    kept_bytes: usize,
    max_bytes: usize,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Stream {
    /// The number of the last event; the first is 1.
    last: u64,
    /// The last event a reader was handed.
    handed: u64,
    kept: VecDeque<Event>,
    reader: Option<Sender>,
    token: Option<RequestId>,
    /// Whether its reader was given a place before the first event.
    promised: bool,
    finished: bool,
}

#[derive(Clone, Debug)]
struct Event {
    number: u64,
    message: Checked,
    is_answer: bool,
}

impl Streams {
    /// Keeps at most `max_bytes` bytes of messages, of all streams together.
    pub(super) fn new(max_bytes: usize) -> Self {
        let streams = BTreeMap::from([(GENERAL, Stream::default())]);
        Self { streams, next: GENERAL + 1, kept_bytes: 0, max_bytes, dropped: 0 }
    }

    /// A new stream for a call, whose progress carries `token`.
    pub(super) fn open(&mut self, token: Option<RequestId>) -> (u64, Receiver) {
        let number = self.next;
        self.next += 1;
        let (reader, receiver) = mailbox();
        let stream = Stream { reader: Some(reader), token, ..Stream::default() };
        self.streams.insert(number, stream);
        (number, receiver)
    }

    /// Puts a message on stream `number`.
    pub(super) fn post(&mut self, number: u64, message: Checked) {
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| !stream.finished) else {
            return self.count_dropped();
        };
        let event = stream.event(message, false);
        let handed = stream.hand(number, &event);
        let kept = self.keep(number, event);
        if !handed && !kept {
            self.count_dropped();
        }
    }

    /// Ends stream `number` with its answer. A stream without an earlier event has no id a reader
    /// could resume by, and is forgotten.
    pub(super) fn finish(&mut self, number: u64, answer: Checked) {
        let Some(stream) = self.streams.get_mut(&number) else { return self.count_dropped() };
        let streamed = stream.promised || stream.last > 0;
        let event = stream.event(answer, true);
        stream.hand(number, &event);
        stream.finished = true;
        stream.reader = None;
        if streamed {
            self.keep(number, event);
            self.forget_oldest_finished();
        } else {
            self.streams.remove(&number);
        }
    }

    /// The reader of stream `number` knows its place: the answer must be kept for it.
    pub(super) fn promise(&mut self, number: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.promised = true;
        }
    }

    /// Forgets stream `number`; its reader sees an end in good order.
    pub(super) fn close(&mut self, number: u64) {
        if let Some(stream) = self.streams.remove(&number) {
            self.kept_bytes -= stream.kept.iter().map(|event| event.message.len()).sum::<usize>();
            if let Some(reader) = stream.reader {
                reader.end();
            }
        }
    }

    /// The stream whose progress carries `token`.
    pub(super) fn by_token(&self, token: &RequestId) -> Option<u64> {
        let mut open = self.streams.iter().filter(|(_, stream)| !stream.finished);
        open.find(|(_, stream)| stream.token.as_ref() == Some(token)).map(|(number, _)| *number)
    }

    /// Whether somebody reads the general stream.
    pub(super) fn general_is_read(&self) -> bool {
        let general = self.streams.get(&GENERAL);
        general.and_then(|stream| stream.reader.as_ref()).is_some_and(Sender::is_open)
    }

    /// Reads the general stream from the first event nobody was handed. One reads at a time: the one
    /// before sees an end.
    pub(super) fn attach(&mut self) -> Option<Receiver> {
        let general = self.streams.get_mut(&GENERAL)?;
        let after = general.handed;
        Some(general.read_after(GENERAL, after))
    }

    /// Reads on after the event `id`; `None` when no stream knows it any more.
    pub(super) fn resume(&mut self, id: &str) -> Option<Receiver> {
        let (number, event) = id.split_once('-')?;
        let (number, event) = (number.parse().ok()?, event.parse().ok()?);
        let stream = self.streams.get_mut(&number).filter(|stream| event <= stream.last)?;
        Some(stream.read_after(number, event))
    }

    /// Lets all readers go: nobody will answer them any more.
    pub(super) fn abandon(&mut self) {
        for stream in self.streams.values_mut() {
            stream.reader = None;
        }
    }

    /// Messages that nobody will ever see.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) const fn count_dropped(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    fn keep(&mut self, number: u64, event: Event) -> bool {
        let size = event.message.len();
        if size > self.max_bytes {
            return false;
        }
        let Some(stream) = self.streams.get_mut(&number) else { return false };
        stream.kept.push_back(event);
        self.kept_bytes += size;
        if stream.kept.len() > MAX_KEPT {
            self.forget_first(number);
        }
        while self.kept_bytes > self.max_bytes {
            let Some(oldest) = self.oldest_kept() else { break };
            self.forget_first(oldest);
        }
        true
    }

    /// The stream to take from: finished ones first, then the oldest call, the general one last.
    fn oldest_kept(&self) -> Option<u64> {
        let mut kept = self.streams.iter().filter(|(_, stream)| !stream.kept.is_empty());
        let rank = |number: u64, stream: &Stream| (!stream.finished, number == GENERAL, number);
        let first = kept.next()?;
        let oldest = kept.fold(first, |best, other| {
            if rank(*other.0, other.1) < rank(*best.0, best.1) { other } else { best }
        });
        Some(*oldest.0)
    }

    fn forget_first(&mut self, number: u64) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some(event) = stream.kept.pop_front() else { return };
        self.kept_bytes -= event.message.len();
        if event.number > stream.handed {
            self.dropped = self.dropped.saturating_add(1);
        }
        if stream.finished && stream.kept.is_empty() {
            self.streams.remove(&number);
        }
    }

    fn forget_oldest_finished(&mut self) {
        let finished: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.finished)
            .map(|(number, _)| *number)
            .collect();
        let excess = finished.len().saturating_sub(MAX_FINISHED);
        for number in finished.into_iter().take(excess) {
            self.close(number);
        }
    }
}

impl Stream {
    const fn event(&mut self, message: Checked, is_answer: bool) -> Event {
        self.last += 1;
        Event { number: self.last, message, is_answer }
    }

    /// Gives `event` to the reader; whether there is one that took it.
    fn hand(&mut self, stream: u64, event: &Event) -> bool {
        let taken = self.reader.as_ref().is_some_and(|reader| event.give(stream, reader));
        if taken {
            self.handed = self.handed.max(event.number);
        }
        taken
    }

    fn read_after(&mut self, stream: u64, after: u64) -> Receiver {
        let (reader, receiver) = mailbox();
        let mut handed = self.handed;
        for event in self.kept.iter().filter(|event| event.number > after) {
            event.give(stream, &reader);
            handed = handed.max(event.number);
        }
        self.handed = handed;
        if self.finished {
            // An answer that was given ends the stream first; one that is not kept never comes.
            reader.end();
        } else if let Some(before) = self.reader.replace(reader) {
            before.end();
        }
        receiver
    }
}

impl Event {
    fn give(&self, stream: u64, reader: &Sender) -> bool {
        let event_id = Some(event_id(stream, self.number));
        let item = IncomingItem { event_id, message: Some(self.message.clone()), original: None };
        if self.is_answer { reader.answer(item) } else { reader.message(item) }
    }
}

/// The id of an event, as readers see it.
pub(super) fn event_id(stream: u64, event: u64) -> String {
    format!("{stream}-{event}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use haechi_core::json::Limits;

    use super::super::mailbox::Item;
    use super::*;

    fn message(number: u32) -> Checked {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/n{number:03}"}}"#);
        Checked::new(Bytes::from(text), &Limits::WIRE).unwrap()
    }

    async fn ids(mut reader: Receiver) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(item) = reader.next().await {
            match item {
                Item::Message(item) => ids.push(item.event_id.unwrap()),
                Item::Answer(item) => {
                    ids.push(format!("answer {}", item.event_id.unwrap()));
                    break;
                }
                Item::End => {
                    ids.push("end".to_owned());
                    break;
                }
            }
        }
        ids
    }

    #[tokio::test]
    async fn a_stream_is_resumed_after_the_event_that_was_seen_and_only_on_itself() {
        let mut streams = Streams::new(1 << 20);
        let (one, reader) = streams.open(None);
        let (two, other) = streams.open(None);
        streams.post(one, message(1));
        streams.post(two, message(2));
        drop(reader);
        streams.post(one, message(3));
        streams.finish(one, message(4));
        assert_eq!(ids(streams.resume("1-1").unwrap()).await, ["1-2", "answer 1-3"]);
        assert_eq!(ids(streams.resume("1-3").unwrap()).await, ["end"]);
        for unknown in ["1-4", "3-1", "", "1", "1-", "-1", "1-1-1", "x-y"] {
            assert!(streams.resume(unknown).is_none(), "{unknown}");
        }
        streams.finish(two, message(5));
        assert_eq!(ids(other).await, ["2-1", "answer 2-2"]);
    }

    #[tokio::test]
    async fn the_general_stream_waits_for_its_reader_and_has_one_at_a_time() {
        let mut streams = Streams::new(1 << 20);
        streams.post(GENERAL, message(1));
        assert!(!streams.general_is_read());
        let first = streams.attach().unwrap();
        assert!(streams.general_is_read());
        streams.post(GENERAL, message(2));
        let second = streams.attach().unwrap();
        streams.post(GENERAL, message(3));
        streams.abandon();
        assert_eq!(ids(first).await, ["0-1", "0-2", "end"]);
        assert_eq!(ids(second).await, ["0-3"]);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_what_nobody_saw_is_counted() {
        let size = message(0).len();
        let mut streams = Streams::new(size * 3);
        for number in 0..10 {
            streams.post(GENERAL, message(number));
        }
        assert_eq!(streams.dropped(), 7);
        assert!(streams.kept_bytes <= streams.max_bytes);
        let reader = streams.attach().unwrap();
        streams.abandon();
        assert_eq!(ids(reader).await, ["0-8", "0-9", "0-10"]);
        let (call, reader) = streams.open(None);
        drop(reader);
        streams.finish(call, message(0));
        assert!(streams.resume("1-0").is_none(), "an answer alone has no id to resume by");
    }

    #[test]
    fn finished_streams_do_not_pile_up() {
        let mut streams = Streams::new(1 << 20);
        for _ in 0..100 {
            let (call, _reader) = streams.open(None);
            streams.post(call, message(1));
            streams.finish(call, message(2));
        }
        assert!(streams.streams.len() <= MAX_FINISHED + 1);
    }
}
