//! What a log says of the one that it began in place of.

use haechi_core::{Event, Sid};

use super::{Finding, View};
use crate::Entry;

/// Whoever accepted the loss is told of soon after it; no further than this is looked.
const MOST_LOOKED: usize = 256;
/// What entries call it when a loss is accepted.
const ACCEPTED: &str = "audit.repair";

impl View {
    /// What the log before lost, as the first entry of this one says it, and who accepted that;
    /// `None` where nothing was lost, or that entry was pruned.
    pub(super) fn loss(&self) -> Option<Finding> {
        let mut entries = self.reader.raw(0);
        let (0, bytes) = entries.next().ok()?? else { return None };
        let first = Entry::parse(&bytes).ok()?;
        let Event::Log { state, detail, .. } = first.event else { return None };
        if state != "lost" {
            return None;
        }
        let mut by = None;
        for _ in 0..MOST_LOOKED {
            let Ok(Some((_, bytes))) = entries.next() else { break };
            by = accepted_by(&bytes);
            if by.is_some() {
                break;
            }
        }
        Some(Finding::Lost { at: first.at, by, detail })
    }
}

fn accepted_by(bytes: &[u8]) -> Option<Sid> {
    match Entry::parse(bytes).ok()?.event {
        Event::Administration(act) if act.act == ACCEPTED => Some(act.sid),
        _ => None,
    }
}
