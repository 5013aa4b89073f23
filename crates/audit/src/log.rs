//! The log, as the hall sees it.

mod keeping;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_core::{
    Clock, Completion, Conclusion, Event, Exchange, Intent, Timestamp, TokenActKind,
};
use tokio::sync::{oneshot, watch};

use crate::boot::boot_id;
use crate::config::{AuditConfig, Durability};
use crate::disk::{Disk, OsDisk, make_private_directory};
use crate::entry::{self, Encoded};
use crate::error::{OpenError, RecordError};
use crate::generation;
use crate::intent::{OpenIntent, Recorded};
use crate::lock::WriterLock;
use crate::notary::{self, Grown, Notary, SignedCheckpoint, Signing};
use crate::note::{Note, VerifierKey};
use crate::recovery::{self, Recovery};
use crate::segment;
use crate::shared::{Shared, State};
use crate::tail::{Admission, Class, Spare, Surroundings};
use crate::witness::{Asking, Cosigning, WitnessPolicy};

/// How long somebody may wait for a checkpoint.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(10);

/// How the log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the next intent would be taken, unless it is large.
    pub writable: bool,
    /// Entries in the log.
    pub entries: u64,
    /// Entries whose callers wait for them to be durable.
    pub lag: u64,
    /// Intents without an end.
    pub open: u64,
    /// Bytes in use in the current segment.
    pub bytes: u64,
    /// Sequence number of the current segment's first entry.
    pub segment: u64,
    /// What is wrong: `no-room`, `unwritable`, `poisoned`, `closed`. It is known before intents are
    /// refused when the disk is full but what was prepared has room left. Of the evidence: `changed`,
    /// `unsigned`, `unwitnessed`.
    pub trouble: Option<&'static str>,
}

/// A log of what happened; clones share it. It is closed by [`AuditLog::close`], or when the last
/// clone is dropped.
#[derive(Clone, Debug)]
pub struct AuditLog {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    signing: Option<Arc<Signing>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    notary: Mutex<Option<JoinHandle<()>>>,
    asking: Mutex<Option<Asking>>,
    lock: Mutex<Option<WriterLock>>,
    /// Held while something is given up.
    pruning: Mutex<()>,
}

impl AuditLog {
    /// Opens the log in `config.directory`, making it if there is none, and becomes its writer.
    ///
    /// A tail that nobody was told of is cut off. Intents without an end get one: `interrupted` when
    /// the process before was killed, `outcome-unknown` when the machine was started since.
    /// Reads at most the segments back to the oldest such intent, and blocks meanwhile.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing of a log that is damaged is changed.
    pub fn open(config: AuditConfig, clock: Arc<dyn Clock>) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(config, clock, Arc::new(OsDisk), boot_id())
    }

    pub(crate) fn open_on(
        config: AuditConfig,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        boot: Option<String>,
    ) -> Result<(Self, Recovery), OpenError> {
        check(&config)?;
        let segments = segment::directory(&config.directory);
        make_private_directory(&config.directory).map_err(OpenError::file(&config.directory))?;
        let lock = WriterLock::take(&config.directory)?;
        disk.sync_directory(&config.directory).map_err(OpenError::file(&config.directory))?;
        let generation = generation::read(&config.directory)?;
        generation::refuse_unfinished(&config.directory, generation)?;
        make_private_directory(&segments).map_err(OpenError::file(&segments))?;
        let node = generation::node(&config.node, generation).into();
        let signing = config.notary.clone().map(|notary| Signing::new(notary, generation));
        let signing = signing.transpose()?.map(Arc::new);
        let around = Arc::new(Surroundings { config, segments, node, disk, clock, boot });
        let mut grown = None;
        let (tail, recovery) = recovery::open(&around, &mut |segments, entries| {
            let check = |signing: &Arc<Signing>| notary::check(&around, signing, segments, entries);
            grown = signing.as_ref().map(check).transpose()?;
            Ok(grown.as_ref().map(|grown| grown.signed.checkpoint.size()))
        })?;
        let handle = Handle {
            shared: Arc::new(Shared::new(tail)),
            signing,
            threads: Mutex::default(),
            notary: Mutex::default(),
            asking: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            pruning: Mutex::default(),
        };
        if let Some(signing) = &handle.signing {
            crate::retention::resume(&*around.disk, &around.config.directory, signing)?;
        }
        handle.start(&around, grown)?;
        Ok((Self { handle: Arc::new(handle) }, recovery))
    }

    /// Records that a call wants to leave. When this resolves, the entry is as durable as the
    /// settings say, and the call may leave.
    ///
    /// # Errors
    ///
    /// [`RecordError`]: the call must not leave.
    pub async fn intend(&self, intent: Intent) -> Result<(Recorded, OpenIntent), RecordError> {
        let added = self.add(Encoded::new(Event::Intent(intent)), Adding::Intent).await?;
        let shared = Arc::clone(&self.handle.shared);
        // Made before waiting: a caller that goes away meanwhile leaves an intent with an end.
        let open = OpenIntent::new(shared, added.sequence, added.at);
        match added.kept().await {
            Ok(sequence) => {
                let node = Arc::clone(&self.handle.shared.around.node);
                Ok((Recorded::new(sequence, node), open))
            }
            Err(why) => {
                open.withdraw();
                Err(why)
            }
        }
    }

    /// Lets a call leave without an entry, because the operator wants none of calls of its kind. It
    /// is nobody else's to decide: whoever asks for this holds the operator's settings in hand.
    ///
    /// # Errors
    ///
    /// [`RecordError::Closed`] and [`RecordError::Poisoned`]: where nothing can be recorded, no
    /// refusal of its answer could be either, so the call must not leave.
    pub fn dangerously_waive(&self) -> Result<Recorded, RecordError> {
        let state = self.handle.shared.lock();
        self.refused(&state).map_or_else(|| Ok(Recorded::waived()), Err)
    }

    /// Records a call that was refused: what it wanted and that it did not get it, together, as
    /// durably as the settings say. Answers the intent's sequence number. `conclusion.intent` and
    /// `conclusion.completion` (`refused`) are filled in here.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn refuse(&self, intent: Intent, conclusion: Conclusion) -> Result<u64, RecordError> {
        let end = Conclusion { completion: Completion::Refused, ..conclusion };
        let added = self.add(Encoded::new(Event::Intent(intent)), Adding::Refusal(end)).await?;
        added.kept().await
    }

    /// Records anything else: administration, sign-in, sessions. Answers its sequence number.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; [`RecordError::NotANote`] for intents, outcomes, counts and what the log
    /// says of itself.
    pub async fn note(&self, event: Event) -> Result<u64, RecordError> {
        let class = match &event {
            Event::Session(_) | Event::Administration(_) | Event::Reveal(_) => Class::Note,
            Event::SignIn(sign_in) if sign_in.success => Class::Note,
            Event::Token(act) if act.act != TokenActKind::Refused => Class::Note,
            // Anybody can cause these.
            Event::SignIn(_) | Event::Token(_) => Class::Outside,
            Event::Intent(_)
            | Event::Outcome(_)
            | Event::RefusalCount { .. }
            | Event::Log { .. } => return Err(RecordError::NotANote),
        };
        self.add(Encoded::new(event), Adding::Note(class)).await?.kept().await
    }

    /// Counts a refusal before anybody was known; it is recorded within about a second, with
    /// others of the same address prefix (/24, /48), route and reason, in at most 16 entries a
    /// second. Never waits for the disk.
    pub fn count_refusal(&self, address: Option<IpAddr>, route: &str, reason: &'static str) {
        let shared = &self.handle.shared;
        let second = shared.around.clock.now().as_secs();
        let mut counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let first = counts.is_empty();
        counts.add(address, route, reason, second);
        drop(counts);
        if first {
            shared.ring_keeper();
        }
    }

    /// The newest checkpoint that is on the disk, and each that comes after it. `None` where the log
    /// signs nothing.
    #[must_use]
    pub fn checkpoints(&self) -> Option<watch::Receiver<Option<Arc<SignedCheckpoint>>>> {
        self.handle.signing.as_ref().map(|signing| signing.checkpoints())
    }

    /// A checkpoint over everything that was recorded before this was asked.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unsigned`] where the log signs nothing, or cannot now.
    pub async fn checkpoint_now(&self) -> Result<Arc<SignedCheckpoint>, RecordError> {
        let signing = self.handle.signing.as_ref().ok_or(RecordError::Unsigned)?;
        let wanted = self.handle.shared.lock().tail.next;
        let mut checkpoints = signing.checkpoints();
        signing.ask();
        let covers = |signed: &Option<Arc<SignedCheckpoint>>| {
            signed.as_ref().is_some_and(|signed| signed.checkpoint.size() >= wanted)
        };
        let found = tokio::time::timeout(CHECKPOINT_LIMIT, checkpoints.wait_for(covers)).await;
        let found = found.ok().and_then(Result::ok).and_then(|signed| signed.clone());
        found.ok_or(RecordError::Unsigned)
    }

    /// The name of this log on its checkpoints; `None` where it signs nothing.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.handle.signing.as_ref().map(|signing| signing.origin())
    }

    /// The keys that verify what this log signs; none where it signs nothing.
    #[must_use]
    pub fn verifier_keys(&self) -> Vec<VerifierKey> {
        self.handle.signing.as_ref().map(|signing| signing.verifier_keys()).unwrap_or_default()
    }

    /// Signs a statement with the log's key: a note whose first line is `ORIGIN/KIND`, which nobody
    /// can take for a checkpoint, with `lines` below it.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unsigned`] where the log signs nothing, or a line is none.
    pub fn state(&self, kind: &str, lines: &[String]) -> Result<Note, RecordError> {
        let signing = self.handle.signing.as_ref().ok_or(RecordError::Unsigned)?;
        let one = |line: &String| !line.is_empty() && !line.contains('\n');
        if kind.is_empty() || !lines.iter().all(one) {
            return Err(RecordError::Unsigned);
        }
        let now = self.handle.shared.around.clock.now();
        signing.state(kind, lines, now).map_err(|_| RecordError::Unsigned)
    }

    /// Has witnesses cosign each checkpoint from here on, until the log is closed. Call inside the
    /// runtime. Another policy takes the place of the one before.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unsigned`] where the log signs nothing.
    pub fn ask_witnesses(
        &self,
        policy: WitnessPolicy,
        exchange: Arc<dyn Exchange>,
    ) -> Result<(), RecordError> {
        let signing = self.handle.signing.as_ref().ok_or(RecordError::Unsigned)?;
        let (checkpoints, shared) = (signing.checkpoints(), Arc::clone(&self.handle.shared));
        let asking = Asking::start(policy, signing.trust(), checkpoints, exchange, shared);
        *self.handle.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(asking);
        Ok(())
    }

    /// How far witnesses have seen the log; `None` when none are asked.
    #[must_use]
    pub fn cosigning(&self) -> Option<Cosigning> {
        let asking = self.handle.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.as_ref().map(Asking::cosigning)
    }

    /// What finds the entry `sequence` of this log again: `NODE-SEQUENCE`.
    #[must_use]
    pub fn entry_id(&self, sequence: u64) -> String {
        entry::id(&self.handle.shared.around.node, sequence)
    }

    /// How the log is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.handle.shared.lock();
        let tail = &state.tail;
        let refusing = self.refused(&state).or_else(|| tail.stalled()).or_else(|| {
            match tail.admit(&[], Class::Intent) {
                Admission::No(why) => Some(why),
                Admission::Yes | Admission::Wait => None,
            }
        });
        let trouble = refusing.or(match &tail.spare {
            Spare::Failed(why) => Some(*why),
            Spare::Wanted | Spare::Ready(..) => None,
        });
        Health {
            writable: refusing.is_none(),
            entries: tail.next,
            lag: state.waiters.len() as u64,
            open: tail.open.len() as u64,
            bytes: tail.end(),
            segment: tail.current.first,
            trouble: trouble.map(RecordError::word),
        }
    }

    /// Closes the log: what is open is recorded as interrupted, everything is made durable, and
    /// the lock is let go.
    pub async fn close(self) {
        let closing = tokio::task::spawn_blocking(move || self.handle.shut());
        // The task neither panics nor is cancelled; were it, dropping the log would close it.
        let _ = closing.await;
    }

    async fn add(&self, entry: Encoded, adding: Adding) -> Result<Added, RecordError> {
        let shared = &self.handle.shared;
        loop {
            let mut room = pin!(shared.room.notified());
            room.as_mut().enable();
            if let Some(added) = self.try_add(&entry, &adding)? {
                return Ok(added);
            }
            room.await;
        }
    }

    /// `None` when there will be room in a moment.
    fn try_add(&self, entry: &Encoded, adding: &Adding) -> Result<Option<Added>, RecordError> {
        let shared = &self.handle.shared;
        let mut state = shared.lock();
        // What nobody outside sees keeps calls from leaving; what else happens is still recorded.
        let calls = matches!(adding, Adding::Intent);
        let unseen = |why: &RecordError| *why == RecordError::Unwitnessed;
        if let Some(why) = self.refused(&state).filter(|why| calls || !unseen(why)) {
            return Err(why);
        }
        if state.tail.stalled().is_some() {
            state.tail.settle()?;
        }
        match state.tail.admit(&[entry], adding.class()) {
            Admission::Yes => {}
            Admission::Wait => {
                shared.wake(&state);
                return Ok(None);
            }
            Admission::No(why) => return Err(why),
        }
        let at = shared.around.clock.now();
        let sequence = state.tail.append(entry)?;
        if !matches!(adding, Adding::Note(_)) {
            state.tail.open.insert(sequence);
        }
        if let Adding::Refusal(end) = adding {
            let end = Conclusion { intent: sequence, ..end.clone() };
            // A failure stalls the log, which whoever waits for this entry meets below.
            let _ = state.tail.finish(sequence, Encoded::outcome(end));
        }
        let keeping = self.keep(&mut state);
        shared.wake(&state);
        Ok(Some(Added { sequence, at, keeping }))
    }

    /// Makes what was added as durable as the settings say, or has it made so.
    fn keep(&self, state: &mut State) -> Keeping {
        match self.handle.shared.around.config.durability {
            Durability::Kill => Keeping::Done(state.tail.flush()),
            Durability::PowerCut => {
                let (waiter, answer) = oneshot::channel();
                state.waiters.push(waiter);
                Keeping::Waiting(answer)
            }
        }
    }

    fn refused(&self, state: &State) -> Option<RecordError> {
        let closed = state.tail.closed.then_some(RecordError::Closed);
        let poisoned = || state.tail.poisoned.then_some(RecordError::Poisoned);
        closed.or_else(poisoned).or_else(|| self.handle.shared.gate.refusal())
    }
}

/// What is added.
enum Adding {
    Intent,
    Refusal(Conclusion),
    Note(Class),
}

impl Adding {
    const fn class(&self) -> Class {
        match self {
            Self::Intent | Self::Refusal(_) => Class::Intent,
            Self::Note(class) => *class,
        }
    }
}

/// An entry that has its place.
struct Added {
    sequence: u64,
    at: Timestamp,
    keeping: Keeping,
}

enum Keeping {
    Done(Result<(), RecordError>),
    Waiting(oneshot::Receiver<Result<(), RecordError>>),
}

impl Added {
    /// Waits until the entry is durable; answers its sequence number.
    async fn kept(self) -> Result<u64, RecordError> {
        let kept = match self.keeping {
            Keeping::Done(kept) => kept,
            Keeping::Waiting(answer) => answer.await.unwrap_or(Err(RecordError::Closed)),
        };
        kept.map(|()| self.sequence)
    }
}

impl Handle {
    fn start(&self, around: &Surroundings, grown: Option<Grown>) -> Result<(), OpenError> {
        let (syncer, keeper) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let (indexes, directory) = (Arc::clone(&self.shared), around.config.directory.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            let thread = thread.map_err(OpenError::file(&around.config.directory))?;
            Ok(thread)
        };
        let threads = || self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = spawn("audit-syncer", Box::new(move || syncer.run_syncer()))?;
        threads().push(thread);
        let thread = spawn("audit-keeper", Box::new(move || keeper.run_keeper()))?;
        threads().push(thread);
        let thread = spawn("audit-index", Box::new(move || indexes.indexes.run(&directory)))?;
        threads().push(thread);
        if let (Some(signing), Some(grown)) = (&self.signing, grown) {
            let notary = Notary::new(Arc::clone(&self.shared), Arc::clone(signing), grown);
            let thread = spawn("audit-notary", Box::new(move || notary.run()))?;
            *self.notary.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        Ok(())
    }

    fn shut(&self) {
        self.shared.shut(&recovery::log_event(&self.shared.around, "stopped"));
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // The threads do not panic; if one had, what it owed is written on the next opening.
            let _ = thread.join();
        }
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Last: its last checkpoint covers what the others made durable.
        self.signing.iter().for_each(|signing| signing.stop());
        if let Some(thread) = self.notary.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shut();
    }
}

fn check(config: &AuditConfig) -> Result<(), OpenError> {
    let sizes = AuditConfig::LEAST_SEGMENT_BYTES..=AuditConfig::LARGEST_SEGMENT_BYTES;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let named = (1..=64).contains(&config.node.len()) && config.node.bytes().all(allowed);
    let problem = if !sizes.contains(&config.segment_bytes) {
        Some(("segment_bytes", "from 256 KiB to 1 GiB"))
    } else if config.group_delay > Duration::from_millis(2) {
        Some(("group_delay", "at most 2 ms"))
    } else if named {
        None
    } else {
        Some(("node", "1 to 64 of `[A-Za-z0-9._-]`"))
    };
    problem.map_or(Ok(()), |(setting, wanted)| Err(OpenError::Setting { setting, wanted }))
}
