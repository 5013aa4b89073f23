//! Questions that are asked again and again.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::Timestamp;

use super::plan::{Fulfilled, Plan};
use super::search::Search;
use super::{Answer, Keep, Query, Record, logs};
use crate::entry::Entry;
use crate::index::Sketch;
use crate::reader::{RawEntries, ReadError, Reader};

/// Entries of one log that are told of at once; the rest comes with the next batch.
const MOST_AT_ONCE: usize = 1000;

/// A question that is asked again and again.
#[derive(Debug)]
pub struct Follow {
    plan: Arc<Plan>,
    limit: usize,
    keep: Keep,
    data: PathBuf,
    logs: Vec<Followed>,
    /// Logs that cannot be read at all, which were reported.
    unread: BTreeSet<String>,
    /// Whether what stood there when it was first asked was answered.
    begun: bool,
}

#[derive(Debug)]
struct Followed {
    name: String,
    reader: Reader,
    entries: RawEntries,
    /// What stood in the log when it was first asked.
    before: Search,
    begin: u64,
    /// What the intents since fulfil, until their outcomes come.
    calls: HashMap<u64, Fulfilled>,
    /// The latest time so far: entries keep the order of their log when a clock is set back.
    latest: Timestamp,
    failed: bool,
}

/// Entries with the time that says where they stand among those of other logs.
type Found = Vec<(Timestamp, Record)>;

impl Follow {
    pub(super) fn new(query: &Query, data: &Path) -> Self {
        Self {
            plan: Arc::new(Plan::new(query)),
            limit: query.limit,
            keep: query.keep,
            data: data.to_owned(),
            logs: Vec::new(),
            unread: BTreeSet::new(),
            begun: false,
        }
    }

    /// First what stands there, as much as the limit allows; then what was written since the last
    /// batch, of which nothing is left out: when much was, the rest comes with the next one. Does not
    /// wait. A log whose end failed is reported once and left out from then on.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed.
    pub fn next_batch(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let mut found = Vec::new();
        self.begin_logs(&mut found, &mut answer)?;
        for log in &mut self.logs {
            if let Err(error) = log.read(&self.plan, &mut found) {
                log.failed = true;
                answer.problems.push((log.name.clone(), error));
            }
        }
        sort(&mut found);
        if !self.begun {
            cut(&mut found, self.limit, self.keep);
        }
        self.begun = true;
        answer.records = found.into_iter().map(|(_, record)| record).collect();
        Ok(answer)
    }

    fn begin_logs(&mut self, found: &mut Found, answer: &mut Answer) -> io::Result<()> {
        for (name, directory) in logs(&self.data)? {
            if self.logs.iter().any(|log| log.name == name) || self.unread.contains(&name) {
                continue;
            }
            match Followed::begin(&name, &directory, &self.plan, self.begun) {
                // A log that came since is read from its first entry on.
                Ok(log) if self.begun => self.logs.push(log),
                Ok(mut log) => {
                    let entries = log.before.find(self.limit, self.keep);
                    found.extend(in_order(&name, entries, self.keep));
                    let problems = std::mem::take(&mut log.before.problems);
                    // Nothing is known of what comes behind damage.
                    log.failed = problems.keys().any(|first| log.before.is_current(*first));
                    let last = found.last().filter(|(_, record)| record.log == name);
                    log.latest = last.map_or(log.latest, |(at, _)| *at);
                    let named = |problem| (name.clone(), problem);
                    answer.problems.extend(problems.into_values().map(named));
                    self.logs.push(log);
                }
                Err(error) => {
                    self.unread.insert(name.clone());
                    answer.problems.push((name, error));
                }
            }
        }
        Ok(())
    }
}

impl Followed {
    fn begin(
        name: &str,
        directory: &Path,
        plan: &Arc<Plan>,
        is_new: bool,
    ) -> Result<Self, ReadError> {
        let mut before = Search::new(Arc::clone(plan), directory)?;
        let begin = if is_new { 0 } else { before.end() };
        let reader = Reader::open(directory)?;
        Ok(Self {
            name: name.to_owned(),
            entries: reader.raw(begin),
            reader,
            before,
            begin,
            calls: HashMap::new(),
            latest: Timestamp::default(),
            failed: false,
        })
    }

    fn read(&mut self, plan: &Plan, found: &mut Found) -> Result<(), ReadError> {
        let enough = found.len().saturating_add(MOST_AT_ONCE);
        while !self.failed && found.len() < enough {
            let Some((sequence, bytes)) = self.entries.next()? else { break };
            self.look(plan, sequence, &bytes, found)?;
        }
        Ok(())
    }

    fn look(
        &mut self,
        plan: &Plan,
        sequence: u64,
        bytes: &[u8],
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let Some(sketch) = Sketch::parse(bytes) else {
            return self.tell(bytes, sequence, found);
        };
        let own = plan.fulfilled(&sketch);
        self.latest = self.latest.max(Timestamp(sketch.at_ms));
        let mut fulfilled = own;
        if sketch.is_intent() {
            self.calls.insert(sequence, own);
        } else if let Some(intent) = sketch.concludes() {
            let of_intent = match self.calls.remove(&intent) {
                Some(known) => known,
                None if intent < self.begin => self.before.intent(intent).unwrap_or_default(),
                None => 0,
            };
            fulfilled |= of_intent;
            // Its intent was not told of, because only now it matches.
            if plan.is_whole(fulfilled) && !plan.is_whole(of_intent) {
                self.tell_intent(plan, intent, found)?;
            }
        }
        if plan.is_whole(fulfilled) && plan.admits(&sketch) {
            self.tell(bytes, sequence, found)?;
        }
        Ok(())
    }

    fn tell_intent(
        &mut self,
        plan: &Plan,
        intent: u64,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let bytes = match self.before.bytes(intent) {
            Some(bytes) => Some(bytes),
            None => {
                let found = self.reader.raw(intent).next()?;
                found.filter(|(found, _)| *found == intent).map(|(_, bytes)| bytes)
            }
        };
        match bytes {
            Some(bytes) if Sketch::parse(&bytes).is_some_and(|sketch| plan.admits(&sketch)) => {
                self.tell(&bytes, intent, found)
            }
            _ => Ok(()),
        }
    }

    fn tell(&self, bytes: &[u8], sequence: u64, found: &mut Found) -> Result<(), ReadError> {
        let entry =
            Entry::parse(bytes).map_err(|source| ReadError::Unknown { sequence, source })?;
        found.push((self.latest, Record { log: self.name.clone(), entry }));
        Ok(())
    }
}

/// Entries of one log, oldest first, with times that keep their order where a clock was set back.
fn in_order(log: &str, entries: Vec<Entry>, keep: Keep) -> Found {
    let mut times: Vec<Timestamp> = entries.iter().map(|entry| entry.at).collect();
    match keep {
        Keep::Oldest => {
            let mut latest = Timestamp::default();
            for at in &mut times {
                latest = latest.max(*at);
                *at = latest;
            }
        }
        Keep::Newest => {
            let mut earliest = Timestamp(u64::MAX);
            for at in times.iter_mut().rev() {
                earliest = earliest.min(*at);
                *at = earliest;
            }
        }
    }
    let record = |entry| Record { log: log.to_owned(), entry };
    times.into_iter().zip(entries.into_iter().map(record)).collect()
}

/// Sorts by time, those of one log in its own order.
fn sort(found: &mut Found) {
    found.sort_by(|(at, a), (other, b)| {
        let one = (at, &a.log, a.entry.sequence);
        one.cmp(&(other, &b.log, b.entry.sequence))
    });
}

/// Leaves out what is too much.
fn cut(found: &mut Found, limit: usize, keep: Keep) {
    match keep {
        Keep::Newest => drop(found.drain(..found.len().saturating_sub(limit))),
        Keep::Oldest => found.truncate(limit),
    }
}
