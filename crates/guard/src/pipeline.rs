//! The guard, and the first door: one call from an entrance to its upstream and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use haechi_audit::AuditLog;
use haechi_core::{
    Action, Clock, Credentials, Entropy, Origin, Principal, Protector, Resource, Sealer, Sid,
    Timestamp, UpstreamName,
};
use haechi_identity::{Audience, AuthenticationError, Identity};
use haechi_policy::{Foresight, Policy, Question};
use haechi_privacy::Privacy;
use tokio::sync::oneshot;

use crate::breaker::{Breaker, BreakerRule};
use crate::caller::CallerMode;
use crate::handles::{GivenFor, Handle, HandleKind, Handles};
use crate::interceptor::Interceptor;
use crate::limits::{Limits, Pace};
use crate::recording::Recordings;
use crate::reveal::RevealRules;
use crate::sessions::{SessionLimits, Sessions};
use crate::ticket::Ticket;
use crate::{Answer, Call, Catalog, Refusal, Upstream};

/// The rooms the hall works with.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Who is calling.
    pub identity: Arc<Identity>,
    /// What happened.
    pub audit: AuditLog,
    /// Seals what entries say of persons.
    pub sealer: Arc<dyn Sealer>,
    /// Opens what the vault protected.
    pub protector: Arc<dyn Protector>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes names of sessions.
    pub entropy: Arc<dyn Entropy>,
}

/// What the settings say of one upstream.
#[derive(Clone, Debug, Default)]
pub struct UpstreamRules {
    /// What it learns of the caller.
    pub caller: CallerMode,
    /// What a caller may ask of it.
    pub limits: Limits,
    /// How much the audit log is told of its calls.
    pub recording: Recordings,
    /// When it is left alone.
    pub breaker: BreakerRule,
}

/// What the settings say of the line.
#[derive(Clone, Debug, Default)]
pub struct GuardConfig {
    /// By upstream; one that is not named here has the defaults.
    pub upstreams: HashMap<UpstreamName, UpstreamRules>,
    /// Of legacy sessions.
    pub sessions: SessionLimits,
    /// Stages of the operator's own, in their order, after the built-in second look.
    pub interceptors: Vec<Arc<dyn Interceptor>>,
    /// What must stay unseen; nothing is looked at without.
    pub privacy: Option<Arc<Privacy>>,
    /// Who may see what tokens hold.
    pub reveal: RevealRules,
}

/// The settings in force, swapped whole.
#[derive(Debug)]
pub(crate) struct Settled {
    config: GuardConfig,
    unnamed: UpstreamRules,
}

impl Settled {
    fn rules(&self, upstream: &UpstreamName) -> &UpstreamRules {
        self.config.upstreams.get(upstream).unwrap_or(&self.unnamed)
    }

    pub(crate) fn limits(&self, upstream: &UpstreamName) -> &Limits {
        &self.rules(upstream).limits
    }

    pub(crate) fn recordings(&self, upstream: &UpstreamName) -> &Recordings {
        &self.rules(upstream).recording
    }

    pub(crate) fn caller(&self, upstream: &UpstreamName) -> CallerMode {
        self.rules(upstream).caller
    }

    pub(crate) fn breaker(&self, upstream: &UpstreamName) -> BreakerRule {
        self.rules(upstream).breaker
    }

    pub(crate) fn interceptors(&self) -> &[Arc<dyn Interceptor>] {
        &self.config.interceptors
    }

    pub(crate) fn privacy(&self) -> Option<&Privacy> {
        self.config.privacy.as_deref()
    }

    pub(crate) const fn reveal(&self) -> &RevealRules {
        &self.config.reveal
    }

    pub(crate) const fn sessions(&self) -> SessionLimits {
        self.config.sessions
    }
}

/// The hall. Shared in an `Arc`; each call runs in a task of its own, so that its record outlives
/// a caller who hangs up.
#[derive(Debug)]
pub struct Guard {
    rooms: Rooms,
    policy: ArcSwap<Policy>,
    settled: ArcSwap<Settled>,
    catalog: Catalog,
    sessions: Sessions,
    handles: Handles,
    pace: Pace,
    breaker: Breaker,
    dropped: AtomicU64,
}

impl Guard {
    /// A guard over `rooms` that judges by `policy`.
    #[must_use]
    pub fn new(rooms: Rooms, policy: Arc<Policy>, config: GuardConfig) -> Arc<Self> {
        let settled = Self::settle(&rooms, config);
        Arc::new(Self {
            rooms,
            policy: ArcSwap::from(policy),
            settled: ArcSwap::from_pointee(settled),
            catalog: Catalog::new(),
            sessions: Sessions::default(),
            handles: Handles::new(),
            pace: Pace::new(),
            breaker: Breaker::default(),
            dropped: AtomicU64::new(0),
        })
    }

    /// Puts a new policy and new settings in force; calls under way finish under the old ones.
    pub fn reload(&self, policy: Arc<Policy>, config: GuardConfig) {
        self.policy.store(policy);
        self.settled.store(Arc::new(Self::settle(&self.rooms, config)));
    }

    fn settle(rooms: &Rooms, mut config: GuardConfig) -> Settled {
        let (identity, clock) = (Arc::clone(&rooms.identity), Arc::clone(&rooms.clock));
        let second_look = crate::interceptor::SecondLook::new(identity, clock);
        config.interceptors.insert(0, Arc::new(second_look));
        Settled { config, unnamed: UpstreamRules::default() }
    }

    /// Proves who presents `credentials` at the route `audience` describes. A refusal here is
    /// counted, not recorded: nobody fills the log from outside.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthenticated`], or [`Refusal::Unavailable`] when nothing can be decided.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        audience: &Audience,
        origin: &Origin,
    ) -> Result<Principal, Refusal> {
        let proved = self.rooms.identity.authenticate(credentials, audience).await;
        proved.map_err(|error| {
            self.count_refusal(origin, error.word());
            Self::unauthenticated(error)
        })
    }

    /// The refusal of whoever is not known, or not now.
    pub(crate) fn unauthenticated(error: AuthenticationError) -> Refusal {
        match error {
            AuthenticationError::Unavailable(source) => Refusal::Unavailable(Some(source.into())),
            AuthenticationError::Unnamed(source) => Refusal::Unavailable(Some(source.into())),
            AuthenticationError::IssuerUnavailable(source) => {
                Refusal::Unavailable(Some(source.into()))
            }
            other => Refusal::Unauthenticated(other),
        }
    }

    /// The first door: walks the line with one call and brings its answer back.
    ///
    /// Dropping this future, or a stream of its answer, is the caller's hang-up: it cancels the call
    /// in the modern era and lets it run to its recorded end in the legacy ones.
    ///
    /// # Errors
    ///
    /// Every [`Refusal`].
    pub async fn handle(
        self: &Arc<Self>,
        principal: &Principal,
        call: Call,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let (guard, principal) = (Arc::clone(self), principal.clone());
        let upstream = Arc::clone(upstream);
        tokio::spawn(async move {
            match guard.walk(&principal, call).await {
                Ok(ready) => guard.depart(&principal, ready, &*upstream, reply).await,
                Err(refusal) => drop(reply.send(Err(refusal))),
            }
        });
        answer.await.unwrap_or(Err(Refusal::Unavailable(None)))
    }

    /// Counts a refusal before anybody is known: a wrong Origin, a malformed body.
    pub fn count_refusal(&self, origin: &Origin, reason: &'static str) {
        let route = origin.route.as_deref().unwrap_or("stdio");
        self.rooms.audit.count_refusal(origin.address, route, reason);
    }

    /// The tools that upstreams have shown.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// The rooms.
    #[must_use]
    pub const fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Legacy sessions that stand now.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Messages from upstreams that belonged to nobody and were dropped.
    #[must_use]
    pub fn dropped_messages(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether `principal` may do `action` on `resource` for at least some arguments.
    #[must_use]
    pub fn foresees(&self, principal: &Principal, action: Action, resource: &Resource) -> bool {
        let tool = self.catalog.tool(&resource.upstream, &resource.name);
        let origin = Origin::default();
        let question = Question {
            principal,
            action,
            resource,
            tool: tool.as_deref(),
            arguments: None,
            now: self.now(),
            origin: &origin,
        };
        self.policy.load().foresee(&question) != Foresight::No
    }

    pub(crate) fn settled(&self) -> Arc<Settled> {
        self.settled.load_full()
    }

    pub(crate) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) const fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.rooms.clock.now()
    }

    pub(crate) fn sweep_handles(&self) {
        self.handles.sweep(self.now());
    }

    /// Counts a message that belongs to nobody.
    pub(crate) fn drop_message(&self, upstream: &UpstreamName, why: &'static str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(upstream = upstream.as_str(), why, "a message of an upstream was dropped");
    }

    /// What a handle was given to this person for.
    pub(crate) fn given(
        &self,
        sid: &Sid,
        upstream: &UpstreamName,
        kind: HandleKind,
        text: &str,
    ) -> Option<GivenFor> {
        self.handles.find(&self.handle_of(sid, upstream, kind, text)?, self.now())
    }

    /// Remembers a handle that goes to the caller of `ticket`.
    pub(crate) fn give(&self, ticket: &Ticket, kind: HandleKind, text: &str) {
        let upstream = &ticket.resource.upstream;
        let Some(handle) = self.handle_of(&ticket.principal.sid, upstream, kind, text) else {
            return;
        };
        let (method, name) = (Arc::clone(&ticket.method), Arc::clone(&ticket.resource.name));
        self.handles.bind(handle, GivenFor { method, name }, self.now());
    }

    pub(crate) fn owns(&self, ticket: &Ticket, kind: HandleKind, text: &str) -> bool {
        self.given(&ticket.principal.sid, &ticket.resource.upstream, kind, text).is_some()
    }

    fn handle_of(
        &self,
        sid: &Sid,
        upstream: &UpstreamName,
        kind: HandleKind,
        text: &str,
    ) -> Option<Handle> {
        let commitment = self.rooms.sealer.commit(sid, "handle", text.as_bytes()).ok()?;
        Some(Handle { kind, upstream: upstream.clone(), commitment: commitment.0 })
    }
}
