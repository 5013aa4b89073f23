//! Cedar files: parsed, checked against the schema, their annotations read.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use serde_json::Value;

use super::reads::Reads;
use super::roles::scope_condition;
use super::schema;
use super::usage::{Usage, lacks_argument};
use crate::problem::{PolicyProblem, PolicyWarning};
use crate::scope::Scope;
use crate::source::{CedarFile, KnownTool, PolicySource};

/// The largest file, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// The oldest sign-in `@sensitive` can demand.
const MAX_AGE: Duration = Duration::from_secs(366 * 24 * 3600);

/// One policy of a file.
pub(crate) struct FilePolicy {
    /// File, line and `@id`.
    pub(crate) name: String,
    pub(crate) permits: bool,
    /// In Cedar's JSON form, the condition on scopes added.
    pub(crate) json: Value,
    pub(crate) scope: Scope,
    pub(crate) sensitive: Option<Duration>,
    pub(crate) scopes: Vec<String>,
    pub(crate) public_reason: Option<String>,
}

/// What was found in all files.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) policies: Vec<FilePolicy>,
    pub(crate) problems: Vec<PolicyProblem>,
    pub(crate) warnings: Vec<PolicyWarning>,
}

/// Reads every Cedar file of `source`.
pub(crate) fn load(source: &PolicySource) -> Findings {
    let mut findings = Findings::default();
    for file in &source.cedar {
        if file.text.len() > MAX_FILE_BYTES {
            findings.problems.push(PolicyProblem::TooLarge {
                what: format!("{}, in bytes", file.name),
                size: file.text.len(),
                limit: MAX_FILE_BYTES,
            });
            continue;
        }
        Reader { file, source, findings: &mut findings }.read();
    }
    findings
}

struct Reader<'a> {
    file: &'a CedarFile,
    source: &'a PolicySource,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn read(&mut self) {
        let set = match PolicySet::from_str(&self.file.text) {
            Ok(set) => set,
            Err(errors) => {
                for error in errors.iter() {
                    self.complain(&DetailedError::from(error));
                }
                return;
            }
        };
        if set.templates().next().is_some() {
            let at = self.file.text.find("?principal").or_else(|| self.file.text.find("?resource"));
            self.problem(
                self.line(at.unwrap_or(0)),
                "templates cannot be used: nothing links them",
            );
            return;
        }
        let mut policies: Vec<(usize, Policy)> = set
            .policies()
            .map(|policy| (policy.as_ref().loc().map_or(0, |loc| loc.start()), policy.clone()))
            .collect();
        policies.sort_by_key(|(start, _)| *start);
        let mut by_arguments: BTreeMap<String, (Value, Vec<Policy>)> = BTreeMap::new();
        for (index, (start, policy)) in policies.iter().enumerate() {
            let policy = policy.new_id(PolicyId::new(index.to_string()));
            if let Some(arguments) = self.policy(self.line(*start), &policy) {
                let group = by_arguments.entry(arguments.to_string());
                group.or_insert_with(|| (arguments, Vec::new())).1.push(policy);
            }
        }
        for (arguments, policies) in by_arguments.into_values() {
            self.validate(arguments, policies);
        }
    }

    /// Takes one policy in; gives the type its arguments are checked with.
    fn policy(&mut self, line: usize, policy: &Policy) -> Option<Value> {
        let json = match policy.to_json() {
            Ok(json) => json,
            Err(error) => {
                self.problem(line, &error.to_string());
                return None;
            }
        };
        let name = match policy.annotation("id") {
            Some(id) if !id.is_empty() => {
                format!("{}:{line} {}", self.file.name, id.escape_debug())
            }
            Some(_) | None => format!("{}:{line}", self.file.name),
        };
        let scope = Scope::of_policy(&json);
        self.check_upstreams(line, policy);
        let arguments = self.arguments(&name, line, &json, &scope);
        let marks = self.annotations(line, policy);
        let permits = policy.effect() == Effect::Permit;
        self.findings.policies.push(FilePolicy {
            json: with_scopes(json, permits, &marks.scopes),
            name,
            permits,
            scope,
            sensitive: marks.sensitive,
            scopes: marks.scopes,
            public_reason: marks.public_reason,
        });
        Some(arguments)
    }

    /// The type of the arguments the policy reads; complains of those that can never be there.
    fn arguments(&mut self, name: &str, line: usize, json: &Value, scope: &Scope) -> Value {
        let usage = Usage::of_policy(json);
        if Reads::of_policy(json).arguments() && !scope.actions.any_with_arguments() {
            self.findings.problems.push(PolicyProblem::NoArguments {
                place: name.to_owned(),
                action: scope.actions.to_string(),
            });
        }
        let tools: Vec<&KnownTool> = if scope.actions.calls_tools() {
            let concerned = |tool: &&KnownTool| scope.concerns(&tool.upstream, &tool.tool);
            self.source.catalog.iter().filter(concerned).collect()
        } else {
            Vec::new()
        };
        if let Some((upstream, tool)) = scope.one_tool()
            && self.source.knows(upstream)
            && tools.is_empty()
        {
            let (upstream, tool) = (upstream.to_owned(), tool.to_owned());
            let place = format!("{}:{line}", self.file.name);
            self.findings.warnings.push(PolicyWarning::UnknownTool { place, upstream, tool });
        }
        let all_known = self.source.knows_all(&scope.upstream) && scope.actions.only_tools();
        for argument in usage.arguments() {
            if all_known && !tools.is_empty() && tools.iter().all(|t| lacks_argument(t, argument)) {
                self.findings.warnings.push(PolicyWarning::UnknownArgument {
                    place: name.to_owned(),
                    argument: argument.to_owned(),
                });
            }
        }
        usage.record(&tools)
    }

    fn check_upstreams(&mut self, line: usize, policy: &Policy) {
        for literal in policy.entity_literals() {
            let id = literal.id().unescaped();
            let upstream = match literal.type_name().to_string().as_str() {
                "Haechi::Upstream" => id,
                "Haechi::Tool" | "Haechi::Resource" | "Haechi::Prompt" | "Haechi::Method" => {
                    id.split_once(':').map_or(id, |(upstream, _)| upstream)
                }
                _ => continue,
            };
            if !self.source.upstreams.iter().any(|known| known == upstream) {
                self.findings.problems.push(PolicyProblem::UnknownUpstream {
                    place: format!("{}:{line}", self.file.name),
                    upstream: upstream.escape_debug().to_string(),
                });
            }
        }
    }

    fn annotations(&mut self, line: usize, policy: &Policy) -> Marks {
        let mut marks = Marks::default();
        let permits = policy.effect() == Effect::Permit;
        for (key, value) in policy.annotations() {
            match key {
                "id" => {}
                "reason" if value.is_empty() || value.chars().count() > 512 => {
                    self.problem(line, "`@reason` has 1 to 512 characters");
                }
                "reason" => marks.public_reason = Some(value.to_owned()),
                "scope" => match scopes(value) {
                    Some(scopes) => marks.scopes = scopes,
                    None => self.problem(line, "`@scope` lists scopes of RFC 6749 §3.3"),
                },
                "sensitive" if !permits => {
                    self.problem(line, "`@sensitive` stands on a `permit`");
                }
                "sensitive" if value.is_empty() => {
                    marks.sensitive = Some(self.source.default_sensitive_max_age);
                }
                "sensitive" => match duration(value) {
                    Some(age) => marks.sensitive = Some(age),
                    None => {
                        self.problem(line, "`@sensitive` takes a time such as `30s`, `5m`, `12h`")
                    }
                },
                other => self.findings.warnings.push(PolicyWarning::Cedar {
                    file: self.file.name.clone(),
                    line,
                    what: format!("the annotation `@{other}` means nothing here"),
                }),
            }
        }
        marks
    }

    fn validate(&mut self, arguments: Value, policies: Vec<Policy>) {
        let schema = match schema::with_arguments(arguments) {
            Ok(schema) => schema,
            Err(what) => return self.problem(1, &what),
        };
        let set = match PolicySet::from_policies(policies) {
            Ok(set) => set,
            Err(error) => return self.problem(1, &error.to_string()),
        };
        let result = Validator::new(schema).validate(&set, ValidationMode::default());
        for error in result.validation_errors() {
            self.complain(&DetailedError::from(error));
        }
        let warnings: BTreeSet<(usize, String)> = result
            .validation_warnings()
            .map(|warning| self.place(&DetailedError::from(warning)))
            .collect();
        for (line, what) in warnings {
            let file = self.file.name.clone();
            self.findings.warnings.push(PolicyWarning::Cedar { file, line, what });
        }
    }

    fn complain(&mut self, error: &DetailedError) {
        let (line, what) = self.place(error);
        self.problem(line, &what);
    }

    /// Where something is wrong, and what, in one line.
    fn place(&self, error: &DetailedError) -> (usize, String) {
        let at = error.source_locations.first().map_or(0, |label| label.loc.start);
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let words: Vec<&str> = error.message.split_whitespace().collect();
        // Cedar names the policy by its number here, which says less than the line.
        let words = match words.as_slice() {
            ["for", "policy", _, rest @ ..] => rest,
            all => all,
        };
        (self.line(at), format!("{}{help}", words.join(" ")))
    }

    fn problem(&mut self, line: usize, what: &str) {
        let (file, what) = (self.file.name.clone(), what.to_owned());
        let problem = PolicyProblem::Cedar { file, line, what };
        // One mistake is reported for every action and resource it concerns; once is enough.
        if !self.findings.problems.contains(&problem) {
            self.findings.problems.push(problem);
        }
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.file.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

#[derive(Default)]
struct Marks {
    sensitive: Option<Duration>,
    scopes: Vec<String>,
    public_reason: Option<String>,
}

fn with_scopes(mut json: Value, permits: bool, scopes: &[String]) -> Value {
    if let Some(condition) = scope_condition(permits, scopes)
        && let Some(conditions) = json.get_mut("conditions").and_then(Value::as_array_mut)
    {
        conditions.push(condition);
    }
    json
}

/// Scopes separated by one space (RFC 6749 §3.3); `None` when one has another form.
fn scopes(text: &str) -> Option<Vec<String>> {
    text.split(' ').map(|scope| is_scope(scope).then(|| scope.to_owned())).collect()
}

/// `scope-token` of RFC 6749 §3.3.
pub(crate) fn is_scope(scope: &str) -> bool {
    let allowed = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
    !scope.is_empty() && scope.len() <= 256 && scope.chars().all(allowed)
}

/// A whole number and `s`, `m`, `h` or `d`; at most 366 days.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    if !number.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let age = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(factor)?);
    (age <= MAX_AGE).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for bad in ["", "m", "5", "5 m", "+5m", "-5m", "5y", "99999999999999999999s", "367d", "5분"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_are_those_of_rfc_6749() {
        assert_eq!(scopes("a:b c").map(|all| all.len()), Some(2));
        for bad in ["", "a  b", "a\"b", "a\\b", " a", "가"] {
            assert_eq!(scopes(bad), None, "{bad}");
        }
    }
}
