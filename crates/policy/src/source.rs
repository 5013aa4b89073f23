//! What a policy is compiled from, as the settings write it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::glob::NameGlob;

/// Everything a [`Policy`](crate::Policy) is compiled from.
#[derive(Clone, Debug, Default)]
pub struct PolicySource {
    /// The roles of the settings. A role named `*` is held by every caller who proved an identity.
    pub roles: Vec<Role>,
    /// Cedar files, in the order they were named.
    pub cedar: Vec<CedarFile>,
    /// Whether the built-in owner's policy is in force: the role `owner` may do everything.
    pub owner: bool,
    /// The tools that are known by now; an upstream without any is one whose catalog is unknown.
    pub catalog: Vec<KnownTool>,
    /// The names of all upstreams.
    pub upstreams: Vec<String>,
    /// How old a sign-in may be for a sensitive tool whose rule does not say.
    pub default_sensitive_max_age: Duration,
}

/// One role of the settings.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Its name, as tokens and users carry it; `*` for every caller who proved an identity.
    pub name: String,
    /// What it may do.
    pub allow: Vec<Rule>,
    /// What it may not do, whatever else allows it.
    pub deny: Vec<Rule>,
    /// What needs a fresh sign-in.
    pub sensitive: Vec<SensitiveRule>,
}

/// One line of `allow` or `deny`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What the pattern names.
    pub kind: RuleKind,
    /// A glob over `upstream:name`, or `*` for everything; at most 256 characters. `*` stands for
    /// any run of characters, except across the first `:`.
    pub pattern: String,
    /// Conditions on top-level arguments by name; all must hold. Only tools and prompts have
    /// arguments.
    pub arguments: BTreeMap<String, Matcher>,
    /// Scopes (RFC 6749 §3.3) the token must carry for an `allow`, all of them. A caller who lacks
    /// nothing else is told to step up. On a `deny` they lift it.
    pub scopes: Vec<String>,
}

impl Rule {
    /// A rule over tools without conditions.
    #[must_use]
    pub fn tools(pattern: &str) -> Self {
        Self::new(RuleKind::Tools, pattern)
    }

    /// A rule of `kind` without conditions.
    #[must_use]
    pub fn new(kind: RuleKind, pattern: &str) -> Self {
        Self { kind, pattern: pattern.into(), arguments: BTreeMap::new(), scopes: Vec::new() }
    }
}

/// What a rule's pattern names.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Tools by name: calling them, and the tasks they make.
    #[default]
    Tools,
    /// Resources by URI: reading, subscribing, and completing their templates.
    Resources,
    /// Prompts by name: getting and completing them.
    Prompts,
    /// Methods this gateway has no word for, by name.
    Other,
}

/// What a rule demands of one argument.
///
/// In an `allow`, an argument that is absent, `null` or of another type does not match, and
/// [`Glob`](Self::Glob) and [`Prefix`](Self::Prefix) refuse any value that could name another
/// place than it seems to: `..` segments (plain, percent-encoded or in look-alike characters),
/// empty segments, control characters, more than 4096 characters. In a `deny` everything is
/// turned round: letter case is ignored, and a value of which it cannot be said that it does
/// *not* match, matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// Is this JSON value; numbers compare by value.
    Equals(Value),
    /// Is a string of this form: `*` any run without `/`, `**` any run, `?` one character but `/`,
    /// `\` takes the next character as it stands. At most 256 characters.
    Glob(String),
    /// Is a string that starts so. At most 256 characters.
    Prefix(String),
    /// Is a number in this range, both ends included.
    Range {
        /// The least number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Number>,
        /// The greatest number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Number>,
    },
    /// Is one of these JSON values.
    OneOf(Vec<Value>),
}

/// What needs a fresh sign-in when a holder of the role does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensitiveRule {
    /// What the pattern names.
    pub kind: RuleKind,
    /// A glob as in [`Rule::pattern`].
    pub pattern: String,
    /// How old the sign-in may be; the source's default when absent.
    pub max_age: Option<Duration>,
}

/// One Cedar file, or a text that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CedarFile {
    /// Its name as messages show it.
    pub name: String,
    /// Its text, at most 1 MiB.
    pub text: String,
}

/// A tool as its upstream lists it, as far as policy reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownTool {
    /// Whose tool it is.
    pub upstream: String,
    /// The upstream's own name for it.
    pub tool: String,
    /// Its `inputSchema` (JSON Schema), when it states one.
    pub input_schema: Option<Value>,
    /// Its `annotations`. They are the upstream's word, not a fact.
    pub annotations: Annotations,
    /// Tags that the settings or the upstream give it.
    pub tags: Vec<String>,
}

/// A tool's hints (MCP 2025-11-25, `ToolAnnotations`); absent where the upstream says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Annotations {
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
}

impl PolicySource {
    /// Whether the catalog of `upstream` is known.
    pub(crate) fn knows(&self, upstream: &str) -> bool {
        self.catalog.iter().any(|tool| tool.upstream == upstream)
    }

    /// Whether `glob` matches an upstream, and the catalog of every one it matches is known.
    pub(crate) fn knows_all(&self, glob: &NameGlob) -> bool {
        let mut matched = self.upstreams.iter().filter(|name| glob.matches(name)).peekable();
        matched.peek().is_some() && matched.all(|name| self.knows(name))
    }
}
