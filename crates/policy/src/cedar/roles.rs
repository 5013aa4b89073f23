//! Roles of the settings as Cedar policies, built in Cedar's JSON form so that no name can break
//! out of its place.

use serde_json::{Value, json};

use crate::glob::{NameGlob, Pattern};
use crate::source::RuleKind;

/// The role every caller has who proved an identity.
pub(crate) const EVERYONE: &str = "*";

/// Actions on a kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything a rule without conditions on arguments speaks of.
    All,
    /// Only the action that carries arguments.
    WithArguments,
    /// Only the actions that carry none.
    WithoutArguments,
}

impl RuleKind {
    /// The entity type of what is named.
    pub(crate) const fn entity_type(self) -> &'static str {
        match self {
            Self::Tools => "Haechi::Tool",
            Self::Resources => "Haechi::Resource",
            Self::Prompts => "Haechi::Prompt",
            Self::Other => "Haechi::Method",
        }
    }

    /// The word a rule's name shows; nothing for tools, which are the rule.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Tools => "",
            Self::Resources => "resource ",
            Self::Prompts => "prompt ",
            Self::Other => "method ",
        }
    }

    /// Whether calls of this kind carry arguments.
    pub(crate) const fn has_arguments(self) -> bool {
        matches!(self, Self::Tools | Self::Prompts)
    }

    /// The actions a rule of this kind speaks of.
    pub(crate) const fn actions(self, reach: Reach) -> &'static [&'static str] {
        match (self, reach) {
            (Self::Tools, Reach::All) => &["call_tool", "use_task"],
            (Self::Tools, Reach::WithArguments) => &["call_tool"],
            (Self::Tools, Reach::WithoutArguments) => &["use_task"],
            (Self::Prompts, Reach::All) => &["get_prompt", "complete"],
            (Self::Prompts, Reach::WithArguments) => &["get_prompt"],
            (Self::Prompts, Reach::WithoutArguments) => &["complete"],
            (Self::Resources, _) => &["read_resource", "subscribe", "complete"],
            (Self::Other, _) => &["other"],
        }
    }
}

/// One policy in the making.
pub(crate) struct Draft<'a> {
    pub(crate) id: &'a str,
    pub(crate) permits: bool,
    pub(crate) role: &'a str,
    pub(crate) actions: &'a [&'a str],
    pub(crate) entity_type: &'a str,
    pub(crate) pattern: &'a Pattern,
    /// Names of the matchers on arguments.
    pub(crate) matchers: &'a [&'a str],
    pub(crate) scopes: &'a [String],
}

impl Draft<'_> {
    /// The policy in Cedar's JSON form.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "annotations": { "id": self.id },
            "effect": if self.permits { "permit" } else { "forbid" },
            "principal": self.principal(),
            "action": self.action(),
            "resource": self.resource(),
            "conditions": self.conditions(),
        })
    }

    fn principal(&self) -> Value {
        if self.role == EVERYONE {
            return json!({ "op": "All" });
        }
        json!({ "op": "in", "entity": { "type": "Haechi::Role", "id": self.role } })
    }

    fn action(&self) -> Value {
        let entity = |id: &&str| json!({ "type": "Haechi::Action", "id": id });
        match self.actions {
            [one] => json!({ "op": "==", "entity": entity(one) }),
            several => {
                json!({ "op": "in", "entities": several.iter().map(entity).collect::<Vec<_>>() })
            }
        }
    }

    fn resource(&self) -> Value {
        let Some(upstream) = self.pattern.upstream.exact() else {
            return json!({ "op": "is", "entity_type": self.entity_type });
        };
        if self.names_one() {
            let id = format!("{upstream}:{}", self.pattern.name.as_str());
            return json!({ "op": "==", "entity": { "type": self.entity_type, "id": id } });
        }
        json!({
            "op": "is",
            "entity_type": self.entity_type,
            "in": { "entity": { "type": "Haechi::Upstream", "id": upstream } },
        })
    }

    /// Whether the scope alone says it: one tool, prompt or method, as it stands.
    fn names_one(&self) -> bool {
        let exact = self.pattern.upstream.exact().is_some() && self.pattern.name.exact().is_some();
        exact && self.permits && !self.is_uri()
    }

    fn is_uri(&self) -> bool {
        self.entity_type == RuleKind::Resources.entity_type()
    }

    fn conditions(&self) -> Vec<Value> {
        let mut all = Vec::new();
        if self.role == EVERYONE && self.permits {
            let means = attribute("principal", "means");
            all.push(when(json!({ "!=": { "left": means, "right": { "Value": "anonymous" } } })));
        }
        if self.pattern.upstream.exact().is_none() && !self.pattern.upstream.is_any() {
            all.push(when(like(&attribute("resource", "upstream"), &self.pattern.upstream)));
        }
        all.extend(self.name_condition());
        let context = if self.permits { "matched" } else { "suspected" };
        for matcher in self.matchers {
            let set = attribute("context", context);
            all.push(when(json!({ "contains": { "left": set, "right": { "Value": matcher } } })));
        }
        all.extend(scope_condition(self.permits, self.scopes));
        all
    }

    /// A permit takes a name as it stands, and no URI that may name another place; a forbid
    /// ignores letter case and takes such a URI for a match.
    fn name_condition(&self) -> Option<Value> {
        if self.pattern.name.is_any() || self.names_one() {
            return None;
        }
        let disguised = attribute("resource", "disguised");
        if self.permits {
            let fits = like(&attribute("resource", "name"), &self.pattern.name);
            let plain = json!({ "!": { "arg": disguised } });
            return Some(when(match self.is_uri() {
                true => json!({ "&&": { "left": fits, "right": plain } }),
                false => fits,
            }));
        }
        let folded = NameGlob::new(&self.pattern.name.as_str().to_lowercase());
        let fits = like(&attribute("resource", "folded"), &folded);
        Some(when(match self.is_uri() {
            true => json!({ "||": { "left": disguised, "right": fits } }),
            false => fits,
        }))
    }
}

/// A rule with scopes permits only who has them all; a forbid with scopes spares who has them all.
pub(crate) fn scope_condition(permits: bool, scopes: &[String]) -> Option<Value> {
    if scopes.is_empty() {
        return None;
    }
    let wanted: Vec<Value> = scopes.iter().map(|scope| json!({ "Value": scope })).collect();
    let held = attribute("principal", "scopes");
    let body = json!({ "containsAll": { "left": held, "right": { "Set": wanted } } });
    Some(json!({ "kind": if permits { "when" } else { "unless" }, "body": body }))
}

/// A `when` clause; the tree is moved into it.
fn when(body: Value) -> Value {
    Value::Object(
        [("kind".to_owned(), "when".into()), ("body".to_owned(), body)].into_iter().collect(),
    )
}

fn attribute(of: &str, name: &str) -> Value {
    json!({ ".": { "left": { "Var": of }, "attr": name } })
}

fn like(left: &Value, glob: &NameGlob) -> Value {
    let mut pattern = Vec::new();
    for (index, piece) in glob.as_str().split('*').enumerate() {
        if index > 0 {
            pattern.push(json!("Wildcard"));
        }
        if !piece.is_empty() {
            pattern.push(json!({ "Literal": piece }));
        }
    }
    json!({ "like": { "left": left, "pattern": pattern } })
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Effect, Policy, PolicyId};

    use super::*;

    #[test]
    fn no_name_breaks_out_of_its_place() {
        let hostile = [
            "a\"); permit(principal, action, resource); //",
            "a\nforbid",
            "\\\"",
            "*",
            "Haechi::Role::\"admin\"",
            "}\u{0}{",
            "';--",
            "관리자",
        ];
        for name in hostile {
            let pattern = Pattern {
                text: name.to_owned(),
                upstream: NameGlob::new("files"),
                name: NameGlob::new(&format!("{name}*")),
            };
            let scopes = [name.to_owned()];
            let draft = Draft {
                id: name,
                permits: false,
                role: name,
                actions: &["call_tool"],
                entity_type: "Haechi::Tool",
                pattern: &pattern,
                matchers: &[name],
                scopes: &scopes,
            };
            let policy = Policy::from_json(Some(PolicyId::new("x")), draft.to_json()).unwrap();
            let text = policy.to_cedar().unwrap();
            let again = Policy::parse(Some(PolicyId::new("x")), &text).unwrap();
            assert_eq!(again.effect(), Effect::Forbid, "{text}");
            assert_eq!(again.annotation("id"), Some(name), "{text}");
            assert_eq!(again, policy, "{text}");
        }
    }
}
