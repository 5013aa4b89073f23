//! Shards: for one upstream and action, only the policies that can concern it.
//!
//! Cedar evaluates every policy it is given, so a call is shown as few as can matter. A policy whose
//! scope names no upstream or no action is in every shard.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Policy, PolicySet};
use haechi_core::Action;

use crate::cedar::reads::Reads;
use crate::entry::Entry;
use crate::source::PolicySource;

/// From this many policies on, a tool gets a shard of its own.
const TOOL_SHARD_FROM: usize = 4;

/// The most tools that get a shard of their own.
const MAX_TOOL_SHARDS: usize = 10_000;

/// Policies that are evaluated together.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Indices of the entries, ascending.
    pub(crate) entries: Vec<usize>,
    pub(crate) reads: Reads,
    /// Indices of the matchers its policies name.
    pub(crate) matchers: Vec<usize>,
    /// Every scope its policies ask for.
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) full: PolicySet,
    /// What the list phase evaluates, when some policies read arguments.
    pub(crate) list: Option<ListPhase>,
}

/// The list phase of a shard: see [`crate::policy::Policy::foresee`].
#[derive(Debug)]
pub(crate) struct ListPhase {
    /// The policies that read no arguments.
    pub(crate) certain: PolicySet,
    /// The prefix shadows of all others, as permits.
    pub(crate) touched: PolicySet,
    /// The whole shadows of the permits among them.
    pub(crate) possible: PolicySet,
}

/// All shards.
#[derive(Debug)]
pub(crate) struct Shards {
    upstreams: HashMap<String, UpstreamShards>,
    /// For an upstream the settings do not have.
    elsewhere: Vec<Arc<Shard>>,
}

#[derive(Debug)]
struct UpstreamShards {
    /// In the order of [`Action::ALL`].
    actions: Vec<Arc<Shard>>,
    tools: HashMap<String, Arc<Shard>>,
}

impl Shards {
    /// Cuts `entries` into shards.
    ///
    /// # Errors
    ///
    /// What Cedar says when two policies clash.
    pub(crate) fn build(entries: &[Entry], source: &PolicySource) -> Result<Self, String> {
        let mut maker = Maker { entries, made: HashMap::new() };
        let mut upstreams = HashMap::new();
        for upstream in &source.upstreams {
            upstreams.insert(upstream.clone(), maker.upstream(upstream, source)?);
        }
        let elsewhere = maker.actions(|entry| entry.scope.upstream.exact().is_none())?;
        Ok(Self { upstreams, elsewhere })
    }

    /// The shard of a question; `None` never comes, and means no.
    pub(crate) fn find(&self, upstream: &str, action: Action, name: &str) -> Option<&Shard> {
        let Some(shards) = self.upstreams.get(upstream) else {
            return self.elsewhere.get(action as usize).map(Arc::as_ref);
        };
        let own = (action == Action::CallTool).then(|| shards.tools.get(name)).flatten();
        own.or_else(|| shards.actions.get(action as usize)).map(Arc::as_ref)
    }

    /// The shard of all names of an upstream.
    pub(crate) fn general(&self, upstream: &str, action: Action) -> Option<&Shard> {
        let actions =
            self.upstreams.get(upstream).map_or(&self.elsewhere, |shards| &shards.actions);
        actions.get(action as usize).map(Arc::as_ref)
    }
}

/// Makes shards; equal ones are made once.
struct Maker<'a> {
    entries: &'a [Entry],
    made: HashMap<Vec<usize>, Arc<Shard>>,
}

impl Maker<'_> {
    fn upstream(
        &mut self,
        upstream: &str,
        source: &PolicySource,
    ) -> Result<UpstreamShards, String> {
        let actions = self.actions(|entry| entry.scope.upstream.matches(upstream))?;
        let calls = actions.get(Action::CallTool as usize).map(|shard| shard.entries.clone());
        let calls = calls.filter(|entries| entries.len() >= TOOL_SHARD_FROM).unwrap_or_default();
        let mut tools = HashMap::new();
        let known = source.catalog.iter().filter(|tool| tool.upstream == upstream);
        for tool in known.take(if calls.is_empty() { 0 } else { MAX_TOOL_SHARDS }) {
            let concerned = |index: &&usize| {
                let entry = self.entries.get(**index);
                entry.is_some_and(|entry| entry.scope.concerns(upstream, &tool.tool))
            };
            let entries = calls.iter().filter(concerned).copied().collect();
            tools.insert(tool.tool.clone(), self.shard(entries)?);
        }
        Ok(UpstreamShards { actions, tools })
    }

    fn actions(&mut self, concerned: impl Fn(&Entry) -> bool) -> Result<Vec<Arc<Shard>>, String> {
        let mut shards = Vec::new();
        for action in Action::ALL {
            let all = self.entries.iter().enumerate();
            let fits =
                |(_, entry): &(usize, &Entry)| entry.scope.actions.has(action) && concerned(entry);
            let entries = all.filter(fits).map(|(index, _)| index).collect();
            shards.push(self.shard(entries)?);
        }
        Ok(shards)
    }

    fn shard(&mut self, indices: Vec<usize>) -> Result<Arc<Shard>, String> {
        if let Some(made) = self.made.get(&indices) {
            return Ok(Arc::clone(made));
        }
        let entries: Vec<&Entry> = indices.iter().filter_map(|i| self.entries.get(*i)).collect();
        let shard = Arc::new(Shard::new(indices.clone(), &entries)?);
        self.made.insert(indices, Arc::clone(&shard));
        Ok(shard)
    }
}

impl Shard {
    fn new(indices: Vec<usize>, entries: &[&Entry]) -> Result<Self, String> {
        let reads = entries.iter().map(|entry| entry.reads).fold(Reads::default(), Reads::with);
        let matchers: BTreeSet<usize> =
            entries.iter().flat_map(|entry| entry.matchers.iter().copied()).collect();
        Ok(Self {
            entries: indices,
            reads,
            matchers: matchers.into_iter().collect(),
            scopes: entries.iter().flat_map(|entry| entry.scopes.iter().cloned()).collect(),
            full: set(entries.iter().map(|entry| &entry.policy))?,
            list: reads.arguments().then(|| ListPhase::new(entries)).transpose()?,
        })
    }
}

impl ListPhase {
    fn new(entries: &[&Entry]) -> Result<Self, String> {
        let certain = entries.iter().filter(|entry| entry.shadows.is_none());
        let unknown = || entries.iter().filter_map(|entry| Some((entry, entry.shadows.as_ref()?)));
        let permits = unknown().filter(|(entry, _)| entry.permits);
        Ok(Self {
            certain: set(certain.map(|entry| &entry.policy))?,
            touched: set(unknown().map(|(_, shadows)| &shadows.prefix))?,
            possible: set(permits.map(|(_, shadows)| &shadows.whole))?,
        })
    }
}

fn set<'a>(policies: impl Iterator<Item = &'a Policy>) -> Result<PolicySet, String> {
    PolicySet::from_policies(policies.cloned()).map_err(|error| error.to_string())
}
