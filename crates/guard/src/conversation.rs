//! Legacy sessions from opening to end, and what is kept of them in the log.

use std::sync::Arc;

use haechi_core::{Completion, Era, Event, OpeningKind, Origin, Principal, UpstreamName};

use crate::record;
use crate::sessions::SessionHold;
use crate::ticket::{End, Ticket};
use crate::{Guard, Refusal, Upstream};

impl Guard {
    /// Opens a legacy session for `principal`, before `initialize` is relayed in it. Its name is
    /// random and means nothing to anybody else.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`] when this person, or all together, have too many.
    pub fn open_session(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<str>, Refusal> {
        let limits = self.settled().sessions();
        let entropy = &*self.rooms().entropy;
        self.sessions().open((principal, upstream), limits, entropy, self.now())
    }

    /// The revision that was agreed on in `session`; `None` until `initialize` was answered.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownHandle`] when it is not this person's on this upstream, or is no more.
    pub fn session_version(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        Ok(session.version().cloned())
    }

    /// Says which revision was agreed on in a session in which no `initialize` is relayed, because
    /// it stands for sessions on several upstreams. Said once; later words change nothing.
    ///
    /// # Errors
    ///
    /// As [`Guard::session_version`].
    pub fn agree_on(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
        version: &str,
    ) -> Result<(), Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        session.agree(version);
        Ok(())
    }

    /// Keeps `session` from being idle until what is given back is dropped.
    ///
    /// # Errors
    ///
    /// As [`Guard::session_version`].
    pub fn hold_session(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
    ) -> Result<SessionHold, Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        Ok(SessionHold::new(session, Arc::clone(&self.rooms().clock)))
    }

    /// Ends `session`: its open calls are recorded as interrupted, its upstream side is freed.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownHandle`] when it is not this person's on this upstream.
    pub async fn end_session(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<(), Refusal> {
        self.sessions().find(session, (&principal.sid, upstream.name()), self.now())?;
        self.close_session(session, upstream).await;
        let closed = (OpeningKind::SessionClosed, upstream.name(), Era::Legacy);
        self.note_opening(principal, closed, &Origin::default()).await
    }

    async fn close_session(&self, name: &str, upstream: &Arc<dyn Upstream>) {
        let Some(session) = self.sessions().close(name) else { return };
        for call in session.open_calls() {
            self.conclude_without_answer(&call, Completion::Interrupted);
        }
        upstream.end_session(name).await;
    }

    /// Ends sessions that were idle for too long, and forgets handles that are over. To be called
    /// every few seconds.
    pub async fn sweep(
        &self,
        upstream_of: &(dyn Fn(&UpstreamName) -> Option<Arc<dyn Upstream>> + Sync),
    ) {
        self.sweep_handles();
        let limits = self.settled().sessions();
        for name in self.sessions().idle(limits, self.now()) {
            let Some(session) = self.sessions().close(&name) else { continue };
            for call in session.open_calls() {
                self.conclude_without_answer(&call, Completion::Interrupted);
            }
            if let Some(upstream) = upstream_of(&session.upstream) {
                upstream.end_session(&name).await;
            }
            let closed = record::bare_opening(
                (&session.principal.sid, session.principal.means),
                (OpeningKind::SessionClosed, &session.upstream, Era::Legacy),
            );
            // Nobody waits for it, and the session is gone either way; the log says what ails it.
            let _ = self.note(Event::Session(closed)).await;
        }
    }

    /// Records that something was opened or closed, with where from, sealed.
    pub(crate) async fn note_opening(
        &self,
        principal: &Principal,
        what: (OpeningKind, &UpstreamName, Era),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let opening = record::opening(principal, what, origin, &*self.rooms().sealer);
        let opening = opening.map_err(|error| Refusal::NotRecorded(Some(error.into())))?;
        self.note(Event::Session(opening)).await
    }

    async fn note(&self, event: Event) -> Result<(), Refusal> {
        let noted = self.rooms().audit.note(event).await;
        noted.map(drop).map_err(|error| Refusal::NotRecorded(Some(error.into())))
    }

    fn conclude_without_answer(&self, ticket: &Ticket, completion: Completion) {
        ticket.conclude(End::without_answer(completion), &*self.rooms().sealer);
    }
}
