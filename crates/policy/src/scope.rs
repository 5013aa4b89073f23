//! What a policy can concern at all: its actions, upstreams and names. Shards are cut along it.

use std::fmt;

use haechi_core::Action;
use serde_json::Value;

use crate::glob::NameGlob;

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet(u8);

impl ActionSet {
    pub(crate) const ALL: Self = Self(u8::MAX);

    pub(crate) const fn of(action: Action) -> Self {
        Self(1 << action as u8)
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, action: Action) -> bool {
        self.0 & Self::of(action).0 != 0
    }

    pub(crate) const fn any_with_arguments(self) -> bool {
        self.has(Action::CallTool) || self.has(Action::GetPrompt)
    }

    pub(crate) const fn calls_tools(self) -> bool {
        self.has(Action::CallTool)
    }

    /// Whether the only arguments there are those of tools.
    pub(crate) const fn only_tools(self) -> bool {
        self.has(Action::CallTool) && !self.has(Action::GetPrompt)
    }

    /// The set an action's or group's name stands for.
    pub(crate) fn named(name: &str) -> Self {
        let one = Action::ALL.into_iter().filter(|action| match name {
            "use" => matches!(action, Action::CallTool | Action::UseTask | Action::Other),
            "read" => !matches!(action, Action::CallTool | Action::UseTask | Action::Other),
            name => action.as_str() == name,
        });
        one.map(Self::of).fold(Self::default(), Self::with)
    }
}

impl fmt::Display for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Action::ALL.into_iter().filter(|a| self.has(*a)).map(Action::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

/// What a policy can concern. Never less than it really does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
    pub(crate) actions: ActionSet,
    pub(crate) upstream: NameGlob,
    pub(crate) name: NameFilter,
}

/// Which names a policy can concern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NameFilter {
    Any,
    Plain(NameGlob),
    /// Letter case is ignored.
    Folded(NameGlob),
}

impl Scope {
    /// Whether the policy can concern `name` of `upstream`.
    pub(crate) fn concerns(&self, upstream: &str, name: &str) -> bool {
        self.upstream.matches(upstream)
            && match &self.name {
                NameFilter::Any => true,
                NameFilter::Plain(glob) => glob.matches(name),
                NameFilter::Folded(glob) => glob.matches(&name.to_lowercase()),
            }
    }

    /// The one tool it is about, when it is about one.
    pub(crate) fn one_tool(&self) -> Option<(&str, &str)> {
        match &self.name {
            NameFilter::Plain(name) if self.actions.calls_tools() => {
                Some((self.upstream.exact()?, name.exact()?))
            }
            NameFilter::Any | NameFilter::Plain(_) | NameFilter::Folded(_) => None,
        }
    }

    /// The scope of a policy in Cedar's JSON form.
    pub(crate) fn of_policy(policy: &Value) -> Self {
        let (upstream, name) = resource(policy.get("resource")).unwrap_or((None, None));
        Self {
            actions: actions(policy.get("action")).unwrap_or(ActionSet::ALL),
            upstream: NameGlob::new(upstream.unwrap_or("*")),
            name: name
                .filter(|name| !name.contains('*'))
                .map_or(NameFilter::Any, |name| NameFilter::Plain(NameGlob::new(name))),
        }
    }
}

fn actions(constraint: Option<&Value>) -> Option<ActionSet> {
    let constraint = constraint?;
    let named = |entity: &Value| entity.get("id")?.as_str().map(ActionSet::named);
    if let Some(entity) = constraint.get("entity") {
        return named(entity);
    }
    let all = constraint.get("entities")?.as_array()?;
    all.iter().map(named).try_fold(ActionSet::default(), |set, one| Some(set.with(one?)))
}

/// The upstream and name a resource constraint binds; what is not understood binds nothing.
fn resource(constraint: Option<&Value>) -> Option<(Option<&str>, Option<&str>)> {
    let constraint = constraint?;
    let entity = constraint.get("entity").or_else(|| constraint.get("in")?.get("entity"))?;
    let id = entity.get("id")?.as_str()?;
    match entity.get("type")?.as_str()? {
        // An upstream's name with a `*` is none, and must not be taken for a glob.
        "Haechi::Upstream" if !id.contains('*') => Some((Some(id), None)),
        "Haechi::Tool" | "Haechi::Resource" | "Haechi::Prompt" | "Haechi::Method" => {
            let (upstream, name) = id.split_once(':').filter(|(up, _)| !up.contains('*'))?;
            Some((Some(upstream), Some(name)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn scope(scope: &str) -> Scope {
        let policy = Policy::parse(None, format!("permit({scope});")).unwrap();
        Scope::of_policy(&policy.to_json().unwrap())
    }

    #[test]
    fn a_scope_is_never_narrower_than_the_policy() {
        let cases = [
            ("principal, action, resource", "list", "x", "y", true),
            ("principal, action == Haechi::Action::\"list\", resource", "list", "x", "", true),
            (
                "principal, action == Haechi::Action::\"list\", resource",
                "call_tool",
                "x",
                "",
                false,
            ),
            ("principal, action in Haechi::Action::\"use\", resource", "use_task", "x", "y", true),
            ("principal, action in Haechi::Action::\"use\", resource", "list", "x", "y", false),
            (
                "principal, action in [Haechi::Action::\"read\", Haechi::Action::\"other\"], resource",
                "other",
                "x",
                "y",
                true,
            ),
            ("principal, action, resource in Haechi::Upstream::\"a\"", "list", "a", "y", true),
            ("principal, action, resource in Haechi::Upstream::\"a\"", "list", "b", "y", false),
            ("principal, action, resource == Haechi::Tool::\"a:y\"", "call_tool", "a", "y", true),
            ("principal, action, resource == Haechi::Tool::\"a:y\"", "call_tool", "a", "z", false),
            ("principal, action, resource == Haechi::Tool::\"a:*\"", "call_tool", "a", "*", true),
            ("principal, action, resource is Haechi::Tool", "call_tool", "a", "z", true),
            (
                "principal, action, resource is Haechi::Tool in Haechi::Upstream::\"a\"",
                "call_tool",
                "b",
                "z",
                false,
            ),
        ];
        for (text, action, upstream, name, expected) in cases {
            let scope = scope(text);
            let action = Action::ALL.into_iter().find(|a| a.as_str() == action).unwrap();
            let concerned = scope.actions.has(action) && scope.concerns(upstream, name);
            assert_eq!(concerned, expected, "{text} {upstream}:{name}");
        }
    }
}
