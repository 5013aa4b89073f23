//! Which children there are: one for each legacy session, one for each person, and no more than
//! allowed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use haechi_core::UpstreamName;
use haechi_core::json::Checked;
use haechi_guard::UpstreamFailure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::legacy::Session;
use super::modern::ModernChild;
use super::process::Process;
use super::{Share, StdioUpstreamConfig};

/// A person's place; whoever holds its lock starts the child for all who wait.
type Seat = Arc<tokio::sync::Mutex<Option<Arc<ModernChild>>>>;

/// Too many children died soon after their start.
#[derive(Debug, thiserror::Error)]
#[error("its program keeps ending; it is started again in {}ms", .0.as_millis())]
struct KeepsEnding(Duration);

/// All children of one upstream.
#[derive(Debug)]
pub(super) struct Seats {
    upstream: UpstreamName,
    config: StdioUpstreamConfig,
    room: Arc<Semaphore>,
    backoff: Backoff,
    persons: Mutex<HashMap<Arc<str>, Seat>>,
    sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
    is_swept: AtomicBool,
}

impl Seats {
    pub(super) fn new(upstream: UpstreamName, config: StdioUpstreamConfig) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            room: Arc::new(Semaphore::new(config.max_children)),
            config,
            backoff: Backoff::default(),
            persons: Mutex::default(),
            sessions: Mutex::default(),
            is_swept: AtomicBool::new(false),
        })
    }

    pub(super) const fn config(&self) -> &StdioUpstreamConfig {
        &self.config
    }

    pub(super) const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// The child for modern requests of `person`, started when there is none.
    pub(super) async fn of_person(
        self: &Arc<Self>,
        person: &Arc<str>,
    ) -> Result<Arc<ModernChild>, UpstreamFailure> {
        let key = match self.config.share {
            Share::Person => Arc::clone(person),
            Share::Everybody => Arc::from(""),
        };
        let seat = Arc::clone(lock(&self.persons).entry(key).or_default());
        let mut seat = seat.lock().await;
        if let Some(child) = seat.as_ref().filter(|child| !child.has_ended()) {
            return Ok(Arc::clone(child));
        }
        let (process, messages) = self.start().await?;
        let (upstream, share) = (self.upstream.clone(), self.config.share);
        let child = Arc::new(ModernChild::new(upstream, Arc::clone(&process), share));
        let receiver = Arc::clone(&child);
        let ender = Arc::clone(&child);
        self.pump(process, messages, move |message| receiver.receive(message), move || ender.end());
        *seat = Some(Arc::clone(&child));
        Ok(child)
    }

    /// The child of `person`, when there is one that takes requests.
    pub(super) async fn seated(&self, person: &Arc<str>) -> Option<Arc<ModernChild>> {
        let key = if self.config.share == Share::Person { person } else { &Arc::from("") };
        let seat = lock(&self.persons).get(key).cloned()?;
        let child = seat.lock().await.clone();
        child.filter(|child| !child.has_ended())
    }

    /// Starts the child of a new session.
    pub(super) async fn open_session(
        self: &Arc<Self>,
        session: &Arc<str>,
    ) -> Result<Arc<Session>, UpstreamFailure> {
        let (process, messages) = self.start().await?;
        let kept = self.config.replay_bytes;
        let opened = Arc::new(Session::new(self.upstream.clone(), Arc::clone(&process), kept));
        let receiver = Arc::clone(&opened);
        let ender = Arc::clone(&opened);
        self.pump(process, messages, move |message| receiver.receive(message), move || ender.end());
        if let Some(before) = lock(&self.sessions).insert(Arc::clone(session), Arc::clone(&opened))
        {
            before.process().stop();
        }
        Ok(opened)
    }

    /// The session under this key.
    pub(super) fn session(&self, session: &str) -> Option<Arc<Session>> {
        lock(&self.sessions).get(session).cloned()
    }

    /// Ends a session and begins to stop its child.
    pub(super) fn end_session(&self, session: &str) -> Option<Arc<Session>> {
        let ended = lock(&self.sessions).remove(session)?;
        ended.process().stop();
        Some(ended)
    }

    /// Begins to stop every child; those whose end can be waited for.
    pub(super) fn stop_all(&self) -> Vec<Arc<Process>> {
        let sessions: Vec<_> = lock(&self.sessions).drain().map(|(_, session)| session).collect();
        let seats: Vec<_> = lock(&self.persons).drain().map(|(_, seat)| seat).collect();
        let persons = seats
            .iter()
            .filter_map(|seat| Some(Arc::clone(seat.try_lock().ok()?.as_ref()?.process())));
        let sessions = sessions.iter().map(|session| Arc::clone(session.process()));
        let all: Vec<_> = sessions.chain(persons).collect();
        for process in &all {
            process.stop();
        }
        all
    }

    async fn start(
        self: &Arc<Self>,
    ) -> Result<(Arc<Process>, mpsc::Receiver<Checked>), UpstreamFailure> {
        if let Some(wait) = self.backoff.wait() {
            return Err(UpstreamFailure::Unreachable {
                upstream: self.upstream.clone(),
                source: Box::new(KeepsEnding(wait)),
            });
        }
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self), self.config.idle_timeout));
        }
        let permit = self.permit().await?;
        Process::start(&self.upstream, &self.config, permit).await
    }

    /// Room for one more child: when there is none, the person's child that idles longest goes.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, UpstreamFailure> {
        let room = Arc::clone(&self.room);
        if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
            return Ok(permit);
        }
        let busy = || UpstreamFailure::Busy(self.upstream.clone());
        let (_, idlest) =
            self.idle().into_iter().min_by_key(|(since, _)| *since).ok_or_else(busy)?;
        idlest.process().stop();
        let patience = self.config.stop_grace.saturating_mul(3);
        let permit = tokio::time::timeout(patience, room.acquire_owned()).await;
        permit.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Children without a call in flight, and since when.
    fn idle(&self) -> Vec<(Instant, Arc<ModernChild>)> {
        let seats: Vec<_> = lock(&self.persons).values().cloned().collect();
        let children = seats.iter().filter_map(|seat| seat.try_lock().ok()?.clone());
        let live = children.filter(|child| !child.has_ended());
        live.filter_map(|child| Some((child.idle_since()?, child))).collect()
    }

    /// Stops children that have idled for `limit`, and forgets seats nobody sits on.
    fn sweep_idle(&self, limit: Duration) {
        for (since, child) in self.idle() {
            if since.elapsed() >= limit {
                child.process().stop();
            }
        }
        lock(&self.persons).retain(|_, seat| {
            // Somebody else holds it: a child is being started, or asked for.
            if Arc::strong_count(seat) > 1 {
                return true;
            }
            seat.try_lock().is_ok_and(|seat| seat.as_ref().is_some_and(|child| !child.has_ended()))
        });
    }

    /// Hands a child's messages on until it ends, then says so.
    fn pump(
        self: &Arc<Self>,
        process: Arc<Process>,
        mut messages: mpsc::Receiver<Checked>,
        receive: impl Fn(&Checked) + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) {
        let seats = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                receive(&message);
            }
            if let Some(seats) = seats.upgrade().filter(|_| !process.was_stopped()) {
                seats.backoff.note_death(process.age());
                tracing::warn!(upstream = %seats.upstream, "child ended by itself");
                let words = process.last_words(&seats.upstream).unwrap_or_default();
                tracing::debug!(upstream = %seats.upstream, words, "its last words");
            }
            // A child may close its output and live on: nothing can be heard from it any more.
            process.stop();
            end();
        });
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        self.stop_all();
    }
}

async fn sweep(seats: Weak<Seats>, limit: Duration) {
    let pause = (limit / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
    loop {
        tokio::time::sleep(pause).await;
        let Some(seats) = seats.upgrade() else { return };
        seats.sweep_idle(limit);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
