//! One compiled policy, with what is known of it besides its text.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Policy, PolicyId};
use serde_json::Value;

use crate::answer::RuleId;
use crate::cedar::files::FilePolicy;
use crate::cedar::reads::{Reads, Shadows};
use crate::matcher::ArgumentMatcher;
use crate::scope::Scope;

/// One compiled policy.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: RuleId,
    pub(crate) permits: bool,
    pub(crate) policy: Policy,
    /// What is left of it in the list phase, when it reads arguments.
    pub(crate) shadows: Option<ShadowPolicies>,
    pub(crate) scope: Scope,
    pub(crate) reads: Reads,
    /// Indices of the matchers it names.
    pub(crate) matchers: Vec<usize>,
    /// Whether evaluating it can fail: those built from roles cannot.
    pub(crate) may_fail: bool,
    pub(crate) sensitive: Option<Duration>,
    pub(crate) scopes: Vec<String>,
    pub(crate) public_reason: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct ShadowPolicies {
    pub(crate) prefix: Policy,
    pub(crate) whole: Policy,
}

/// Entries in the making, and the matchers they share.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) list: Vec<Entry>,
    pub(crate) matchers: Vec<ArgumentMatcher>,
    names: HashMap<String, usize>,
}

/// What stands beside the policy's text.
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) permits: bool,
    pub(crate) scope: Scope,
    pub(crate) matchers: Vec<usize>,
    pub(crate) scopes: Vec<String>,
}

impl Entries {
    /// Takes a matcher in and gives its index; equal ones share it.
    pub(crate) fn matcher(&mut self, mut matcher: ArgumentMatcher) -> usize {
        if let Some(known) = self.matchers.iter().position(|known| *known == matcher) {
            return known;
        }
        // Two different matchers may read alike; Cedar tells them apart by name only.
        let twins = self.matchers.iter().filter(|known| known.name == matcher.name).count();
        if twins > 0 {
            matcher.name = format!("{} (#{})", matcher.name, self.matchers.len()).into();
        }
        self.matchers.push(matcher);
        self.matchers.len() - 1
    }

    /// A name nothing else has: `name` itself, or with a number.
    pub(crate) fn unique(&mut self, name: String) -> String {
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} ({count})") }
    }

    /// Adds a policy built from a role.
    ///
    /// # Errors
    ///
    /// What Cedar says.
    pub(crate) fn add_role_policy(&mut self, facts: Facts, json: &Value) -> Result<(), String> {
        self.add(facts, json, false)
    }

    /// Adds a policy of a file.
    ///
    /// # Errors
    ///
    /// What Cedar says.
    pub(crate) fn add_file_policy(&mut self, file: FilePolicy) -> Result<(), String> {
        let facts = Facts {
            name: file.name,
            permits: file.permits,
            scope: file.scope,
            matchers: Vec::new(),
            scopes: file.scopes,
        };
        let name = self.unique(facts.name.clone());
        self.add(Facts { name, ..facts }, &file.json, true)?;
        if let Some(entry) = self.list.last_mut() {
            entry.sensitive = file.sensitive;
            entry.public_reason = file.public_reason.map(Arc::from);
        }
        Ok(())
    }

    fn add(&mut self, facts: Facts, json: &Value, may_fail: bool) -> Result<(), String> {
        let reads = Reads::of_policy(json);
        let id = self.list.len();
        let shadows = if reads.arguments() {
            let shadows = Shadows::of(json);
            Some(ShadowPolicies {
                prefix: parse(id, shadows.prefix)?,
                whole: parse(id, shadows.whole)?,
            })
        } else {
            None
        };
        self.list.push(Entry {
            rule: facts.name.into(),
            permits: facts.permits,
            policy: parse(id, json.clone())?,
            shadows,
            scope: facts.scope,
            reads,
            matchers: facts.matchers,
            may_fail,
            sensitive: None,
            scopes: facts.scopes,
            public_reason: None,
        });
        Ok(())
    }
}

/// Makes a policy of Cedar's JSON form; its id is its place in the list.
pub(crate) fn parse(id: usize, json: Value) -> Result<Policy, String> {
    Policy::from_json(Some(PolicyId::new(id.to_string())), json).map_err(|error| error.to_string())
}
