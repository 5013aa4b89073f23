//! The upstream itself: which child a message goes to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use haechi_core::rpc::{RequestId, code, method};
use haechi_core::{Era, UpstreamName};
use haechi_guard::{
    Incoming, IncomingBody, Outgoing, Proofs, SessionPass, Upstream, UpstreamFailure,
};
use tokio::time::{Instant, timeout};

use super::StdioUpstreamConfig;
use super::call::empty;
use super::legacy::Session;
use super::modern::ModernChild;
use super::seats::Seats;
use super::status::{refused, speaks_modern};

/// How long a child's own word holds that it does not speak the modern era.
const VERDICT: Duration = Duration::from_secs(300);
/// How long silence or death holds as that word: it may have had another reason.
const SILENT_VERDICT: Duration = Duration::from_secs(30);

/// A server that is a program: children of this process behind the guard.
///
/// Legacy: one child for each session. Modern: one for each person, or one for all. Dropping it
/// stops all children.
#[derive(Debug)]
pub(crate) struct StdioUpstream {
    name: UpstreamName,
    seats: Arc<Seats>,
    /// Until when it is known to speak the legacy era only.
    legacy_until: Mutex<Option<Instant>>,
}

impl StdioUpstream {
    /// Starts nothing yet: a child comes with the first message for it.
    pub(crate) fn new(name: UpstreamName, config: StdioUpstreamConfig) -> Self {
        let seats = Seats::new(name.clone(), config);
        Self { name, seats, legacy_until: Mutex::new(None) }
    }

    /// Stops every child and waits until they and what they forked are gone.
    pub(crate) async fn stop(&self) {
        for process in self.seats.stop_all() {
            process.gone().await;
        }
    }

    #[cfg(test)]
    pub(super) const fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    fn session(&self, outgoing: &Outgoing) -> Result<Arc<Session>, UpstreamFailure> {
        let known = outgoing.session.as_deref().and_then(|session| self.seats.session(session));
        let live = known.filter(|session| !session.has_ended());
        live.ok_or_else(|| UpstreamFailure::SessionEnded(self.name.clone()))
    }

    async fn legacy_request(
        &self,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<Incoming, UpstreamFailure> {
        if &*outgoing.method != method::INITIALIZE {
            return self.session(outgoing)?.request(outgoing, id).await;
        }
        let Some(key) = &outgoing.session else {
            return Err(UpstreamFailure::SessionEnded(self.name.clone()));
        };
        let opened = self.seats.open_session(key).await?.request(outgoing, id).await;
        if opened.is_err() {
            self.seats.end_session(key);
        }
        opened
    }

    async fn modern_request(
        &self,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<Incoming, UpstreamFailure> {
        if self.is_legacy() {
            return legacy_only(id);
        }
        if &*outgoing.method == method::INITIALIZE {
            // The modern era has no such method, and a child that others use must not be talked
            // into the legacy one: the era is the process's.
            return refused(404, Some(id), code::METHOD_NOT_FOUND, "Method not found");
        }
        let child = self.seats.of_person(&outgoing.person).await?;
        if &*outgoing.method == method::SERVER_DISCOVER {
            return self.discover(child, outgoing, id).await;
        }
        child.request(outgoing, id).await
    }

    /// `server/discover` shows which era the server speaks: a legacy one may refuse it in any words,
    /// say nothing, or end (2026-07-28, versioning). The client then hears what a legacy server over
    /// HTTP would have said, and initializes.
    async fn discover(
        &self,
        child: Arc<ModernChild>,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<Incoming, UpstreamFailure> {
        let limit = self.seats.config().probe_timeout;
        let (answer, held_for) = match timeout(limit, child.request(outgoing, id)).await {
            Ok(Ok(incoming)) => match &incoming.body {
                IncomingBody::Message(answer) if !speaks_modern(answer) => {
                    (Ok(Incoming { status: 400, ..incoming }), VERDICT)
                }
                _ => return Ok(incoming),
            },
            Ok(Err(UpstreamFailure::Ended(_))) => {
                self.seats.backoff().forgive();
                (legacy_only(id), SILENT_VERDICT)
            }
            Ok(Err(failure)) => return Err(failure),
            Err(_) => (legacy_only(id), SILENT_VERDICT),
        };
        *self.legacy_until() = Some(Instant::now() + held_for);
        if child.idle_since().is_some() {
            child.process().stop();
        }
        answer
    }

    fn is_legacy(&self) -> bool {
        self.legacy_until().is_some_and(|until| Instant::now() < until)
    }

    fn legacy_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.legacy_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn carry(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
        match (outgoing.era, outgoing.id.clone()) {
            (Era::Legacy, Some(id)) => self.legacy_request(&outgoing, &id).await,
            (Era::Legacy, None) => self.session(&outgoing)?.tell(&outgoing).await,
            (Era::Modern, Some(id)) => self.modern_request(&outgoing, &id).await,
            (Era::Modern, None) => match self.seats.seated(&outgoing.person).await {
                Some(child) => child.tell(&outgoing).await,
                None => Ok(empty(202)),
            },
        }
    }
}

#[async_trait]
impl Upstream for StdioUpstream {
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        self.carry(outgoing).await
    }

    async fn relay(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.carry(outgoing).await
    }

    async fn open_stream(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        if outgoing.era == Era::Modern {
            return Ok(empty(405));
        }
        self.session(&outgoing)?.listen(outgoing.last_event_id.as_deref())
    }

    async fn end_session(&self, session: &str) {
        if let Some(ended) = self.seats.end_session(session) {
            ended.process().gone().await;
        }
    }
}

/// What a legacy server over HTTP says to a modern request: an error that no modern server gives.
fn legacy_only(id: &RequestId) -> Result<Incoming, UpstreamFailure> {
    let why = "this server speaks the revisions with sessions only; send initialize";
    refused(400, Some(id), code::INVALID_REQUEST, why)
}
