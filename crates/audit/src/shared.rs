//! What the log's users and its threads share.
//!
//! The *syncer* makes groups of entries survive a power cut and wakes whoever waits for them. The
//! *keeper* prepares the next segment, writes counts once a second, and tries a stalled log again.
//! The *notary* ([`crate::notary`]) signs what is durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use haechi_core::{Completion, Conclusion};
use tokio::sync::{Notify, oneshot};

use crate::config::Durability;
use crate::counts::Counts;
use crate::disk::DiskFile;
use crate::entry::Encoded;
use crate::error::RecordError;
use crate::gate::Gate;
use crate::index;
use crate::segment;
use crate::tail::{Admission, Class, Spare, Surroundings, Tail};

const STALLED_RETRY: Duration = Duration::from_millis(100);
const FULL_RETRY: Duration = Duration::from_millis(500);
const COUNTS_PERIOD: Duration = Duration::from_secs(1);
/// A note of what is durable costs a page; once a second it costs nothing.
const MARK_PERIOD: Duration = Duration::from_secs(1);

/// Tells a caller how its entry fared.
pub(crate) type Waiter = oneshot::Sender<Result<(), RecordError>>;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) around: Arc<Surroundings>,
    pub(crate) counts: Mutex<Counts>,
    /// Rung when a segment was prepared, or could not be.
    pub(crate) room: Notify,
    pub(crate) gate: Gate,
    /// Entries that survive a power cut, as far as it was asked for.
    durable: AtomicU64,
    /// Makes indexes of segments that are full.
    pub(crate) indexes: index::Keeper,
    state: Mutex<State>,
    syncer: Condvar,
    keeper_turn: Mutex<bool>,
    keeper: Condvar,
}

/// What the one lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tail: Tail,
    pub(crate) waiters: Vec<Waiter>,
    /// The notary waits for everything to be durable.
    asking: Option<oneshot::Sender<Result<u64, RecordError>>>,
    /// The syncer wants to be woken from this many waiters on.
    wake_at: usize,
    stopping: bool,
    /// Makes the turns of marks differ from those of earlier runs.
    marks: u64,
}

impl Shared {
    /// Shares `tail`.
    pub(crate) fn new(tail: Tail) -> Self {
        let around = Arc::clone(&tail.around);
        let durable = AtomicU64::new(0);
        let (waiters, asking) = (Vec::new(), None);
        let state = State { tail, waiters, asking, wake_at: 1, stopping: false, marks: 0 };
        Self {
            around,
            counts: Mutex::default(),
            room: Notify::new(),
            gate: Gate::default(),
            durable,
            indexes: index::Keeper::new(),
            state: Mutex::new(state),
            syncer: Condvar::new(),
            keeper_turn: Mutex::new(true),
            keeper: Condvar::new(),
        }
    }

    /// Takes the lock. No code that holds it can panic, so a poisoned lock guards whole state too.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that what was just done gives work to.
    pub(crate) fn wake(&self, state: &State) {
        if state.waiters.len() >= state.wake_at || !state.tail.rolled.is_empty() {
            self.syncer.notify_one();
        }
        if matches!(state.tail.spare, Spare::Wanted) || state.tail.stalled().is_some() {
            self.ring_keeper();
        }
    }

    /// Has everything made durable that was added so far, and answers how many entries that are.
    /// Blocks.
    pub(crate) fn make_all_durable(&self) -> Result<u64, RecordError> {
        let (asking, answer) = oneshot::channel();
        {
            let mut state = self.lock();
            // The syncer may be gone already.
            if state.stopping {
                return Err(RecordError::Closed);
            }
            state.asking = Some(asking);
            self.syncer.notify_one();
        }
        answer.blocking_recv().unwrap_or(Err(RecordError::Closed))
    }

    /// Entries that are known to survive a power cut.
    pub(crate) fn durable_entries(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Adds what the log says of itself, when there is room at once.
    pub(crate) fn add_own(&self, entry: &Encoded) -> Result<(), RecordError> {
        let mut state = self.lock();
        if state.tail.closed {
            return Err(RecordError::Closed);
        }
        state.tail.settle()?;
        match state.tail.admit(&[entry], Class::Note) {
            Admission::Yes => {}
            Admission::Wait => return Err(RecordError::NoRoom),
            Admission::No(why) => return Err(why),
        }
        state.tail.append(entry)?;
        let flushed = state.tail.flush();
        self.wake(&state);
        flushed
    }

    /// Gives the keeper a turn.
    pub(crate) fn ring_keeper(&self) {
        let mut turn = self.keeper_turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !*turn {
            *turn = true;
            self.keeper.notify_one();
        }
    }

    /// Records the end of `intent`.
    pub(crate) fn finish(&self, intent: u64, conclusion: Conclusion) -> Result<(), RecordError> {
        let outcome = Encoded::outcome(Conclusion { intent, ..conclusion });
        let mut state = self.lock();
        let finished = state.tail.finish(intent, outcome);
        self.wake(&state);
        finished
    }

    /// Writes what was counted, where the reserve allows; what it does not stays counted.
    fn write_counts(&self) {
        let lock = || self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out first: whoever counts never waits for the disk.
        let counted = std::mem::take(&mut *lock());
        if !counted.is_empty() && self.record_counts(&counted).is_err() {
            lock().give_back(counted);
        }
    }

    fn record_counts(&self, counted: &Counts) -> Result<(), RecordError> {
        let entries: Vec<Encoded> = counted.events().into_iter().map(Encoded::new).collect();
        let mut state = self.lock();
        let tail = &mut state.tail;
        if tail.closed {
            return Err(RecordError::Closed);
        }
        tail.settle()?;
        match tail.admit(&entries.iter().collect::<Vec<_>>(), Class::Outside) {
            Admission::Yes => {}
            Admission::Wait => return Err(RecordError::NoRoom),
            Admission::No(why) => return Err(why),
        }
        for (place, entry) in entries.iter().enumerate() {
            // Once one has its number, none is counted again.
            if let Err(why) = tail.append(entry) {
                return if place == 0 { Err(why) } else { Ok(()) };
            }
        }
        // A failure stalls the log, which then owes these entries.
        let _ = tail.flush();
        self.wake(&state);
        Ok(())
    }

    /// Ends the log: whatever is open is recorded as interrupted, and everything is synced.
    pub(crate) fn shut(&self, ending: &Encoded) {
        self.write_counts();
        let mut state = self.lock();
        if state.tail.closed {
            return;
        }
        let now = self.around.clock.now();
        for intent in state.tail.unfinished() {
            let outcome = Encoded::outcome(conclusion(intent, Completion::Interrupted, 0));
            // What cannot be written now is written when the log is opened again.
            let _ = state.tail.finish(intent, outcome);
        }
        let _ = state.tail.settle();
        let kept = state.tail.stalled().is_none() && !state.tail.poisoned;
        if state.tail.open.is_empty() && kept && state.tail.append(ending).is_ok() {
            let _ = state.tail.flush();
        }
        tracing::debug!(at = %now, entries = state.tail.next, "the audit log was closed");
        state.tail.closed = true;
        state.stopping = true;
        self.syncer.notify_one();
        drop(state);
        self.ring_keeper();
        self.indexes.stop();
        self.room.notify_waiters();
    }

    /// The syncer's work, until the log is shut.
    pub(crate) fn run_syncer(&self) {
        let mut syncer = Syncer { last_group: 0, marked: None, durable: None };
        loop {
            let (group, last) = self.next_group(syncer.last_group);
            syncer.last_group = group.waiters.len();
            let result = self.make_durable(&mut syncer, &group, last);
            if let Some(asking) = group.asking {
                // The notary waits for the answer, or its thread is gone.
                let _ = asking.send(result.map(|()| group.next));
            }
            for waiter in group.waiters {
                // A caller that went away needs no answer.
                let _ = waiter.send(result);
            }
            if last {
                return;
            }
        }
    }

    /// Waits for work and takes it; `true` with the last.
    fn next_group(&self, last_group: usize) -> (Group, bool) {
        let mut state = self.lock();
        state.wake_at = 1;
        while state.waiters.is_empty()
            && state.asking.is_none()
            && state.tail.rolled.is_empty()
            && !state.stopping
        {
            state = self.syncer.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state = self.gather(state, last_group);
        state.wake_at = usize::MAX;
        let flushed = state.tail.settle();
        state.marks += 1;
        let group = Group {
            waiters: std::mem::take(&mut state.waiters),
            asking: state.asking.take(),
            next: state.tail.next,
            rolled: std::mem::take(&mut state.tail.rolled),
            current: Arc::clone(&state.tail.current.file),
            written: state.tail.current.written,
            turn: state.marks,
            flushed,
        };
        (group, state.stopping)
    }

    /// Lets a group become about as large as the last one was: whoever was in it is likely to be
    /// on the way with the next entry. One that is alone does not wait.
    fn gather<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        last_group: usize,
    ) -> MutexGuard<'a, State> {
        let deadline =
            Instant::now() + self.around.config.group_delay.min(Duration::from_millis(2));
        while state.waiters.len() < last_group && !state.stopping {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.wake_at = last_group;
            let waited = self.syncer.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn make_durable(
        &self,
        syncer: &mut Syncer,
        group: &Group,
        last: bool,
    ) -> Result<(), RecordError> {
        let power_cut = self.around.config.durability == Durability::PowerCut;
        let asked = group.asking.is_some() || (power_cut && !group.waiters.is_empty());
        let needed = group.flushed.is_ok() && (last || asked);
        if needed {
            syncer.mark(group);
        }
        // Oldest first: what is durable has no gap.
        let current = needed.then_some(&group.current);
        let synced = group.rolled.iter().chain(current).try_for_each(|file| file.sync_data());
        if let Err(error) = synced {
            tracing::error!(kind = %error.kind(), "the disk did not keep the audit log");
            // The kernel may have dropped what it could not write and call the next sync a success.
            // A checkpoint says of every entry below it that it is on the disk.
            self.lock().tail.poisoned |= power_cut || self.around.config.notary.is_some();
            return Err(RecordError::Poisoned);
        }
        group.flushed?;
        if self.lock().tail.poisoned {
            return Err(RecordError::Poisoned);
        }
        if needed {
            syncer.durable = Some((Arc::clone(&group.current), group.written));
            self.durable.store(group.next, Ordering::Release);
        }
        if last {
            syncer.mark_end(group);
        }
        Ok(())
    }

    /// The keeper's work, until the log is shut.
    pub(crate) fn run_keeper(&self) {
        let mut counted = Instant::now();
        loop {
            self.prepare_spare();
            if counted.elapsed() >= COUNTS_PERIOD {
                self.write_counts();
                counted = Instant::now();
            }
            let pause = {
                let mut state = self.lock();
                if state.stopping {
                    return;
                }
                if state.tail.stalled().is_some() && state.tail.settle().is_err() {
                    Some(STALLED_RETRY)
                } else if matches!(state.tail.spare, Spare::Failed(_)) {
                    Some(FULL_RETRY)
                } else {
                    None
                }
            };
            let counting = !self.counts.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            self.wait_for_turn(pause.or(counting.then_some(COUNTS_PERIOD)));
        }
    }

    /// Waits until it is rung, or for `pause`.
    fn wait_for_turn(&self, pause: Option<Duration>) {
        let turn = self.keeper_turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = match pause {
            Some(pause) => {
                let waited = self.keeper.wait_timeout_while(turn, pause, |turn| !*turn);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.keeper.wait_while(turn, |turn| !*turn);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        *turn = false;
    }

    fn prepare_spare(&self) {
        {
            let state = self.lock();
            if state.stopping || matches!(state.tail.spare, Spare::Ready(..)) {
                return;
            }
        }
        let size = self.around.config.segment_bytes;
        let path = segment::spare_path(&self.around.segments);
        let spare = match self.around.disk.create(&path, size) {
            Ok(file) => Spare::Ready(file, size),
            Err(error) => Spare::Failed(RecordError::of(&error)),
        };
        let mut state = self.lock();
        match (&spare, &state.tail.spare) {
            (Spare::Failed(why), Spare::Wanted) => {
                tracing::error!(reason = why.word(), "no room for another audit segment");
            }
            (Spare::Ready(..), Spare::Failed(_)) => {
                tracing::info!("there is room for another audit segment again");
            }
            _ => {}
        }
        state.tail.spare = spare;
        drop(state);
        // One is prepared when the one before it was begun, so another has become full.
        self.indexes.ring();
        self.room.notify_waiters();
    }
}

/// How an intent ended of which nothing else is known.
pub(crate) const fn conclusion(
    intent: u64,
    completion: Completion,
    duration_us: u64,
) -> Conclusion {
    Conclusion {
        intent,
        completion,
        error_code: None,
        duration_us,
        response_bytes: 0,
        messages: 0,
        findings: Vec::new(),
        result: None,
    }
}

/// What is made durable together.
struct Group {
    waiters: Vec<Waiter>,
    asking: Option<oneshot::Sender<Result<u64, RecordError>>>,
    /// How many entries are durable with this group.
    next: u64,
    rolled: Vec<Arc<dyn DiskFile>>,
    current: Arc<dyn DiskFile>,
    written: u64,
    turn: u64,
    flushed: Result<(), RecordError>,
}

/// What the syncer remembers.
struct Syncer {
    last_group: usize,
    /// When and where it noted last what is durable.
    marked: Option<(Arc<dyn DiskFile>, Instant)>,
    /// The file that was synced last, and how far it is durable.
    durable: Option<(Arc<dyn DiskFile>, u64)>,
}

impl Syncer {
    /// Notes what earlier groups made durable, once a second and early in each segment; the sync
    /// of this group makes the note durable too.
    fn mark(&mut self, group: &Group) {
        let Some((file, durable)) = &self.durable else { return };
        let recent = self.marked.as_ref().is_some_and(|(marked, when)| {
            Arc::ptr_eq(marked, file) && when.elapsed() < MARK_PERIOD
        });
        if Arc::ptr_eq(file, &group.current) && !recent {
            write_mark(file.as_ref(), group.turn, *durable);
            self.marked = Some((Arc::clone(file), Instant::now()));
        }
    }

    /// Notes that everything is durable, when nothing will follow.
    fn mark_end(&self, group: &Group) {
        if let Some((file, durable)) = &self.durable {
            write_mark(file.as_ref(), group.turn + 1, *durable);
            if let Err(error) = file.sync_data() {
                tracing::warn!(kind = %error.kind(), "a note in an audit segment was not kept");
            }
        }
    }
}

/// Without the note, less damage is told from a torn tail; nothing else depends on it.
fn write_mark(file: &dyn DiskFile, turn: u64, durable: u64) {
    if let Err(error) = segment::write_mark(file, turn, durable) {
        tracing::warn!(kind = %error.kind(), "a note in an audit segment was not written");
    }
}
