//! A call that has left: what its messages are screened under, and what its outcome is written with.

use std::mem;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use haechi_audit::OpenIntent;
use haechi_core::json::Checked;
use haechi_core::rpc::RequestId;
use haechi_core::{
    Action, Completion, Conclusion, Era, FindingCount, Intent, Principal, Resource, Sealer, Sid,
};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::onlooker::{Onlooker, tool_of};
use crate::{Guard, Refusal};

/// Findings that an entry holds at most.
pub(crate) const MAX_FINDINGS: usize = 64;

/// A call that has left.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) principal: Principal,
    pub(crate) id: RequestId,
    pub(crate) method: Arc<str>,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
    pub(crate) era: Era,
    pub(crate) progress_token: Option<RequestId>,
    /// `None` for a call the operator wants no entry of.
    pub(crate) entry: Option<String>,
    /// Whom the call's values are about.
    pub(crate) subject: Option<Sid>,
    /// Raised when the caller cancels by `notifications/cancelled`.
    pub(crate) cancelled: Notify,
    started: Instant,
    bytes: AtomicU64,
    messages: AtomicU32,
    findings: Mutex<Vec<FindingCount>>,
    open: Mutex<Option<(Owed, OwnedSemaphorePermit)>>,
}

/// What the audit log is still to be told of a call that has left.
#[derive(Debug)]
pub(crate) enum Owed {
    /// How what was recorded ended.
    Outcome(OpenIntent),
    /// Nothing, unless its answer is refused: then what was asked for, and that.
    Refusal(Box<Intent>),
}

/// What a ticket is made of besides its call.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) owed: Owed,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) entry: Option<String>,
    pub(crate) subject: Option<Sid>,
    pub(crate) started: Instant,
}

impl Ticket {
    pub(crate) fn new(
        call: &crate::GovernedCall,
        principal: &Principal,
        progress_token: Option<RequestId>,
        departure: Departure,
    ) -> Self {
        Self {
            principal: principal.clone(),
            id: call.id().clone(),
            method: Arc::clone(call.method()),
            action: call.action(),
            resource: call.resource().clone(),
            era: call.era(),
            progress_token,
            entry: departure.entry,
            subject: departure.subject,
            cancelled: Notify::new(),
            started: departure.started,
            bytes: AtomicU64::new(0),
            messages: AtomicU32::new(0),
            findings: Mutex::new(Vec::new()),
            open: Mutex::new(Some((departure.owed, departure.place))),
        }
    }

    /// Counts a message that goes to the caller.
    pub(crate) fn count(&self, message: &Checked) {
        self.bytes.fetch_add(u64::try_from(message.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Who sees what comes back.
    pub(crate) fn onlooker(&self) -> Onlooker<'_> {
        Onlooker {
            principal: &self.principal,
            upstream: &self.resource.upstream,
            tool: tool_of(&self.method, &self.resource.name, self.action),
            subject: self.subject.as_ref(),
        }
    }

    /// Notes what must stay unseen and stood in what came back.
    pub(crate) fn note_findings(&self, counts: Vec<FindingCount>) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_FINDINGS.saturating_sub(findings.len());
        findings.extend(counts.into_iter().take(room));
    }

    /// Whether the outcome is still to be written.
    pub(crate) fn is_open(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Writes the outcome, once; later calls do nothing. Frees the tool's place. An answer that is
    /// refused goes by [`Guard::take_away`] instead.
    pub(crate) fn conclude(&self, end: End<'_>, sealer: &dyn Sealer) {
        let Some((owed, conclusion, _place)) = self.close(end, sealer) else { return };
        let Owed::Outcome(intent) = owed else { return };
        if intent.conclude(conclusion).is_err() {
            tracing::error!(entry = self.entry, "an outcome could not be written to the audit log");
        }
    }

    /// Takes what is owed, once, and says how the call ended; the tool's place is free when the
    /// permit is dropped.
    fn close(
        &self,
        end: End<'_>,
        sealer: &dyn Sealer,
    ) -> Option<(Owed, Conclusion, OwnedSemaphorePermit)> {
        let (owed, place) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let sequence = match &owed {
            Owed::Outcome(intent) => intent.sequence(),
            Owed::Refusal(_) => 0,
        };
        let result = end
            .result
            .and_then(|message| sealer.commit(&self.principal.sid, "result", message.bytes()).ok());
        let conclusion = Conclusion {
            intent: sequence,
            completion: end.completion,
            error_code: end.error_code,
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            response_bytes: self.bytes.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            findings: mem::take(&mut *self.findings.lock().unwrap_or_else(PoisonError::into_inner)),
            result,
        };
        Some((owed, conclusion, place))
    }
}

impl Guard {
    /// Ends the call of `ticket` because its answer may not be seen, and records that whatever the
    /// operator wants recorded of calls that are answered. Gives the refusal with its entry.
    pub(crate) async fn take_away(&self, ticket: &Ticket, refusal: Refusal) -> Refusal {
        let (audit, sealer) = (&self.rooms().audit, &*self.rooms().sealer);
        let end = End::without_answer(Completion::Refused);
        let Some((owed, conclusion, _place)) = ticket.close(end, sealer) else {
            return refusal.at_entry(ticket.entry.clone());
        };
        match owed {
            Owed::Outcome(intent) => {
                if intent.conclude(conclusion).is_err() {
                    tracing::error!(entry = ticket.entry, "a refusal could not be written");
                }
                refusal.at_entry(ticket.entry.clone())
            }
            Owed::Refusal(intent) => match audit.refuse(*intent, conclusion).await {
                Ok(sequence) => refusal.with_entry(audit.entry_id(sequence)),
                Err(error) => Refusal::NotRecorded(Some(error.into())),
            },
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) completion: Completion,
    pub(crate) error_code: Option<i64>,
    pub(crate) result: Option<&'a Checked>,
}

impl End<'_> {
    pub(crate) const fn without_answer(completion: Completion) -> Self {
        Self { completion, error_code: None, result: None }
    }
}
