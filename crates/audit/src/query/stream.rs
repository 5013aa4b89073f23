//! Answers of any length, in bounded memory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use haechi_core::Timestamp;

use super::plan::Plan;
use super::search::{Search, Walk};
use super::{Keep, Query, Record, logs};
use crate::entry::Entry;
use crate::reader::ReadError;

/// An answer that is read while it is handed out. Of each log it keeps where it is, one segment's
/// places and one entry; what is written after it was begun is not in it.
#[derive(Debug)]
pub struct Stream {
    keep: Keep,
    left: usize,
    logs: Vec<Flow>,
    problems: Vec<(String, ReadError)>,
}

/// What one log still has to say.
#[derive(Debug)]
struct Flow {
    name: String,
    search: Search,
    walk: Walk,
    /// The next entry, with the time that says where it stands among those of other logs: entries
    /// keep the order of their log when a clock is set back.
    front: Option<(Timestamp, Entry)>,
}

impl Stream {
    pub(super) fn begin(query: &Query, data: &Path) -> io::Result<Self> {
        let plan = Arc::new(Plan::new(query));
        let (mut flows, mut problems) = (Vec::new(), Vec::new());
        for (name, directory) in logs(data)? {
            match Search::new(Arc::clone(&plan), &directory) {
                Ok(search) => flows.push(Flow::begin(name, search, query.keep)),
                Err(error) => problems.push((name, error)),
            }
        }
        Ok(Self { keep: query.keep, left: query.limit, logs: flows, problems })
    }

    /// At most the next `most` entries; none at the end.
    #[must_use]
    pub fn next_piece(&mut self, most: usize) -> Vec<Record> {
        let mut piece = Vec::new();
        while piece.len() < most.min(self.left)
            && let Some(record) = self.pop()
        {
            piece.push(record);
        }
        self.left -= piece.len();
        piece
    }

    /// Logs that were not read to their end, and why, as far as that is known by now.
    #[must_use]
    pub fn take_problems(&mut self) -> Vec<(String, ReadError)> {
        let mut problems = std::mem::take(&mut self.problems);
        for log in &mut self.logs {
            let found = std::mem::take(&mut log.search.problems).into_values();
            problems.extend(found.map(|problem| (log.name.clone(), problem)));
        }
        problems
    }

    fn pop(&mut self) -> Option<Record> {
        let waiting = self.logs.iter_mut().filter(|log| log.front.is_some());
        let at = |log: &Flow| log.front.as_ref().map(|(at, _)| *at);
        // Logs are in the order of their names, which decides between entries of one time.
        let log = match self.keep {
            Keep::Oldest => waiting.min_by_key(|log| at(log)),
            Keep::Newest => waiting.max_by_key(|log| at(log)),
        }?;
        let (at, entry) = log.front.take()?;
        log.fetch(self.keep, at);
        Some(Record { log: log.name.clone(), entry })
    }
}

impl Flow {
    fn begin(name: String, mut search: Search, keep: Keep) -> Self {
        // What is written from here on is not seen, also where the end is read last.
        let _end = search.end();
        let walk = search.walk(keep);
        let mut flow = Self { name, search, walk, front: None };
        let bound = match keep {
            Keep::Oldest => Timestamp::default(),
            Keep::Newest => Timestamp(u64::MAX),
        };
        flow.fetch(keep, bound);
        flow
    }

    /// Reads the next entry, which stands behind one of the time `before`.
    fn fetch(&mut self, keep: Keep, before: Timestamp) {
        let next = self.search.next(&mut self.walk);
        self.front = next.map(|entry| {
            let at = match keep {
                Keep::Oldest => entry.at.max(before),
                Keep::Newest => entry.at.min(before),
            };
            (at, entry)
        });
    }
}
