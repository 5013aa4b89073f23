//! `[roles.<name>]`: who may do what, in plain words; compiled to Cedar by policy.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use haechi_policy::{Matcher, Role, Rule, RuleKind, SensitiveRule};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::problem::Problems;
use super::value::duration;

/// The longest time a sign-in may count as fresh.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

const KINDS: [RuleKind; 4] =
    [RuleKind::Tools, RuleKind::Resources, RuleKind::Prompts, RuleKind::Other];

/// What holders of one role may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRole {
    /// What they may do: `upstream:tool` with `*` for any run of characters, `*` for everything, or
    /// a table with conditions.
    allow: Vec<TextOr<RawRule>>,
    /// What they may not do, whatever else allows it.
    deny: Vec<TextOr<RawRule>>,
    /// Which of it needs a fresh sign-in.
    sensitive: Vec<TextOr<RawSensitive>>,
}

/// A rule with conditions. It names one of `tool`, `resource`, `prompt` and `method`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRule {
    /// `upstream:tool`.
    tool: Option<String>,
    /// `upstream:uri`.
    resource: Option<String>,
    /// `upstream:prompt`.
    prompt: Option<String>,
    /// `upstream:method`, for methods this gateway has no word for.
    method: Option<String>,
    /// Conditions on arguments by name. A text is a glob (`*` any run without `/`, `**` any run), a
    /// list is one of these, a number or boolean is exactly this; or a table with one of `glob`,
    /// `prefix`, `equals`, `one_of`, or `min` and `max`.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    arguments: BTreeMap<String, Value>,
    /// Scopes the token must carry.
    scopes: Vec<String>,
}

/// What needs a fresh sign-in. It names one of `tool`, `resource`, `prompt` and `method`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSensitive {
    /// `upstream:tool`.
    tool: Option<String>,
    /// `upstream:uri`.
    resource: Option<String>,
    /// `upstream:prompt`.
    prompt: Option<String>,
    /// `upstream:method`.
    method: Option<String>,
    /// How old the sign-in may be; `policy.sensitive_max_age` by default.
    max_age: Option<String>,
}

/// A text, or a table of the form `T`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum TextOr<T> {
    Text(String),
    Table(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Table)
    }
}

impl RawRole {
    pub(crate) fn check(self, name: String, problems: &mut Problems) -> Role {
        let key = format!("roles.{name}");
        let allow = rules(&format!("{key}.allow"), self.allow, problems);
        let deny = rules(&format!("{key}.deny"), self.deny, problems);
        let mut sensitive = Vec::new();
        for (index, raw) in self.sensitive.into_iter().enumerate() {
            sensitive.extend(sensitive_rule(&format!("{key}.sensitive[{index}]"), raw, problems));
        }
        Role { name, allow, deny, sensitive }
    }
}

fn rules(key: &str, raw: Vec<TextOr<RawRule>>, problems: &mut Problems) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        match raw {
            TextOr::Text(pattern) => {
                rules.extend(kinds_of(&pattern).iter().map(|kind| Rule::new(*kind, &pattern)));
            }
            TextOr::Table(table) => {
                rules.extend(table.check(&format!("{key}[{index}]"), problems));
            }
        }
    }
    rules
}

/// A text alone means tools; `*` alone means everything.
fn kinds_of(pattern: &str) -> &'static [RuleKind] {
    if pattern == "*" { &KINDS } else { &[RuleKind::Tools] }
}

fn sensitive_rule(
    key: &str,
    raw: TextOr<RawSensitive>,
    problems: &mut Problems,
) -> Vec<SensitiveRule> {
    match raw {
        TextOr::Text(pattern) => {
            let rule = |kind: &RuleKind| SensitiveRule {
                kind: *kind,
                pattern: pattern.clone(),
                max_age: None,
            };
            kinds_of(&pattern).iter().map(rule).collect()
        }
        TextOr::Table(table) => {
            let max_age = problems.read(&format!("{key}.max_age"), table.max_age, None, |text| {
                duration(&text, Duration::from_secs(1), MAX_AGE).map(Some)
            });
            let named = [table.tool, table.resource, table.prompt, table.method];
            let named = the_one(key, named, problems);
            let rule = |(kind, pattern)| SensitiveRule { kind, pattern, max_age };
            named.map(rule).into_iter().collect()
        }
    }
}

/// The one pattern that is stated, and its kind.
fn the_one(
    key: &str,
    stated: [Option<String>; 4],
    problems: &mut Problems,
) -> Option<(RuleKind, String)> {
    let kinds = KINDS.into_iter().zip(stated);
    let mut named = kinds.filter_map(|(kind, pattern)| Some((kind, pattern?)));
    match (named.next(), named.next()) {
        (Some(one), None) => Some(one),
        _ => {
            problems.add(key, "must name one of `tool`, `resource`, `prompt` and `method`");
            None
        }
    }
}

impl RawRule {
    fn check(self, key: &str, problems: &mut Problems) -> Option<Rule> {
        let mut arguments = BTreeMap::new();
        for (name, raw) in self.arguments {
            match matcher(raw) {
                Ok(matcher) => drop(arguments.insert(name, matcher)),
                Err(what) => problems.add(format!("{key}.arguments.{name}"), what),
            }
        }
        let named = [self.tool, self.resource, self.prompt, self.method];
        let (kind, pattern) = the_one(key, named, problems)?;
        Some(Rule { kind, pattern, arguments, scopes: self.scopes })
    }
}

fn matcher(raw: Value) -> Result<Matcher, String> {
    match raw {
        Value::String(glob) => Ok(Matcher::Glob(glob)),
        Value::Array(values) => {
            values.into_iter().map(json).collect::<Result<_, _>>().map(Matcher::OneOf)
        }
        Value::Table(table) => matcher_table(table),
        other => json(other).map(Matcher::Equals),
    }
}

fn matcher_table(mut table: toml::Table) -> Result<Matcher, String> {
    const FORM: &str =
        "must be a table with one of `glob`, `prefix`, `equals`, `one_of`, or `min` and `max`";
    let (min, max) = (table.remove("min"), table.remove("max"));
    if min.is_some() || max.is_some() {
        let bound = |value: Option<Value>| value.map(bound).transpose();
        let range = Matcher::Range { min: bound(min)?, max: bound(max)? };
        return if table.is_empty() { Ok(range) } else { Err(FORM.to_owned()) };
    }
    let mut stated = table.into_iter();
    let (Some((name, value)), None) = (stated.next(), stated.next()) else {
        return Err(FORM.to_owned());
    };
    match (name.as_str(), value) {
        ("glob", Value::String(text)) => Ok(Matcher::Glob(text)),
        ("prefix", Value::String(text)) => Ok(Matcher::Prefix(text)),
        ("equals", value) => json(value).map(Matcher::Equals),
        ("one_of", Value::Array(values)) => {
            values.into_iter().map(json).collect::<Result<_, _>>().map(Matcher::OneOf)
        }
        _ => Err(FORM.to_owned()),
    }
}

fn bound(value: Value) -> Result<serde_json::Number, String> {
    match json(value)? {
        serde_json::Value::Number(number) => Ok(number),
        _ => Err("`min` and `max` must be numbers".to_owned()),
    }
}

fn json(value: Value) -> Result<serde_json::Value, String> {
    let known = match value {
        Value::String(text) => serde_json::Value::String(text),
        Value::Integer(number) => number.into(),
        Value::Float(number) => {
            serde_json::Number::from_f64(number).map(Into::into).unwrap_or_default()
        }
        Value::Boolean(truth) => truth.into(),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            return Err("must be a text, a number or a boolean".to_owned());
        }
    };
    if known.is_null() { Err("must be a finite number".to_owned()) } else { Ok(known) }
}
