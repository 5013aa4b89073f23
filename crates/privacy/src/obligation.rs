//! What is to be done with a finding: rules from the settings, the first that fits wins.

mod action;
mod glob;
mod subject;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use haechi_core::Sid;

pub use action::{Action, ActionError, Generalization};
pub use subject::{SubjectRule, SubjectSource};

use glob::field_matches;

/// Which way a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To an upstream: arguments, and answers to what it asks.
    Arguments,
    /// From an upstream to the caller: results, errors, notifications.
    Results,
}

/// The call that a value belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Which way the value travels.
    pub direction: Direction,
    /// The caller's tenant; empty where there is one only.
    pub tenant: &'a str,
    /// The upstream.
    pub upstream: &'a str,
    /// The tool, prompt or method.
    pub tool: &'a str,
    /// The caller's roles.
    pub roles: &'a BTreeSet<String>,
    /// The caller: who is given what results hold, and whose tokens come back.
    pub receiver: &'a Sid,
    /// The person that the values are about, where that is known.
    pub subject: Option<&'a Sid>,
    /// Members of the screened object that are the protocol's own: nothing is looked for in them.
    pub skip: &'a [&'a str],
}

impl Scene<'_> {
    /// Whether the leaf at `pointer` is the protocol's own.
    pub(crate) fn skips(&self, pointer: &str) -> bool {
        let first = pointer.get(1..).and_then(|rest| rest.split('/').next());
        first.is_some_and(|name| self.skip.contains(&name))
    }
}

/// One rule: for which findings, and what is done with them. An empty list is no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct ObligationRule {
    /// Only what travels this way; `None`: both ways.
    pub direction: Option<Direction>,
    /// Globs over the upstream's name; `*` stands for any run of characters.
    pub upstreams: Vec<String>,
    /// Globs over the tool's name.
    pub tools: Vec<String>,
    /// The caller has one of these roles.
    pub roles: Vec<String>,
    /// Globs over kinds, such as `US_*`.
    pub kinds: Vec<String>,
    /// The finding is at least this sure.
    pub minimum_score: f32,
    /// Globs over the JSON pointer (RFC 6901) of the leaf, with array positions written `*`. In a
    /// pattern `*` stands for a run of characters within one name, `**` for any number of names.
    pub fields: Vec<String>,
    /// What is done.
    pub action: Action,
}

impl ObligationRule {
    /// A rule that does `action` with every finding.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            direction: None,
            upstreams: Vec::new(),
            tools: Vec::new(),
            roles: Vec::new(),
            kinds: Vec::new(),
            minimum_score: 0.0,
            fields: Vec::new(),
            action,
        }
    }

    fn concerns(&self, scene: &Scene<'_>) -> bool {
        self.direction.is_none_or(|direction| direction == scene.direction)
            && any_name(&self.upstreams, scene.upstream)
            && any_name(&self.tools, scene.tool)
            && any_role(&self.roles, scene.roles)
    }

    fn fits(&self, kind: &str, score: f32, field: &str) -> bool {
        score >= self.minimum_score
            && any_name(&self.kinds, kind)
            && (self.fields.is_empty()
                || self.fields.iter().any(|pattern| field_matches(pattern, field)))
    }
}

/// Whose tokens a rule opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those that were given to this caller, or are about this caller. Only [`Action::Tokenize`] makes
    /// tokens that say whom they were given to.
    Own,
    /// All of the tenant, also what [`Action::TokenizeSame`], [`Action::Encrypt`] and
    /// [`Action::Format`] made.
    Anyone,
}

/// Who may hand tokens back to have them opened, and for which tool. An empty list is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRule {
    /// The caller has one of these roles.
    pub roles: Vec<String>,
    /// Globs over the upstream's name.
    pub upstreams: Vec<String>,
    /// Globs over the tool's name.
    pub tools: Vec<String>,
    /// Globs over kinds.
    pub kinds: Vec<String>,
    /// Whose tokens.
    pub whose: Whose,
}

impl OpenRule {
    /// A rule that opens what is `whose`, for every tool.
    #[must_use]
    pub const fn new(whose: Whose) -> Self {
        Self {
            roles: Vec::new(),
            upstreams: Vec::new(),
            tools: Vec::new(),
            kinds: Vec::new(),
            whose,
        }
    }

    fn concerns(&self, scene: &Scene<'_>) -> bool {
        any_name(&self.upstreams, scene.upstream)
            && any_name(&self.tools, scene.tool)
            && any_role(&self.roles, scene.roles)
    }
}

/// Kinds that say little about a person by themselves. Unless the settings say otherwise they stay in
/// results, which would be of no use without dates, places and links; as names of members they always
/// stay.
pub const SPARED: [&str; 5] = ["DATE_TIME", "LOCATION", "ORGANIZATION", "TITLE", "URL"];

/// Members of results that the protocol itself needs unchanged. Nobody reads them as text.
const HANDLES: [&str; 10] = [
    "/nextCursor",
    "/requestState",
    "/resultType",
    "/task/taskId",
    "/taskId",
    "/content/*/type",
    "/content/*/mimeType",
    "/contents/*/mimeType",
    "/messages/*/role",
    "/messages/*/content/type",
];

/// What is done with findings, and which tokens are opened. Nothing is opened without a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obligations {
    /// In their order; the first that fits decides.
    pub rules: Vec<ObligationRule>,
    /// What is done with findings in arguments that no rule fits; `None`: [`Action::Allow`], for
    /// the caller knows them already.
    pub arguments: Option<Action>,
    /// What is done with findings in results that no rule fits; `None`: [`Action::Tokenize`], except
    /// for the kinds that are [`SPARED`].
    pub results: Option<Action>,
    /// Who may have tokens opened; one that fits is enough.
    pub open: Vec<OpenRule>,
    /// Whom values are about; the first that fits tells.
    pub subjects: Vec<SubjectRule>,
}

impl Obligations {
    /// The rule that tells whom the values of a call of `tool` are about.
    #[must_use]
    pub fn subject_rule(&self, upstream: &str, tool: &str) -> Option<&SubjectRule> {
        self.subjects.iter().find(|rule| rule.concerns(upstream, tool))
    }

    /// Whether what was protected by [`Action::Format`] may come back.
    pub(crate) fn formats(&self) -> bool {
        let defaults = [self.arguments, self.results].into_iter().flatten();
        defaults.chain(self.rules.iter().map(|rule| rule.action)).any(|it| it == Action::Format)
    }

    /// What can matter in `scene`.
    pub(crate) fn within(&self, scene: &Scene<'_>) -> Duties<'_> {
        Duties {
            rules: self.rules.iter().filter(|rule| rule.concerns(scene)).collect(),
            direction: scene.direction,
            otherwise: match scene.direction {
                Direction::Arguments => self.arguments,
                Direction::Results => self.results,
            },
        }
    }

    /// The rules that open tokens in `scene`.
    pub(crate) fn openings(&self, scene: &Scene<'_>) -> Openings<'_> {
        Openings(self.open.iter().filter(|rule| rule.concerns(scene)).collect())
    }
}

/// The rules of one scene.
#[derive(Debug)]
pub(crate) struct Duties<'a> {
    rules: Vec<&'a ObligationRule>,
    direction: Direction,
    otherwise: Option<Action>,
}

impl Duties<'_> {
    pub(crate) fn action(&self, kind: &str, score: f32, field: &str) -> Action {
        if self.direction == Direction::Results && HANDLES.contains(&field) {
            return Action::Allow;
        }
        let rule = self.rules.iter().find(|rule| rule.fits(kind, score, field));
        let told = rule.map(|rule| rule.action).or(self.otherwise);
        told.unwrap_or_else(|| self.built_in(kind))
    }

    fn built_in(&self, kind: &str) -> Action {
        match self.direction {
            Direction::Results if !SPARED.contains(&kind) => Action::Tokenize,
            Direction::Arguments | Direction::Results => Action::Allow,
        }
    }
}

/// The rules that open tokens in one scene.
#[derive(Debug)]
pub(crate) struct Openings<'a>(Vec<&'a OpenRule>);

impl Openings<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value of `kind` may be opened; `own` when the caller was given it, or is whom it
    /// is about.
    pub(crate) fn permit(&self, kind: &str, own: bool) -> bool {
        self.0
            .iter()
            .any(|rule| (own || rule.whose == Whose::Anyone) && any_name(&rule.kinds, kind))
    }
}

fn any_name(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| haechi_core::glob::matches(pattern, name))
}

fn any_role(wanted: &[String], roles: &BTreeSet<String>) -> bool {
    wanted.is_empty() || wanted.iter().any(|role| roles.contains(role))
}
