//! What the tests stand on: people, upstreams, questions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Action, Means, Origin, Principal, Resource, Sid, Timestamp, UpstreamName};
use haechi_policy::{
    CedarFile, Denial, DenialReason, Foresight, KnownTool, Matcher, Permitted, Policy,
    PolicyProblem, PolicySource, PolicyWarning, Question, Role, Rule, RuleKind,
};
use serde_json::{Value, json};

/// 2026-11-22T13:14:18Z, a Sunday.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_353_258);

/// A source with upstreams `files` and `crm`.
pub(crate) fn source(roles: Vec<Role>, cedar: &str) -> PolicySource {
    let file = CedarFile { name: "rules.cedar".into(), text: cedar.into() };
    PolicySource {
        roles,
        cedar: (!cedar.is_empty()).then_some(file).into_iter().collect(),
        owner: false,
        catalog: Vec::new(),
        upstreams: vec!["files".into(), "crm".into()],
        default_sensitive_max_age: Duration::from_secs(300),
    }
}

pub(crate) fn policy(roles: Vec<Role>, cedar: &str) -> Policy {
    compile(&source(roles, cedar)).0
}

pub(crate) fn compile(source: &PolicySource) -> (Policy, Vec<PolicyWarning>) {
    Policy::compile(source, 7).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

pub(crate) fn problems(source: &PolicySource) -> Vec<PolicyProblem> {
    Policy::compile(source, 7).err().unwrap_or_default()
}

pub(crate) fn role(name: &str, allow: Vec<Rule>) -> Role {
    Role { name: name.into(), allow, ..Role::default() }
}

pub(crate) fn tools(patterns: &[&str]) -> Vec<Rule> {
    patterns.iter().map(|pattern| Rule::tools(pattern)).collect()
}

pub(crate) fn rule(pattern: &str, argument: &str, matcher: Matcher) -> Rule {
    let arguments = BTreeMap::from([(argument.to_owned(), matcher)]);
    Rule { arguments, ..Rule::tools(pattern) }
}

pub(crate) fn resources(pattern: &str) -> Rule {
    Rule::new(RuleKind::Resources, pattern)
}

pub(crate) fn tool(name: &str, properties: Option<Value>) -> KnownTool {
    let (upstream, tool) = name.split_once(':').unwrap();
    KnownTool {
        upstream: upstream.into(),
        tool: tool.into(),
        input_schema: properties.map(|p| json!({ "type": "object", "properties": p })),
        ..KnownTool::default()
    }
}

/// A caller with a token of this gateway; every one has a digest of its own.
pub(crate) fn person(roles: &[&str]) -> Principal {
    let mut digest = [0; 32];
    for (at, byte) in roles.join(",").bytes().enumerate() {
        digest[at % 32] ^= byte.rotate_left(u32::try_from(at % 8).unwrap());
    }
    Principal {
        sid: Sid("sid".into()),
        issuer: "haechi".into(),
        subject: "0001".into(),
        username: Some("kim".into()),
        name: None,
        email: None,
        roles: Arc::new(roles.iter().map(|role| (*role).to_owned()).collect()),
        groups: Arc::default(),
        scopes: Arc::default(),
        tenant: None,
        claims: Arc::new(Value::Null),
        client_id: None,
        means: Means::OwnToken,
        authenticated_at: None,
        credential_id: None,
        expires_at: None,
        restriction: None,
        digest,
    }
}

pub(crate) fn set(values: &[&str]) -> Arc<BTreeSet<String>> {
    Arc::new(values.iter().map(|value| (*value).to_owned()).collect())
}

/// One call in the making.
pub(crate) struct Ask {
    pub(crate) principal: Principal,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
    pub(crate) tool: Option<KnownTool>,
    pub(crate) arguments: Option<Value>,
    pub(crate) now: Timestamp,
    pub(crate) origin: Origin,
}

impl Ask {
    /// Whether `roles` may call `name`, an `upstream:tool`.
    pub(crate) fn call(roles: &[&str], name: &str) -> Self {
        Self::of(person(roles), name)
    }

    pub(crate) fn of(principal: Principal, name: &str) -> Self {
        let (upstream, name) = name.split_once(':').unwrap();
        let upstream = UpstreamName::parse(upstream).unwrap();
        Self {
            principal,
            action: Action::CallTool,
            resource: Resource { upstream, name: name.into() },
            tool: None,
            arguments: None,
            now: NOW,
            origin: Origin::default(),
        }
    }

    pub(crate) fn with(mut self, arguments: Value) -> Self {
        self.arguments = Some(arguments);
        self
    }

    pub(crate) fn to(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            principal: &self.principal,
            action: self.action,
            resource: &self.resource,
            tool: self.tool.as_ref(),
            arguments: self.arguments.as_ref(),
            now: self.now,
            origin: &self.origin,
        }
    }

    pub(crate) fn judge(&self, policy: &Policy) -> Result<Permitted, Denial> {
        policy.judge(&self.question())
    }

    pub(crate) fn permitted(&self, policy: &Policy) -> bool {
        self.judge(policy).is_ok()
    }

    pub(crate) fn reason(&self, policy: &Policy) -> Option<DenialReason> {
        self.judge(policy).err().map(|denial| denial.reason)
    }

    pub(crate) fn foresee(&self, policy: &Policy) -> Foresight {
        policy.foresee(&self.question())
    }
}
