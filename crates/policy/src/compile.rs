//! From the settings to entries: every rule checked, then built.

use std::collections::HashSet;
use std::time::Duration;

use crate::cedar::files;
use crate::cedar::roles::{Draft, EVERYONE, Reach};
use crate::entry::{Entries, Facts};
use crate::glob::{MAX_PATTERN_CHARS, NameGlob, Pattern};
use crate::matcher::ArgumentMatcher;
use crate::problem::{PolicyProblem, PolicyWarning};
use crate::scope::{ActionSet, NameFilter, Scope};
use crate::source::{KnownTool, PolicySource, Role, Rule, RuleKind, SensitiveRule};

mod warnings;

/// The most policies.
const MAX_POLICIES: usize = 10_000;

/// The longest name of a role, in characters.
const MAX_ROLE_CHARS: usize = 128;

/// What a source comes to.
#[derive(Default)]
pub(crate) struct Compiled {
    pub(crate) entries: Entries,
    pub(crate) sensitive: Vec<Sensitive>,
    pub(crate) problems: Vec<PolicyProblem>,
    pub(crate) warnings: Vec<PolicyWarning>,
}

/// What needs a fresh sign-in when a holder of the role does it.
#[derive(Debug)]
pub(crate) struct Sensitive {
    pub(crate) role: String,
    pub(crate) actions: ActionSet,
    pub(crate) pattern: Pattern,
    pub(crate) max_age: Duration,
}

/// Compiles `source` as far as it goes; with problems it must not be used.
pub(crate) fn compile(source: &PolicySource) -> Compiled {
    let mut compiled = Compiled::default();
    let size = size_of(source);
    if size > MAX_POLICIES {
        let what = "the number of rules".to_owned();
        compiled.problems.push(PolicyProblem::TooLarge { what, size, limit: MAX_POLICIES });
        return compiled;
    }
    let owner = source.owner.then(owner_role);
    let mut names = HashSet::new();
    for role in owner.iter().chain(&source.roles) {
        compiled.check_name(role);
        if !names.insert(role.name.as_str()) {
            let role = role.name.escape_debug().to_string();
            compiled.problems.push(PolicyProblem::DuplicateRole { role });
            continue;
        }
        RoleCompiler { source, role, out: &mut compiled }.compile();
    }
    compiled.files(source);
    let size = compiled.entries.list.len();
    if size > MAX_POLICIES {
        let what = "the number of policies".to_owned();
        compiled.problems.push(PolicyProblem::TooLarge { what, size, limit: MAX_POLICIES });
    }
    compiled
}

fn size_of(source: &PolicySource) -> usize {
    let rules = |role: &Role| role.allow.len() + role.deny.len() + role.sensitive.len();
    source.roles.iter().map(rules).sum()
}

/// The role of the built-in owner's policy.
fn owner_role() -> Role {
    let kinds = [RuleKind::Tools, RuleKind::Resources, RuleKind::Prompts, RuleKind::Other];
    let allow = kinds.into_iter().map(|kind| Rule::new(kind, "*")).collect();
    Role { name: "owner".into(), allow, ..Role::default() }
}

impl Compiled {
    fn check_name(&mut self, role: &Role) {
        let name = &role.name;
        let length = name.chars().count();
        if length == 0 || length > MAX_ROLE_CHARS || name.chars().any(char::is_control) {
            let role = name.escape_debug().to_string();
            self.problems.push(PolicyProblem::RoleName { role });
        }
    }

    fn files(&mut self, source: &PolicySource) {
        let found = files::load(source);
        self.problems.extend(found.problems);
        self.warnings.extend(found.warnings);
        for policy in found.policies {
            let place = policy.name.clone();
            if let Err(what) = self.entries.add_file_policy(policy) {
                self.problems.push(PolicyProblem::Compile { place, what });
            }
        }
    }
}

struct RoleCompiler<'a> {
    source: &'a PolicySource,
    role: &'a Role,
    out: &'a mut Compiled,
}

impl RoleCompiler<'_> {
    fn compile(mut self) {
        let mut listed = Vec::new();
        let allow: Vec<_> =
            self.role.allow.iter().map(|rule| (rule, self.read(rule, true))).collect();
        let deny: Vec<_> =
            self.role.deny.iter().map(|rule| (rule, self.read(rule, false))).collect();
        for (rules, permits) in [(&allow, true), (&deny, false)] {
            for (rule, pattern) in rules {
                let Some(pattern) = pattern else { continue };
                self.rule(rule, pattern, permits);
                if permits && !listed.contains(&pattern.upstream) {
                    listed.push(pattern.upstream.clone());
                }
            }
        }
        for upstream in listed {
            self.lists(upstream);
        }
        for rule in &self.role.sensitive {
            self.sensitive(rule);
        }
        let shadows: Vec<(&Rule, &Pattern)> =
            deny.iter().filter_map(|(rule, pattern)| Some((*rule, pattern.as_ref()?))).collect();
        for (rule, pattern) in &allow {
            let Some(pattern) = pattern else { continue };
            let place = self.place(rule.kind, true, pattern.text.as_str());
            self.out.warnings.extend(warnings::shadowed(&place, (rule, pattern), &shadows));
        }
    }

    fn place(&self, kind: RuleKind, permits: bool, pattern: &str) -> String {
        let word = if permits { "allow" } else { "deny" };
        let (role, pattern) = (self.role.name.escape_debug(), pattern.escape_debug());
        format!("role {role} {word} {}{pattern}", kind.word())
    }

    /// Reads a rule's pattern, complaining of all that is wrong with the rule.
    fn read(&mut self, rule: &Rule, permits: bool) -> Option<Pattern> {
        let place = self.place(rule.kind, permits, &shorten(&rule.pattern));
        if !rule.arguments.is_empty() && !rule.kind.has_arguments() {
            let action = rule.kind.actions(Reach::All).join(", ");
            self.out.problems.push(PolicyProblem::NoArguments { place: place.clone(), action });
        }
        for (argument, matcher) in &rule.arguments {
            if let Err(what) = ArgumentMatcher::compile(argument, matcher) {
                let argument = argument.escape_debug().to_string();
                let place = place.clone();
                self.out.problems.push(PolicyProblem::Matcher { place, argument, what });
            }
        }
        if let Some(bad) = rule.scopes.iter().find(|scope| !files::is_scope(scope)) {
            let (pattern, what) = (bad.escape_debug().to_string(), "not a scope of RFC 6749 §3.3");
            self.out.problems.push(PolicyProblem::Pattern { place: place.clone(), pattern, what });
        }
        self.pattern(&place, rule.kind, &rule.pattern)
    }

    fn pattern(&mut self, place: &str, kind: RuleKind, text: &str) -> Option<Pattern> {
        let place = place.to_owned();
        let pattern = match Pattern::parse(text, kind == RuleKind::Resources) {
            Ok(pattern) => pattern,
            Err(what) => {
                let pattern = shorten(text).escape_debug().to_string();
                self.out.problems.push(PolicyProblem::Pattern { place, pattern, what });
                return None;
            }
        };
        let known = self.source.upstreams.iter().any(|name| pattern.upstream.matches(name));
        if !known && !pattern.upstream.is_any() {
            let upstream = pattern.upstream.as_str().to_owned();
            self.out.problems.push(PolicyProblem::UnknownUpstream { place, upstream });
            return None;
        }
        if kind == RuleKind::Tools {
            self.out.warnings.extend(warnings::catalog(&place, &pattern, self.source));
        }
        Some(pattern)
    }

    fn rule(&mut self, rule: &Rule, pattern: &Pattern, permits: bool) {
        let name = self.name_of(rule, pattern, permits);
        let matched = rule
            .arguments
            .iter()
            .filter_map(|(argument, matcher)| ArgumentMatcher::compile(argument, matcher).ok());
        let matchers: Vec<usize> =
            matched.map(|matcher| self.out.entries.matcher(matcher)).collect();
        let tools: Vec<&KnownTool> = self.source.catalog.iter().collect();
        self.out.warnings.extend(warnings::arguments(&name, (rule, pattern), self.source, &tools));
        if matchers.is_empty() {
            return self.policy(rule, pattern, permits, (name, Reach::All, Vec::new()));
        }
        // A task has no arguments of its own: the call that made it was judged with its own.
        if permits {
            let without = (format!("{name} (afterwards)"), Reach::WithoutArguments, Vec::new());
            self.policy(rule, pattern, true, without);
        }
        self.policy(rule, pattern, permits, (name, Reach::WithArguments, matchers));
    }

    /// The name of a rule: its place and its conditions.
    fn name_of(&mut self, rule: &Rule, pattern: &Pattern, permits: bool) -> String {
        let place = self.place(rule.kind, permits, &pattern.text);
        let arguments: Vec<&str> = rule.arguments.keys().map(String::as_str).collect();
        let name = if arguments.is_empty() {
            place
        } else {
            format!("{place} where {}", arguments.join(", ").escape_debug())
        };
        self.out.entries.unique(name)
    }

    fn policy(
        &mut self,
        rule: &Rule,
        pattern: &Pattern,
        permits: bool,
        (name, reach, matchers): (String, Reach, Vec<usize>),
    ) {
        let actions = rule.kind.actions(reach);
        let words: Vec<std::sync::Arc<str>> = matchers
            .iter()
            .filter_map(|index| self.out.entries.matchers.get(*index))
            .map(|matcher| matcher.name.clone())
            .collect();
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        let draft = Draft {
            id: &name,
            permits,
            role: &self.role.name,
            actions,
            entity_type: rule.kind.entity_type(),
            pattern,
            matchers: &words,
            scopes: &rule.scopes,
        };
        let json = draft.to_json();
        let scope = scope_of(rule.kind, pattern, permits, actions);
        let scopes = rule.scopes.clone();
        self.add(Facts { name, permits, scope, matchers, scopes }, &json);
    }

    fn add(&mut self, facts: Facts, json: &serde_json::Value) {
        let place = facts.name.clone();
        if let Err(what) = self.out.entries.add_role_policy(facts, json) {
            self.out.problems.push(PolicyProblem::Compile { place, what });
        }
    }

    /// Who may do anything on an upstream may ask what there is; each item is judged by itself.
    fn lists(&mut self, upstream: NameGlob) {
        let pattern = Pattern {
            text: upstream.as_str().to_owned(),
            name: NameGlob::new(if upstream.exact().is_some() { upstream.as_str() } else { "*" }),
            upstream,
        };
        let name = format!("role {} lists {}", self.role.name.escape_debug(), pattern.text);
        let name = self.out.entries.unique(name);
        let mut json = Draft {
            id: &name,
            permits: true,
            role: &self.role.name,
            actions: &["list", "subscribe"],
            entity_type: "Haechi::Upstream",
            pattern: &pattern,
            matchers: &[],
            scopes: &[],
        }
        .to_json();
        if let Some(id) = pattern.upstream.exact()
            && let Some(entity) = json.pointer_mut("/resource/entity/id")
        {
            *entity = id.into();
        }
        let scope = Scope {
            actions: ActionSet::named("list").with(ActionSet::named("subscribe")),
            upstream: pattern.upstream,
            name: NameFilter::Any,
        };
        let (matchers, scopes) = (Vec::new(), Vec::new());
        self.add(Facts { name, permits: true, scope, matchers, scopes }, &json);
    }

    fn sensitive(&mut self, rule: &SensitiveRule) {
        let (role, text) = (self.role.name.escape_debug(), shorten(&rule.pattern));
        let place = format!("role {role} sensitive {}{}", rule.kind.word(), text.escape_debug());
        let Some(pattern) = self.pattern(&place, rule.kind, &rule.pattern) else { return };
        let actions = rule.kind.actions(Reach::WithArguments);
        let action = actions.first().copied().unwrap_or_default();
        self.out.sensitive.push(Sensitive {
            role: self.role.name.clone(),
            actions: ActionSet::named(action),
            pattern,
            max_age: rule.max_age.unwrap_or(self.source.default_sensitive_max_age),
        });
    }
}

impl Sensitive {
    /// Whether it concerns a holder of `roles`.
    pub(crate) fn concerns(&self, roles: &std::collections::BTreeSet<String>) -> bool {
        self.role == EVERYONE || roles.contains(&self.role)
    }

    /// The rule in words.
    pub(crate) fn describe(&self) -> String {
        let (role, pattern) = (self.role.escape_debug(), self.pattern.text.escape_debug());
        let seconds = self.max_age.as_secs();
        format!("role {role}: {} {pattern} needs a sign-in within {seconds}s", self.actions)
    }
}

/// What a role's policy can concern.
fn scope_of(kind: RuleKind, pattern: &Pattern, permits: bool, actions: &[&str]) -> Scope {
    let sets = actions.iter().map(|name| ActionSet::named(name));
    let name = if pattern.name.is_any() {
        NameFilter::Any
    } else if permits {
        NameFilter::Plain(pattern.name.clone())
    } else if kind == RuleKind::Resources {
        // A disguised URI is forbidden whatever the pattern says.
        NameFilter::Any
    } else {
        NameFilter::Folded(NameGlob::new(&pattern.name.as_str().to_lowercase()))
    };
    let actions = sets.fold(ActionSet::default(), ActionSet::with);
    Scope { actions, upstream: pattern.upstream.clone(), name }
}

/// What messages show of a pattern that may be of any length.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_PATTERN_CHARS).collect()
}
