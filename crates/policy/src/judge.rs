//! Judging: from a question to a verdict.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{
    AuthorizationError, Decision, Entities, EvaluationError, PolicySet, Request, Response,
};
use haechi_core::{Action, Means, Principal};
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::answer::{Denial, DenialReason, Foresight, RuleId};
use crate::cedar::context;
use crate::cedar::reads::Reads;
use crate::entry::Entry;
use crate::policy::Policy;
use crate::question::Question;
use crate::restriction;
use crate::shard::{ListPhase, Shard};
use crate::source::Annotations;

/// The longest name or URI that is judged, in bytes.
const MAX_NAME_BYTES: usize = 8192;

/// The longest name that is kept in a cache, in bytes.
const MAX_CACHED_NAME_BYTES: usize = 256;

/// The most tags of a tool that are kept in a cache.
const MAX_CACHED_TAGS: usize = 16;

/// What was decided; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Permit { rules: Arc<[RuleId]>, sensitive: Option<Duration> },
    Deny(Arc<Denial>),
}

/// What a decision depends on that reads nothing of a call but which matchers fit its arguments,
/// besides the policy the cache belongs to. The digest covers the tenant and all else of the
/// principal that policy reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    principal: [u8; 32],
    action: Action,
    upstream: Arc<str>,
    name: Arc<str>,
    /// Absent where the tool is not known.
    annotations: Option<Annotations>,
    tags: Vec<String>,
    /// For each matcher of the shard whether it holds, then for each whether it is suspected; empty
    /// where no policy of the shard has one.
    fits: Vec<bool>,
}

impl Key {
    /// The key of `question`; `None` for one that is too large to keep.
    fn of(question: &Question<'_>) -> Option<Self> {
        let tags = question.tool.map(|tool| tool.tags.as_slice()).unwrap_or_default();
        let large = question.resource.name.len() > MAX_CACHED_NAME_BYTES
            || tags.len() > MAX_CACHED_TAGS
            || tags.iter().any(|tag| tag.len() > MAX_CACHED_NAME_BYTES);
        (!large).then(|| Self {
            principal: question.principal.digest,
            action: question.action,
            upstream: Arc::clone(&question.resource.upstream.0),
            name: Arc::clone(&question.resource.name),
            annotations: question.tool.map(|tool| tool.annotations),
            tags: tags.to_vec(),
            fits: Vec::new(),
        })
    }
}

/// Everything the policy remembers. Bounded; emptied by swapping the policy.
#[derive(Debug)]
pub(crate) struct Caches {
    verdicts: Cache<Key, Verdict>,
    foresights: Cache<Key, Foresight>,
    entities: Cache<Key, Arc<Entities>>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self { verdicts: Cache::new(4096), foresights: Cache::new(8192), entities: Cache::new(256) }
    }
}

/// Whether what was remembered may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Use,
    /// The principal was made up, so its digest says nothing.
    Ignore,
}

impl Policy {
    pub(crate) fn verdict(&self, question: &Question<'_>) -> Verdict {
        self.verdict_with(question, Memory::Use)
    }

    pub(crate) fn verdict_with(&self, question: &Question<'_>, memory: Memory) -> Verdict {
        if let Some(reason) = refused_outright(question) {
            return deny([].into(), reason, None);
        }
        let Some(shard) = self.shard(question) else {
            return deny([].into(), DenialReason::NoRule, None);
        };
        let usable = memory == Memory::Use && shard.reads.only_matchers();
        let key = Key::of(question).filter(|_| usable);
        let key = key.map(|key| Key { fits: self.fits(shard, question), ..key });
        if let Some(known) = key.as_ref().and_then(|key| self.caches.verdicts.get(key)) {
            return known;
        }
        let verdict = self.evaluate(shard, question, memory);
        if let Some(key) = key {
            self.caches.verdicts.insert(key, verdict.clone());
        }
        verdict
    }

    pub(crate) fn shard(&self, question: &Question<'_>) -> Option<&Shard> {
        let resource = question.resource;
        self.shards.find(resource.upstream.as_str(), question.action, &resource.name)
    }

    pub(crate) fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.list.get(index)
    }

    fn evaluate(&self, shard: &Shard, question: &Question<'_>, memory: Memory) -> Verdict {
        let bench = match self.bench(shard, question, memory) {
            Ok(bench) => bench,
            Err(detail) => return failed([].into(), detail),
        };
        let response = bench.ask(self, &shard.full);
        if let Some(failure) = self.failure(&response) {
            return failure;
        }
        let determining = self.determining(&response);
        match response.decision() {
            Decision::Allow => self.permit(question, &determining),
            Decision::Deny => self
                .step_up(shard, question, &determining)
                .unwrap_or_else(|| self.refuse(&determining)),
        }
    }

    /// What Cedar needs to answer `question` for the policies of `shard`.
    pub(crate) fn bench(
        &self,
        shard: &Shard,
        question: &Question<'_>,
        memory: Memory,
    ) -> Result<Bench, &'static str> {
        let names = self.types.names(question);
        let context = context::build(question, shard.reads, &self.matchers(shard))?;
        let entities = self.entities(question, memory)?;
        let request = Request::new(names.principal, names.action, names.resource, context, None)
            .map_err(|_| "the request cannot be built")?;
        Ok(Bench { request, entities })
    }

    /// Which matchers of `shard` hold, and which are suspected: all that its policies learn of the
    /// arguments.
    fn fits(&self, shard: &Shard, question: &Question<'_>) -> Vec<bool> {
        if !shard.reads.arguments() {
            return Vec::new();
        }
        let arguments = question.arguments.unwrap_or(&Value::Null);
        let matchers = self.matchers(shard);
        let holds = matchers.iter().map(|matcher| matcher.holds(arguments));
        holds.chain(matchers.iter().map(|matcher| matcher.suspected(arguments))).collect()
    }

    fn matchers(&self, shard: &Shard) -> Vec<&crate::matcher::ArgumentMatcher> {
        shard.matchers.iter().filter_map(|index| self.entries.matchers.get(*index)).collect()
    }

    /// The entities of `question`, with claims whatever the shard: another shard may share them.
    fn entities(
        &self,
        question: &Question<'_>,
        memory: Memory,
    ) -> Result<Arc<Entities>, &'static str> {
        let key = Key::of(question).filter(|_| memory == Memory::Use);
        if let Some(known) = key.as_ref().and_then(|key| self.caches.entities.get(key)) {
            return Ok(known);
        }
        let entities = Arc::new(self.build_entities(question, &BTreeSet::new())?);
        if let Some(key) = key {
            self.caches.entities.insert(key, Arc::clone(&entities));
        }
        Ok(entities)
    }

    fn build_entities(
        &self,
        question: &Question<'_>,
        extra_scopes: &BTreeSet<String>,
    ) -> Result<Entities, &'static str> {
        let reads = if self.reads_claims { Reads::CLAIMS } else { Reads::default() };
        let names = self.types.names(question);
        self.types.entities(question, &names, reads, extra_scopes)
    }

    fn failure(&self, response: &Response) -> Option<Verdict> {
        let mut failed_rules = Vec::new();
        let mut details = Vec::new();
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            let rule = self.rule(error.policy_id().to_string().parse().ok());
            details.push(format!("`{rule}`: {}", describe(error.inner())));
            failed_rules.push(rule);
        }
        details.sort();
        (!details.is_empty()).then(|| failed(failed_rules.into(), &details.join("; ")))
    }

    fn rule(&self, index: Option<usize>) -> RuleId {
        index
            .and_then(|index| self.entry(index))
            .map_or_else(|| "a policy without a name".into(), |entry| Arc::clone(&entry.rule))
    }

    /// The entries that determined a response, in order.
    pub(crate) fn determining(&self, response: &Response) -> Vec<&Entry> {
        let mut indices: Vec<usize> =
            response.diagnostics().reason().filter_map(|id| id.to_string().parse().ok()).collect();
        indices.sort_unstable();
        indices.into_iter().filter_map(|index| self.entry(index)).collect()
    }

    fn permit(&self, question: &Question<'_>, determining: &[&Entry]) -> Verdict {
        let by_policy = determining.iter().filter_map(|entry| entry.sensitive);
        let by_role = self.sensitive.iter().filter(|sensitive| {
            let resource = question.resource;
            sensitive.actions.has(question.action)
                && sensitive.concerns(&question.principal.roles)
                && sensitive.pattern.matches(resource.upstream.as_str(), &resource.name)
        });
        Verdict::Permit {
            rules: rules(determining),
            sensitive: by_policy.chain(by_role.map(|sensitive| sensitive.max_age)).min(),
        }
    }

    fn refuse(&self, determining: &[&Entry]) -> Verdict {
        let reason =
            if determining.is_empty() { DenialReason::NoRule } else { DenialReason::Forbidden };
        let public = determining.iter().find_map(|entry| entry.public_reason.clone());
        deny(rules(determining), reason, public)
    }

    /// Whether only scopes are missing, and which are needed.
    ///
    /// Asks again as if the token carried more: first every scope the policies name, to see which
    /// rules would permit; then only those of the cheapest of these rules and of the forbids that
    /// stand in the way.
    fn step_up(
        &self,
        shard: &Shard,
        question: &Question<'_>,
        forbids: &[&Entry],
    ) -> Option<Verdict> {
        let has_token = matches!(question.principal.means, Means::OwnToken | Means::ForeignToken);
        if shard.scopes.is_empty() || !has_token || forbids.iter().any(|f| f.scopes.is_empty()) {
            return None;
        }
        let best = self.as_if(shard, question, &shard.scopes)?;
        let permits = self.determining(&best);
        let lacking = |entry: &&&Entry| missing(entry, question.principal);
        let cheapest = permits.iter().min_by_key(lacking)?;
        let scopes =
            forbids.iter().chain([cheapest]).flat_map(|entry| entry.scopes.iter().cloned());
        let needed: BTreeSet<String> = scopes.collect();
        let enough = self.as_if(shard, question, &needed)?;
        let scopes = needed.into_iter().collect();
        Some(deny(rules(&self.determining(&enough)), DenialReason::StepUp { scopes }, None))
    }

    /// The response as if the token carried `scopes` too, when it is a permit.
    fn as_if(
        &self,
        shard: &Shard,
        question: &Question<'_>,
        scopes: &BTreeSet<String>,
    ) -> Option<Response> {
        let mut bench = self.bench(shard, question, Memory::Ignore).ok()?;
        bench.entities = Arc::new(self.build_entities(question, scopes).ok()?);
        let response = bench.ask(self, &shard.full);
        let clean = response.diagnostics().errors().next().is_none();
        (clean && response.decision() == Decision::Allow).then_some(response)
    }

    pub(crate) fn foresight(&self, question: &Question<'_>) -> Foresight {
        self.foresight_with(question, Memory::Use)
    }

    pub(crate) fn foresight_with(&self, question: &Question<'_>, memory: Memory) -> Foresight {
        let question = &Question { arguments: None, ..*question };
        if refused_outright(question).is_some() {
            return Foresight::No;
        }
        let Some(shard) = self.shard(question) else { return Foresight::No };
        let Some(phase) = &shard.list else {
            let permitted = matches!(self.verdict_with(question, memory), Verdict::Permit { .. });
            return if permitted { Foresight::Yes } else { Foresight::No };
        };
        // Arguments are not looked at, so only the surroundings change the answer.
        let usable = memory == Memory::Use && !shard.reads.surroundings();
        let key = Key::of(question).filter(|_| usable);
        if let Some(known) = key.as_ref().and_then(|key| self.caches.foresights.get(key)) {
            return known;
        }
        let foresight = self.look_ahead(shard, phase, question, memory);
        if let Some(key) = key {
            self.caches.foresights.insert(key, foresight);
        }
        foresight
    }

    /// Partial evaluation by hand: policies that read arguments are unknown, unless what stands
    /// before their first look at the arguments already fails.
    fn look_ahead(
        &self,
        shard: &Shard,
        phase: &ListPhase,
        question: &Question<'_>,
        memory: Memory,
    ) -> Foresight {
        let Ok(bench) = self.bench(shard, question, memory) else { return Foresight::No };
        let certain = bench.ask(self, &phase.certain);
        let touched = bench.ask(self, &phase.touched);
        let errors = |response: &Response| response.diagnostics().errors().next().is_some();
        let forbidden =
            certain.decision() == Decision::Deny && certain.diagnostics().reason().next().is_some();
        // What fails before it looks at the arguments fails whatever they are.
        if errors(&certain) || errors(&touched) || forbidden {
            return Foresight::No;
        }
        let mut unsure = self.determining(&touched).into_iter();
        if certain.decision() == Decision::Allow {
            let spoils = unsure.any(|entry| !entry.permits || entry.may_fail);
            return if spoils { Foresight::Depends } else { Foresight::Yes };
        }
        match bench.ask(self, &phase.possible).decision() {
            Decision::Allow => Foresight::Depends,
            Decision::Deny => Foresight::No,
        }
    }
}

/// One question, ready to be put to Cedar.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) request: Request,
    pub(crate) entities: Arc<Entities>,
}

impl Bench {
    pub(crate) fn ask(&self, policy: &Policy, set: &PolicySet) -> Response {
        policy.authorizer.is_authorized(&self.request, set, &self.entities)
    }
}

/// What is refused before any policy is asked.
pub(crate) fn refused_outright(question: &Question<'_>) -> Option<DenialReason> {
    if !restriction::fits(question) {
        return Some(DenialReason::Restricted);
    }
    let name = &question.resource.name;
    (name.len() > MAX_NAME_BYTES).then(|| DenialReason::EvaluationFailed {
        detail: format!("the name is longer than {MAX_NAME_BYTES} bytes").into(),
    })
}

fn missing(entry: &Entry, principal: &Principal) -> usize {
    entry.scopes.iter().filter(|scope| !principal.scopes.contains(*scope)).count()
}

fn rules(entries: &[&Entry]) -> Arc<[RuleId]> {
    entries.iter().map(|entry| Arc::clone(&entry.rule)).collect()
}

fn deny(rules: Arc<[RuleId]>, reason: DenialReason, public_reason: Option<Arc<str>>) -> Verdict {
    Verdict::Deny(Arc::new(Denial { rules, reason, public_reason }))
}

fn failed(rules: Arc<[RuleId]>, detail: &str) -> Verdict {
    deny(rules, DenialReason::EvaluationFailed { detail: detail.into() }, None)
}

/// An evaluation error without the values Cedar's own words would show.
pub(crate) fn describe(error: &EvaluationError) -> &'static str {
    match error {
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            "an attribute it reads is absent; ask with `has` first"
        }
        EvaluationError::EntityDoesNotExist(_) => "a value it reads is none Cedar can hold",
        EvaluationError::TypeError(_) => "a value has another type than it expects",
        EvaluationError::IntegerOverflow(_) => "a number grew too large",
        EvaluationError::FailedExtensionFunctionExecution(_) => {
            "a text is no address, decimal or time"
        }
        _ => "Cedar could not evaluate it",
    }
}

#[cfg(test)]
mod tests;
