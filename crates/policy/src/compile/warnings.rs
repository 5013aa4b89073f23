//! Rules of roles that load and cannot do what they seem to.

use crate::cedar::usage::lacks_argument;
use crate::glob::Pattern;
use crate::problem::PolicyWarning;
use crate::source::{KnownTool, PolicySource, Rule, RuleKind};

/// A pattern over tools whose catalogs are known, and which names none of them.
pub(super) fn catalog(
    place: &str,
    pattern: &Pattern,
    source: &PolicySource,
) -> Option<PolicyWarning> {
    if pattern.name.is_any() || !source.knows_all(&pattern.upstream) {
        return None;
    }
    if source.catalog.iter().any(|tool| pattern.matches(&tool.upstream, &tool.tool)) {
        return None;
    }
    let place = place.to_owned();
    Some(match (pattern.upstream.exact(), pattern.name.exact()) {
        (Some(upstream), Some(tool)) => PolicyWarning::UnknownTool {
            place,
            upstream: upstream.to_owned(),
            tool: tool.to_owned(),
        },
        _ => PolicyWarning::MatchesNothing { place, pattern: pattern.text.clone() },
    })
}

/// Arguments that no tool the rule matches has.
pub(super) fn arguments(
    place: &str,
    (rule, pattern): (&Rule, &Pattern),
    source: &PolicySource,
    tools: &[&KnownTool],
) -> Vec<PolicyWarning> {
    if rule.kind != RuleKind::Tools || !source.knows_all(&pattern.upstream) {
        return Vec::new();
    }
    let matched: Vec<&&KnownTool> =
        tools.iter().filter(|tool| pattern.matches(&tool.upstream, &tool.tool)).collect();
    let unknown = |argument: &&String| {
        !matched.is_empty() && matched.iter().all(|tool| lacks_argument(tool, argument))
    };
    let missing = rule.arguments.keys().filter(unknown);
    missing
        .map(|argument| PolicyWarning::UnknownArgument {
            place: place.to_owned(),
            argument: argument.escape_debug().to_string(),
        })
        .collect()
}

/// An `allow` that a `deny` of the same role takes away in full.
pub(super) fn shadowed(
    place: &str,
    (rule, pattern): (&Rule, &Pattern),
    denies: &[(&Rule, &Pattern)],
) -> Option<PolicyWarning> {
    let (_, deny) = denies.iter().find(|(deny, denied)| {
        let whole = deny.arguments.is_empty() && deny.scopes.is_empty();
        whole && deny.kind == rule.kind && denied.covers(pattern)
    })?;
    Some(PolicyWarning::Shadowed { place: place.to_owned(), deny: deny.text.clone() })
}
