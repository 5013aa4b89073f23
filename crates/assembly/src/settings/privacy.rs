//! `[privacy]`: what must stay unseen, and what is done with it.

mod deep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haechi_guard::RevealRules;
use haechi_privacy::{
    Action, Direction, ObligationRule, Obligations, OpenRule, SPARED, SubjectRule, SubjectSource,
    Whose,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use deep::DeepSettings;
use deep::RawDeep;

use super::problem::{self, Problems};
use super::value;

/// What a value is shown for, where the settings name nothing else.
const PURPOSES: [&str; 4] = ["support", "legal", "security", "data-subject-request"];

/// What must stay unseen. Nothing is looked at without this section.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivacySettings {
    /// Locales whose rules are on besides the general ones; empty means all.
    pub locales: Vec<String>,
    /// Whether names, places and organisations are looked for in free text.
    pub names: bool,
    /// A neural network that looks for names as well.
    pub deep: Option<DeepSettings>,
    /// Findings that are less sure are none.
    pub minimum_score: f32,
    /// Pattern files of the operator's own.
    pub patterns: Vec<PathBuf>,
    /// Kinds and ids of rules that are off.
    pub without: Vec<String>,
    /// What is done with findings, and which tokens are opened for whom.
    pub obligations: Obligations,
    /// Who may ask to see a value.
    pub reveal: RevealRules,
}

impl PrivacySettings {
    /// What holds for the owner of one program: results are tokenized, and the owner's own tokens
    /// are opened for that program.
    #[must_use]
    pub fn owned() -> Self {
        let alone = ObligationRule {
            kinds: SPARED.map(str::to_owned).to_vec(),
            ..ObligationRule::new(Action::Allow)
        };
        Self {
            locales: Vec::new(),
            names: true,
            deep: None,
            minimum_score: 0.5,
            patterns: Vec::new(),
            without: Vec::new(),
            obligations: Obligations {
                rules: vec![alone],
                arguments: Some(Action::Allow),
                results: Some(Action::Tokenize),
                open: vec![OpenRule::new(Whose::Own)],
                subjects: Vec::new(),
            },
            reveal: RevealRules::default(),
        }
    }
}

/// What must stay unseen, and what is done with it. Nothing is looked at without this section.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPrivacy {
    /// `false` turns all of it off and keeps what is written here; `true` by default.
    enabled: Option<bool>,
    /// Countries (ISO 3166-1, `KR`) whose rules are on besides the general ones; all by default.
    locales: Vec<String>,
    /// Whether names, places and organisations are looked for in free text; `true` by default.
    names: Option<bool>,
    /// A neural network that looks for names as well; none by default.
    deep: Option<RawDeep>,
    /// From 0 to 1: findings that are less sure are none; 0.5 by default.
    minimum_score: Option<f32>,
    /// Pattern files of your own, in TOML, or a plain JSON object of lists of expressions.
    patterns: Vec<String>,
    /// Kinds (`URL`) and ids of rules that are off.
    without: Vec<String>,
    /// Kinds that pass unless a rule or `types` says otherwise.
    left_alone: Option<Vec<String>>,
    /// What is done with findings in what goes to an upstream; `encrypt` by default.
    arguments: RawDirection,
    /// What is done with findings in what comes back; `tokenize` by default.
    results: RawDirection,
    /// Exceptions; the first that fits decides, before `arguments` and `results`.
    rule: Vec<RawRule>,
    /// Who may hand tokens back and have them opened, and for which tools; nobody by default.
    open: Vec<RawOpen>,
    /// How to tell whom the values of a call are about: what is protected dies with that person's
    /// key.
    subject: Vec<RawSubject>,
    reveal: RawReveal,
}

/// What is done with findings that travel one way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDirection {
    /// `allow`, `refuse`, `mask`, `redact`, `hash`, `tokenize`, `tokenize-same`, `encrypt`, `format`
    /// or `generalize`, with parameters as in `mask:4` and `generalize:year`.
    default: Option<String>,
    /// By kind, with `*` for any run of characters.
    types: BTreeMap<String, String>,
}

/// One exception. What is left out is no limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRule {
    /// `arguments` or `results`; both by default.
    direction: Option<String>,
    /// Tools as `upstream:tool`, with `*`.
    tools: Vec<String>,
    /// The caller has one of these roles.
    roles: Vec<String>,
    /// Kinds, with `*`.
    types: Vec<String>,
    /// JSON pointers of leaves: `/customer/*/email`, `/**`.
    fields: Vec<String>,
    /// Only findings that are at least this sure.
    minimum_score: Option<f32>,
    /// What is done.
    action: String,
}

/// Who may have tokens opened. What is left out is no limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOpen {
    /// Tools as `upstream:tool`, with `*`.
    tools: Vec<String>,
    /// The caller has one of these roles.
    roles: Vec<String>,
    /// Kinds, with `*`.
    types: Vec<String>,
    /// `own`: tokens that this caller was given, or that are about this caller; `anyone`: all.
    whose: Option<String>,
}

/// Whom the values of some calls are about.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSubject {
    /// Tools as `upstream:tool`, with `*`.
    tools: Vec<String>,
    /// JSON pointer of the argument that holds the person's id; without it, it is the caller.
    argument: Option<String>,
    /// Who vouches for the id: an issuer; `data-subject` by default.
    namespace: Option<String>,
}

/// Who may ask to see what a token holds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawReveal {
    /// One of these roles; nobody by default.
    roles: Vec<String>,
    /// What for; `support`, `legal`, `security` and `data-subject-request` by default.
    purposes: Option<Vec<String>>,
    /// Values that one person may see within a minute; 10 by default.
    per_minute: Option<u32>,
}

impl RawPrivacy {
    /// `None` when it is turned off.
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> Option<PrivacySettings> {
        let obligations = Obligations {
            rules: self.rules(problems),
            arguments: direction_default("arguments", &self.arguments, Action::Encrypt, problems),
            results: direction_default("results", &self.results, Action::Tokenize, problems),
            open: opens(self.open, problems),
            subjects: subjects(self.subject, problems),
        };
        let patterns = self.patterns.iter().enumerate().filter_map(|(index, text)| {
            let key = problem::element("privacy.patterns", index, None);
            problems.read(&key, Some(text.clone()), None, |text| value::path(base, &text).map(Some))
        });
        let patterns = patterns.collect();
        let minimum_score =
            problems.read("privacy.minimum_score", self.minimum_score, 0.5, |score| {
                value::number(score, 0.0, 1.0)
            });
        let names = self.names.unwrap_or(true);
        if self.deep.is_some() && !names {
            problems.add("privacy.deep", "looks for names, and `privacy.names` turns them off");
        }
        let settings = PrivacySettings {
            locales: self.locales,
            names,
            deep: self.deep.and_then(|deep| deep.check(base, problems)),
            minimum_score,
            patterns,
            without: self.without,
            obligations,
            reveal: self.reveal.check(problems),
        };
        self.enabled.unwrap_or(true).then_some(settings)
    }

    /// Exceptions first, then kinds, then what is left alone; the defaults come last of all.
    fn rules(&self, problems: &mut Problems) -> Vec<ObligationRule> {
        let mut rules = Vec::new();
        for (index, raw) in self.rule.iter().enumerate() {
            rules.extend(raw.check(&problem::element("privacy.rule", index, None), problems));
        }
        let ways = [("arguments", &self.arguments), ("results", &self.results)];
        for (name, raw) in ways {
            let direction =
                if name == "arguments" { Direction::Arguments } else { Direction::Results };
            for (kind, action) in &raw.types {
                let key = format!("privacy.{name}.types.{kind}");
                let Some(action) = action_of(&key, action, problems) else { continue };
                let kinds = vec![kind.clone()];
                rules.push(ObligationRule {
                    direction: Some(direction),
                    kinds,
                    ..ObligationRule::new(action)
                });
            }
        }
        let standard = || SPARED.map(str::to_owned).to_vec();
        let kinds = self.left_alone.clone().unwrap_or_else(standard);
        if !kinds.is_empty() {
            rules.push(ObligationRule { kinds, ..ObligationRule::new(Action::Allow) });
        }
        rules
    }
}

impl RawRule {
    fn check(&self, key: &str, problems: &mut Problems) -> Vec<ObligationRule> {
        let direction = match self.direction.as_deref() {
            None => None,
            Some("arguments") => Some(Direction::Arguments),
            Some("results") => Some(Direction::Results),
            Some(_) => {
                problems.add(format!("{key}.direction"), "must be `arguments` or `results`");
                None
            }
        };
        let Some(action) = action_of(&format!("{key}.action"), &self.action, problems) else {
            return Vec::new();
        };
        let score_key = format!("{key}.minimum_score");
        let minimum_score =
            problems.read(&score_key, self.minimum_score, 0.0, |s| value::number(s, 0.0, 1.0));
        let pointers = self.fields.iter().filter(|field| !field.starts_with('/'));
        if pointers.count() > 0 {
            problems.add(format!("{key}.fields"), "JSON pointers start with `/`");
        }
        let each = |(upstreams, tools): (Vec<String>, Vec<String>)| ObligationRule {
            direction,
            upstreams,
            tools,
            roles: self.roles.clone(),
            kinds: self.types.clone(),
            minimum_score,
            fields: self.fields.clone(),
            action,
        };
        tools(key, &self.tools, problems).into_iter().map(each).collect()
    }
}

impl RawReveal {
    fn check(self, problems: &mut Problems) -> RevealRules {
        let purposes = self.purposes.unwrap_or_else(|| PURPOSES.map(str::to_owned).to_vec());
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if purposes.iter().any(|p| p.is_empty() || p.len() > 64 || !p.chars().all(word)) {
            problems.add("privacy.reveal.purposes", "purposes are words of `a-z`, `0-9` and `-`");
        }
        let per_minute = problems.read("privacy.reveal.per_minute", self.per_minute, 10, |n| {
            value::number(n, 1, 10_000)
        });
        RevealRules { roles: self.roles, purposes, per_minute }
    }
}

fn direction_default(
    name: &str,
    raw: &RawDirection,
    standard: Action,
    problems: &mut Problems,
) -> Option<Action> {
    let Some(text) = &raw.default else { return Some(standard) };
    action_of(&format!("privacy.{name}.default"), text, problems)
}

fn action_of(key: &str, text: &str, problems: &mut Problems) -> Option<Action> {
    match Action::parse(text) {
        Ok(action) => Some(action),
        Err(error) => {
            problems.add(key, error.to_string());
            None
        }
    }
}

fn opens(raw: Vec<RawOpen>, problems: &mut Problems) -> Vec<OpenRule> {
    let mut rules = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = problem::element("privacy.open", index, None);
        let whose = match raw.whose.as_deref() {
            None | Some("own") => Whose::Own,
            Some("anyone") => Whose::Anyone,
            Some(_) => {
                problems.add(format!("{key}.whose"), "must be `own` or `anyone`");
                Whose::Own
            }
        };
        rules.extend(tools(&key, &raw.tools, problems).into_iter().map(|(upstreams, tools)| {
            OpenRule { roles: raw.roles.clone(), upstreams, tools, kinds: raw.types.clone(), whose }
        }));
    }
    rules
}

fn subjects(raw: Vec<RawSubject>, problems: &mut Problems) -> Vec<SubjectRule> {
    let mut rules = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = problem::element("privacy.subject", index, None);
        if raw.argument.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            problems.add(format!("{key}.argument"), "JSON pointers start with `/`");
        }
        let namespace = raw.namespace.unwrap_or_else(|| "data-subject".to_owned());
        let source = raw.argument.map_or(SubjectSource::Caller, SubjectSource::Argument);
        rules.extend(tools(&key, &raw.tools, problems).into_iter().map(|(upstreams, tools)| {
            SubjectRule { upstreams, tools, source: source.clone(), namespace: namespace.clone() }
        }));
    }
    rules
}

/// `upstream:tool` patterns as pairs, each a rule of its own; one without limits for none.
fn tools(
    key: &str,
    patterns: &[String],
    problems: &mut Problems,
) -> Vec<(Vec<String>, Vec<String>)> {
    if patterns.is_empty() {
        return vec![(Vec::new(), Vec::new())];
    }
    let mut pairs = Vec::new();
    for pattern in patterns {
        match pattern.split_once(':') {
            Some((upstream, tool)) if !upstream.is_empty() && !tool.is_empty() => {
                pairs.push((vec![upstream.to_owned()], vec![tool.to_owned()]));
            }
            _ if pattern == "*" => pairs.push((Vec::new(), Vec::new())),
            _ => problems.add(
                format!("{key}.tools"),
                format!("`{pattern}` names no tool; write `upstream:tool`, or `*`"),
            ),
        }
    }
    pairs
}
