//! What waits for one reader: bounded in bytes, so that a slow reader cannot fill the memory, and
//! never blocking, so that it cannot hold up others of the same child.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use haechi_core::json::Checked;
use haechi_guard::IncomingItem;
use tokio::sync::mpsc;

/// Bytes that may wait for one reader.
const MAX_BYTES: usize = 32 << 20;
/// What an item costs besides its bytes.
const OVERHEAD: usize = 256;

/// One thing for the reader.
#[derive(Debug)]
pub(super) enum Item {
    /// A message on the way to the answer.
    Message(IncomingItem),
    /// The answer; nothing comes after it.
    Answer(IncomingItem),
    /// The end without an answer, in good order.
    End,
}

/// Puts items in.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    items: mpsc::UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
}

/// Takes items out; `None` when whoever could answer is gone.
#[derive(Debug)]
pub(super) struct Receiver {
    items: mpsc::UnboundedReceiver<Item>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn mailbox() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let held = Arc::clone(&waiting);
    (Sender { items: sender, waiting }, Receiver { items: receiver, waiting: held })
}

impl Sender {
    /// Puts a message in; `false` when the reader is too far behind or gone.
    pub(super) fn message(&self, item: IncomingItem) -> bool {
        let size = size(item.message.as_ref());
        if self.waiting.fetch_add(size, Ordering::Relaxed) + size > MAX_BYTES {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        self.items.send(Item::Message(item)).is_ok()
    }

    /// Puts the answer in, whatever waits already: there is one, and its size is limited.
    pub(super) fn answer(&self, item: IncomingItem) -> bool {
        self.items.send(Item::Answer(item)).is_ok()
    }

    /// Whether somebody still reads.
    pub(super) fn is_open(&self) -> bool {
        !self.items.is_closed()
    }

    /// Ends it without an answer.
    pub(super) fn end(&self) {
        // A reader that has gone needs no end.
        let _gone = self.items.send(Item::End);
    }
}

impl Receiver {
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = self.items.recv().await?;
        if let Item::Message(item) = &item {
            self.waiting.fetch_sub(size(item.message.as_ref()), Ordering::Relaxed);
        }
        Some(item)
    }
}

fn size(message: Option<&Checked>) -> usize {
    message.map_or(0, Checked::len) + OVERHEAD
}
