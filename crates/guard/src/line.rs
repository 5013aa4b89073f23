//! The straight line of one call up to its leaving: each stage takes what the one before made.

use std::sync::Arc;
use std::time::Instant;

use haechi_audit::{RecordError, Recorded};
use haechi_core::json::{Checked, Text};
use haechi_core::{Action, Completion, Conclusion, FindingCount, Intent, Principal, Resource, Sid};
use haechi_identity::Stopped;
use haechi_policy::{Denial, DenialReason, Permitted, Question, RuleId};
use tokio::sync::OwnedSemaphorePermit;

use crate::caller::{self, CALLER_HEADER};
use crate::handles::HandleKind;
use crate::pipeline::Settled;
use crate::sessions::Session;
use crate::ticket::Owed;
use crate::{Call, GovernedCall, Guard, Outgoing, Proofs, Recording, Refusal};

/// Proof that a request was screened: what leaves is exactly this.
///
/// It can be neither made nor copied outside the line:
///
/// ```compile_fail
/// fn twice(screened: &haechi_guard::Screened) -> haechi_guard::Screened { screened.clone() }
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<haechi_guard::Screened>();
/// ```
#[derive(Debug)]
pub struct Screened {
    body: Checked,
}

impl Screened {
    /// The bytes that may leave.
    #[must_use]
    pub const fn body(&self) -> &Checked {
        &self.body
    }
}

/// A refusal with the stage that spoke it and the rules it rests on.
#[derive(Debug)]
pub(crate) struct Stop {
    refusal: Refusal,
    stage: &'static str,
    rules: Vec<String>,
}

impl Stop {
    pub(crate) const fn at(stage: &'static str, refusal: Refusal) -> Self {
        Self { refusal, stage, rules: Vec::new() }
    }
}

/// One call on its way out.
#[derive(Debug)]
pub(crate) struct Line<'g> {
    pub(crate) guard: &'g Guard,
    settled: Arc<Settled>,
    pub(crate) principal: &'g Principal,
    pub(crate) call: GovernedCall,
    session: Option<Arc<Session>>,
    assertion: Option<String>,
    /// What must stay unseen and stood in it.
    pub(crate) findings: Vec<FindingCount>,
    /// Whom its values are about, where the settings say how to tell.
    pub(crate) subject: Option<Sid>,
    started: Instant,
}

/// A call that may leave now.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) call: GovernedCall,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) subject: Option<Sid>,
    pub(crate) outgoing: Outgoing,
    pub(crate) proofs: Proofs,
    pub(crate) owed: Owed,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) entry: Option<String>,
    pub(crate) started: Instant,
    pub(crate) settled: Arc<Settled>,
}

impl Guard {
    /// Walks the line: every stage in its order, the first no ends it, and the no is recorded too.
    pub(crate) async fn walk(&self, principal: &Principal, call: Call) -> Result<Ready, Refusal> {
        let mut line = Line::begin(self, principal, call)?;
        match line.stages().await {
            Ok((permitted, screened, place)) => line.leave(permitted, screened, place).await,
            Err(stop) => Err(line.refused(stop).await),
        }
    }
}

impl<'g> Line<'g> {
    fn begin(guard: &'g Guard, principal: &'g Principal, call: Call) -> Result<Self, Refusal> {
        let started = Instant::now();
        let session = call
            .session
            .as_deref()
            .map(|name| guard.sessions().find(name, (&principal.sid, &call.upstream), guard.now()));
        let session = session.transpose()?;
        let call = GovernedCall::read(call)?;
        let settled = guard.settled();
        Ok(Self {
            guard,
            settled,
            principal,
            call,
            session,
            assertion: None,
            findings: Vec::new(),
            subject: None,
            started,
        })
    }

    async fn stages(&mut self) -> Result<(Permitted, Screened, OwnedSemaphorePermit), Stop> {
        self.not_stopped()?;
        self.own_handles()?;
        self.pace()?;
        self.intercept().await?;
        self.restore().await?;
        let permitted = self.authorize()?;
        let permitted = self.screen_arguments(permitted).await?;
        let screened = self.screen_call()?;
        self.before_execution(&permitted).await?;
        let place = self.enter()?;
        Ok((permitted, screened, place))
    }

    /// The kill switch.
    fn not_stopped(&self) -> Result<(), Stop> {
        let resource = self.call.resource();
        let tool = matches!(self.call.action(), Action::CallTool | Action::UseTask);
        let tool = tool.then_some(&*resource.name);
        let identity = &self.guard.rooms().identity;
        match identity.is_stopped(resource.upstream.as_str(), tool, self.principal) {
            None => Ok(()),
            Some(stopped) => {
                let what = match stopped {
                    Stopped::Upstream => "upstream",
                    Stopped::Tool => "tool",
                    Stopped::User => "person",
                };
                Err(Stop::at("stop", Refusal::Stopped { what, entry: None }))
            }
        }
    }

    /// What a client hands back must have been handed to it: request states, task ids.
    fn own_handles(&mut self) -> Result<(), Stop> {
        let unknown = |what| Stop::at("handles", Refusal::UnknownHandle(what));
        let text = |key| self.call.params().and_then(|params| params.member(key)?.string());
        if let Some(state) = text("requestState") {
            let given_for = self.find(HandleKind::RequestState, &state);
            let same = given_for.is_some_and(|given| {
                given.method == *self.call.method() && given.name == self.call.resource().name
            });
            if !same {
                return Err(unknown("request state"));
            }
        }
        if self.call.action() == Action::UseTask {
            let task = text("taskId").unwrap_or_default();
            let made_by = self.find(HandleKind::Task, &task).ok_or(unknown("task"))?;
            self.call.judge_as(made_by.name);
        }
        if self.call.action() == Action::Subscribe {
            self.own_subscriptions()?;
        }
        Ok(())
    }

    fn own_subscriptions(&self) -> Result<(), Stop> {
        let wanted = self.call.params().and_then(|params| params.member("notifications"));
        let each =
            |key| wanted.and_then(|wanted| wanted.member(key)).into_iter().flat_map(Text::elements);
        for task in each("taskIds") {
            let task = task.string().unwrap_or_default();
            self.find(HandleKind::Task, &task)
                .ok_or(Stop::at("handles", Refusal::UnknownHandle("task")))?;
        }
        for uri in each("resourceSubscriptions") {
            let name = uri.string().unwrap_or_default().as_ref().into();
            let resource = Resource { upstream: self.call.upstream().clone(), name };
            if !self.guard.foresees(self.principal, Action::ReadResource, &resource) {
                let refusal = Refusal::Denied { public_reason: None, entry: None };
                return Err(Stop::at("policy", refusal));
            }
        }
        Ok(())
    }

    fn find(&self, kind: HandleKind, text: &str) -> Option<crate::handles::GivenFor> {
        self.guard.given(&self.principal.sid, self.call.upstream(), kind, text)
    }

    fn pace(&self) -> Result<(), Stop> {
        let resource = self.call.resource();
        let limits = self.settled.limits(&resource.upstream).of(&resource.name);
        let (sid, upstream) = (&self.principal.sid, &resource.upstream.0);
        self.guard.pace().arrive(sid, upstream, limits, self.guard.now()).map_err(|retry_after| {
            Stop::at("rate-limit", Refusal::TooMany { retry_after, entry: None })
        })
    }

    async fn intercept(&mut self) -> Result<(), Stop> {
        let settled = Arc::clone(&self.settled);
        for stage in settled.interceptors() {
            let said = stage.on_call(self.principal, &mut self.call).await;
            said.map_err(|refusal| Stop::at(stage.name(), refusal))?;
        }
        Ok(())
    }

    pub(crate) fn settled(&self) -> Arc<Settled> {
        Arc::clone(&self.settled)
    }

    pub(crate) fn authorize(&self) -> Result<Permitted, Stop> {
        let (policy, resource) = (self.guard.policy(), self.call.resource());
        let action = self.call.action();
        let tool = self.guard.catalog().tool(&resource.upstream, &resource.name);
        let reads = policy.reads_arguments(resource.upstream.as_str(), action);
        let arguments = if reads { self.call.arguments().map(Text::to_value) } else { None };
        let question = Question {
            principal: self.principal,
            action,
            resource,
            tool: tool.as_deref(),
            arguments: arguments.as_ref(),
            now: self.guard.now(),
            origin: self.call.origin(),
        };
        policy.judge(&question).map_err(|denial| denied(&denial))
    }

    /// May only remove or seal: here, whatever a client sent under the name of the caller's
    /// assertion goes, and the true one comes.
    fn screen_call(&mut self) -> Result<Screened, Stop> {
        let mode = self.settled.caller(self.call.upstream());
        let identity = &self.guard.rooms().identity;
        self.assertion = caller::introduce(&mut self.call, mode, self.principal, identity)
            .map_err(|refusal| Stop::at("caller", refusal))?;
        Ok(Screened { body: self.call.body().clone() })
    }

    async fn before_execution(&self, permitted: &Permitted) -> Result<(), Stop> {
        for stage in self.settled.interceptors() {
            let said = stage.before_execution(self.principal, &self.call, permitted).await;
            said.map_err(|refusal| Stop::at(stage.name(), refusal))?;
        }
        Ok(())
    }

    /// Takes a place at the tool, and asks the circuit breaker.
    fn enter(&self) -> Result<OwnedSemaphorePermit, Stop> {
        let resource = self.call.resource();
        let limits = self.settled.limits(&resource.upstream).of(&resource.name);
        let retry_after = std::time::Duration::from_secs(1);
        let busy = || Stop::at("concurrency", Refusal::TooMany { retry_after, entry: None });
        let place = self.guard.pace().enter(&resource.upstream.0, limits).ok_or_else(busy)?;
        let rule = self.settled.breaker(&resource.upstream);
        let open = self.guard.breaker().admit(&resource.upstream.0, rule, self.guard.now());
        open.map_err(|retry_after| {
            let upstream = resource.upstream.clone();
            Stop::at("breaker", Refusal::CircuitOpen { upstream, retry_after, entry: None })
        })?;
        Ok(place)
    }

    /// Makes the intent durable and puts the proofs together: from here on the call may leave.
    async fn leave(
        self,
        permitted: Permitted,
        screened: Screened,
        place: OwnedSemaphorePermit,
    ) -> Result<Ready, Refusal> {
        let rules = permitted.rules().iter().map(|rule: &RuleId| rule.to_string()).collect();
        let intent = self.intent("permit", rules, None, permitted.sensitive().is_some())?;
        let recorded = self.record(intent).await;
        let (recorded, owed) =
            recorded.map_err(|error| Refusal::NotRecorded(Some(error.into())))?;
        Ok(Ready {
            outgoing: self.outgoing(&screened),
            entry: recorded.entry_id(),
            proofs: Proofs { permitted, screened, recorded },
            owed,
            place,
            call: self.call,
            session: self.session,
            subject: self.subject,
            started: self.started,
            settled: self.settled,
        })
    }

    /// Makes the intent durable, unless the operator wants no entry of such calls.
    async fn record(&self, intent: Intent) -> Result<(Recorded, Owed), RecordError> {
        let audit = &self.guard.rooms().audit;
        if self.recording() == Recording::Off {
            return Ok((audit.dangerously_waive()?, Owed::Refusal(Box::new(intent))));
        }
        let (recorded, open) = audit.intend(intent).await?;
        Ok((recorded, Owed::Outcome(open)))
    }

    /// How much the log is told of this call.
    pub(crate) fn recording(&self) -> Recording {
        let tool = matches!(self.call.action(), Action::CallTool | Action::UseTask);
        let tool = tool.then_some(&*self.call.resource().name);
        self.settled.recordings(self.call.upstream()).of(tool)
    }

    /// Records a refusal; what cannot be recorded is refused for that reason.
    async fn refused(self, stop: Stop) -> Refusal {
        let code = stop.refusal.code();
        let stage = (stop.stage != "policy").then(|| stop.stage.to_owned());
        let intent = match self.intent("deny", stop.rules, stage, false) {
            Ok(intent) => intent,
            Err(refusal) => return refusal,
        };
        let end = Conclusion {
            intent: 0,
            completion: Completion::Refused,
            error_code: Some(code),
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            response_bytes: 0,
            messages: 0,
            findings: Vec::new(),
            result: None,
        };
        let audit = &self.guard.rooms().audit;
        match audit.refuse(intent, end).await {
            Ok(sequence) => stop.refusal.with_entry(audit.entry_id(sequence)),
            Err(error) => Refusal::NotRecorded(Some(error.into())),
        }
    }

    fn outgoing(&self, screened: &Screened) -> Outgoing {
        let mut headers = self.call.headers().to_vec();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(CALLER_HEADER));
        if let Some(assertion) = &self.assertion {
            headers.push((CALLER_HEADER.to_owned(), assertion.clone()));
        }
        Outgoing {
            era: self.call.era(),
            protocol_version: self.call.protocol_version().cloned(),
            body: screened.body.bytes().clone(),
            method: Arc::clone(self.call.method()),
            id: Some(self.call.id().clone()),
            session: self.call.session().cloned(),
            person: Arc::clone(&self.principal.sid.0),
            caller: Some(self.principal.clone()),
            headers,
            last_event_id: None,
        }
    }
}

fn denied(denial: &Denial) -> Stop {
    let rules = denial.rules.iter().map(|rule| rule.to_string()).collect();
    let public_reason = denial.public_reason.as_deref().map(str::to_owned);
    let refusal = match &denial.reason {
        DenialReason::StepUp { scopes } => {
            Refusal::ScopeMissing { scopes: scopes.to_vec(), entry: None }
        }
        DenialReason::EvaluationFailed { .. } => {
            tracing::warn!(reason = %denial.reason, "a policy could not be evaluated; the call is denied");
            Refusal::Denied { public_reason, entry: None }
        }
        DenialReason::NoRule | DenialReason::Forbidden | DenialReason::Restricted => {
            Refusal::Denied { public_reason, entry: None }
        }
    };
    Stop { refusal, stage: "policy", rules }
}
