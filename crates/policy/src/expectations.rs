//! Expectations: cases written in a file, run against the policy.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Action, Means, Origin, Principal, Resource, Timestamp, UpstreamName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Foresight, RuleId};
use crate::judge::{Memory, Verdict};
use crate::matrix::stand_in;
use crate::policy::Policy;
use crate::question::Question;
use crate::source::KnownTool;

/// A file of expectations: `[[case]]` in TOML, `{"case": […]}` in JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// The cases, in order.
    #[serde(default, rename = "case")]
    pub cases: Vec<ExpectedCase>,
}

/// One case: who does what, and what should come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCase {
    /// What the report calls it; its number when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// A user of this gateway, with the roles stored for them. Excludes the members that describe
    /// a caller.
    #[serde(default)]
    pub user: Option<String>,
    /// The roles of a made-up caller.
    #[serde(default)]
    pub roles: Option<BTreeSet<String>>,
    /// The groups of a made-up caller.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The scopes of a made-up caller's token.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// The claims of a made-up caller's token.
    #[serde(default)]
    pub claims: Option<Value>,
    /// The tenant of a made-up caller.
    #[serde(default)]
    pub tenant: Option<String>,
    /// By what means a made-up caller proved itself; `own-token` when absent.
    #[serde(default)]
    pub means: Option<Means>,
    /// How long ago the caller signed in, in seconds.
    #[serde(default)]
    pub authentication_age_secs: Option<u64>,
    /// What is asked; `call_tool` when absent.
    #[serde(default)]
    pub action: Option<Action>,
    /// To what: `upstream:name`; the name may be empty for lists.
    #[serde(alias = "resource", alias = "prompt", alias = "method")]
    pub tool: String,
    /// With what.
    #[serde(default)]
    pub arguments: Option<Value>,
    /// From what address.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// At what moment, in milliseconds since 1970-01-01T00:00:00Z; the runner's when absent.
    #[serde(default)]
    pub at_ms: Option<u64>,
    /// What should come of the call.
    pub expect: Expected,
    /// A rule that must be among those that decide.
    #[serde(default)]
    pub rule: Option<String>,
    /// What the list phase should answer.
    #[serde(default)]
    pub list: Option<ExpectedForesight>,
}

/// What should come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// It is permitted.
    Permit,
    /// It is denied.
    Deny,
}

/// What the list phase should answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedForesight {
    /// Permitted whatever the arguments.
    Yes,
    /// Denied whatever the arguments.
    No,
    /// The arguments decide.
    Depends,
}

/// What came of all cases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExpectationReport {
    /// In the order of the file.
    pub results: Vec<CaseResult>,
}

impl ExpectationReport {
    /// How many cases did not come out as expected.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.results.iter().filter(|result| !result.passed).count()
    }
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// Its name or number.
    pub name: String,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What came of it, in words.
    pub outcome: String,
    /// The rules that decided.
    pub rules: Vec<RuleId>,
}

/// What cases are run in.
#[expect(missing_debug_implementations, reason = "it borrows a look-up, which has none")]
pub struct Surroundings<'a> {
    /// Finds a user of this gateway by name.
    pub user: &'a dyn Fn(&str) -> Option<Principal>,
    /// The tools that are known.
    pub catalog: &'a [KnownTool],
    /// The moment of cases that name none.
    pub now: Timestamp,
}

impl Expectations {
    /// Runs every case against `policy`.
    #[must_use]
    pub fn run(&self, policy: &Policy, surroundings: &Surroundings<'_>) -> ExpectationReport {
        let numbered = self.cases.iter().enumerate();
        let results = numbered.map(|(index, case)| {
            let name = case.name.clone().unwrap_or_else(|| format!("case {}", index + 1));
            match case.run(policy, surroundings) {
                Ok((passed, outcome, rules)) => CaseResult { name, passed, outcome, rules },
                Err(outcome) => CaseResult { name, passed: false, outcome, rules: Vec::new() },
            }
        });
        ExpectationReport { results: results.collect() }
    }
}

impl ExpectedCase {
    fn run(
        &self,
        policy: &Policy,
        surroundings: &Surroundings<'_>,
    ) -> Result<(bool, String, Vec<RuleId>), String> {
        let principal = self.principal(surroundings)?;
        let resource = resource(&self.tool)?;
        let origin = Origin { address: self.address, ..Origin::default() };
        let known = |tool: &&KnownTool| {
            tool.upstream == resource.upstream.as_str() && *tool.tool == *resource.name
        };
        let question = Question {
            principal: &principal,
            action: self.action.unwrap_or(Action::CallTool),
            resource: &resource,
            tool: surroundings.catalog.iter().find(known),
            arguments: self.arguments.as_ref(),
            now: self.now(surroundings),
            origin: &origin,
        };
        let (actual, rules, words) = match policy.verdict_with(&question, Memory::Ignore) {
            Verdict::Permit { rules, .. } => (Expected::Permit, rules, "permitted".to_owned()),
            Verdict::Deny(denial) => {
                (Expected::Deny, Arc::clone(&denial.rules), format!("denied: {}", denial.reason))
            }
        };
        let foresight = policy.foresight_with(&question, Memory::Ignore);
        let rule_fits = self.rule.as_ref().is_none_or(|rule| rules.iter().any(|r| **r == **rule));
        let list_fits = self.list.is_none_or(|list| list == foresight.into());
        let mut outcome = words;
        if !rule_fits {
            outcome.push_str("; another rule decided");
        }
        if !list_fits {
            outcome.push_str(&format!("; the list phase says {}", foresight.as_str()));
        }
        Ok((actual == self.expect && rule_fits && list_fits, outcome, rules.to_vec()))
    }

    fn now(&self, surroundings: &Surroundings<'_>) -> Timestamp {
        self.at_ms.map_or(surroundings.now, Timestamp)
    }

    fn principal(&self, surroundings: &Surroundings<'_>) -> Result<Principal, String> {
        let described = self.roles.is_some()
            || self.claims.is_some()
            || self.tenant.is_some()
            || self.means.is_some()
            || !self.groups.is_empty()
            || !self.scopes.is_empty();
        let mut principal = match &self.user {
            Some(_) if described => {
                return Err("a case has either `user` or members that describe a caller".to_owned());
            }
            Some(user) => (surroundings.user)(user).ok_or("there is no such user")?,
            None => self.made_up(),
        };
        if let Some(age) = self.authentication_age_secs {
            let at = self.now(surroundings).before(Duration::from_secs(age));
            principal.authenticated_at = Some(at);
        }
        Ok(principal)
    }

    fn made_up(&self) -> Principal {
        Principal {
            groups: Arc::new(self.groups.clone()),
            scopes: Arc::new(self.scopes.clone()),
            claims: Arc::new(self.claims.clone().unwrap_or_default()),
            tenant: self.tenant.as_deref().map(Arc::from),
            means: self.means.unwrap_or(Means::OwnToken),
            ..stand_in(self.roles.clone().unwrap_or_default())
        }
    }
}

fn resource(text: &str) -> Result<Resource, String> {
    let (upstream, name) = text.split_once(':').ok_or("a tool is written `upstream:name`")?;
    let upstream = UpstreamName::parse(upstream).ok_or("this is no name of an upstream")?;
    Ok(Resource { upstream, name: name.into() })
}

impl From<Foresight> for ExpectedForesight {
    fn from(foresight: Foresight) -> Self {
        match foresight {
            Foresight::Yes => Self::Yes,
            Foresight::No => Self::No,
            Foresight::Depends => Self::Depends,
        }
    }
}
