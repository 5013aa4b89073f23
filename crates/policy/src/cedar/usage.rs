//! Which arguments a policy reads, and as what: the type its `context.arguments` is checked with.
//!
//! Cedar's validator wants every attribute declared. Arguments are declared by the tools' own
//! schemas where these are known and agree; elsewhere by how the policy itself uses them, so that a
//! policy that uses one argument in two ways does not load. Whatever really comes is looked at when
//! it comes: another type fails to evaluate and denies.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reads::{attributes, conditions, operand};
use crate::source::KnownTool;

/// The deepest nesting of arguments that is followed.
const MAX_DEPTH: usize = 8;

/// How one argument, or a member of one, is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    kind: Option<Kind>,
    members: BTreeMap<String, Self>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Long,
    Bool,
    Decimal,
    TextSet,
    LongSet,
}

impl Usage {
    /// How a policy in Cedar's JSON form uses `context.arguments`.
    pub(crate) fn of_policy(policy: &Value) -> Self {
        let mut usage = Self::default();
        for body in conditions(policy) {
            usage.note(body, Some(Kind::Bool));
            usage.walk(body);
        }
        usage
    }

    /// Names of the top-level arguments.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    fn walk(&mut self, expression: &Value) {
        match expression {
            Value::Object(members) => {
                for (operator, operands) in members {
                    self.look(operator, operands);
                    self.walk(operands);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Notes what `operator` says about the arguments among its operands.
    fn look(&mut self, operator: &str, operands: &Value) {
        let (left, right) = (operands.get("left"), operands.get("right"));
        match operator {
            "has" => {
                if let Some(mut path) = left.and_then(path) {
                    path.extend(attributes(operands).into_iter().map(str::to_owned));
                    self.insert(&path, None);
                }
            }
            "." => self.note(&json!({ ".": operands }), None),
            "like" => self.note_one(left, Some(Kind::Text)),
            "<" | "<=" | ">" | ">=" | "+" | "-" | "*" => {
                self.note_one(left, Some(Kind::Long));
                self.note_one(right, Some(Kind::Long));
            }
            "==" | "!=" => {
                self.note_one(left, right.and_then(kind_of_literal));
                self.note_one(right, left.and_then(kind_of_literal));
            }
            "contains" => {
                self.note_one(left, right.and_then(kind_of_literal).and_then(Kind::set));
                self.note_one(right, left.and_then(kind_of_literal).and_then(Kind::element));
            }
            "containsAll" | "containsAny" => {
                self.note_one(left, right.and_then(kind_of_literal));
                self.note_one(right, left.and_then(kind_of_literal));
            }
            "isEmpty" => self.note_one(operands.get("arg"), Some(Kind::TextSet)),
            "&&" | "||" => {
                self.note_one(left, Some(Kind::Bool));
                self.note_one(right, Some(Kind::Bool));
            }
            "!" => self.note_one(operands.get("arg"), Some(Kind::Bool)),
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => {
                for operand in operands.as_array().into_iter().flatten() {
                    self.note(operand, Some(Kind::Decimal));
                }
            }
            _ => {}
        }
    }

    fn note_one(&mut self, expression: Option<&Value>, kind: Option<Kind>) {
        if let Some(expression) = expression {
            self.note(expression, kind);
        }
    }

    fn note(&mut self, expression: &Value, kind: Option<Kind>) {
        if let Some(path) = path(expression) {
            self.insert(&path, kind);
        }
    }

    fn insert(&mut self, path: &[String], kind: Option<Kind>) {
        let mut node = self;
        for name in path.iter().take(MAX_DEPTH) {
            node = node.members.entry(name.clone()).or_default();
        }
        if !path.is_empty() {
            node.kind = node.kind.or(kind);
        }
    }

    /// The record type of `arguments` in Cedar's JSON schema form, for a policy that may concern
    /// `tools`.
    pub(crate) fn record(&self, tools: &[&KnownTool]) -> Value {
        let attributes: Map<String, Value> = self
            .members
            .iter()
            .map(|(name, usage)| {
                let declared = declared_type(name, tools);
                let required = declared_required(name, tools);
                (name.clone(), attribute(declared.unwrap_or_else(|| usage.cedar_type()), required))
            })
            .collect();
        json!({ "type": "Record", "attributes": attributes })
    }

    fn cedar_type(&self) -> Value {
        if !self.members.is_empty() {
            let inner = |(name, usage): (&String, &Self)| {
                (name.clone(), attribute(usage.cedar_type(), false))
            };
            let attributes: Map<String, Value> = self.members.iter().map(inner).collect();
            return json!({ "type": "Record", "attributes": attributes });
        }
        self.kind.unwrap_or(Kind::Text).cedar_type()
    }
}

impl Kind {
    fn cedar_type(self) -> Value {
        match self {
            Self::Text => json!({ "type": "String" }),
            Self::Long => json!({ "type": "Long" }),
            Self::Bool => json!({ "type": "Boolean" }),
            Self::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            Self::TextSet => json!({ "type": "Set", "element": { "type": "String" } }),
            Self::LongSet => json!({ "type": "Set", "element": { "type": "Long" } }),
        }
    }

    const fn set(self) -> Option<Self> {
        match self {
            Self::Text => Some(Self::TextSet),
            Self::Long => Some(Self::LongSet),
            Self::Bool | Self::Decimal | Self::TextSet | Self::LongSet => None,
        }
    }

    const fn element(self) -> Option<Self> {
        match self {
            Self::TextSet => Some(Self::Text),
            Self::LongSet => Some(Self::Long),
            Self::Text | Self::Long | Self::Bool | Self::Decimal => None,
        }
    }
}

fn attribute(mut cedar_type: Value, required: bool) -> Value {
    if let Some(members) = cedar_type.as_object_mut() {
        members.insert("required".into(), json!(required));
    }
    cedar_type
}

/// The path below `context.arguments` that an expression names.
fn path(expression: &Value) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut current = expression;
    while let Some(access) = operand(current, ".") {
        names.push(access.get("attr")?.as_str()?.to_owned());
        current = access.get("left")?;
    }
    if current.get("Var")? != "context" || names.pop()? != "arguments" {
        return None;
    }
    names.reverse();
    Some(names)
}

fn kind_of_literal(expression: &Value) -> Option<Kind> {
    if let Some(items) = operand(expression, "Set").and_then(Value::as_array) {
        return items.first().and_then(kind_of_literal).and_then(Kind::set);
    }
    if operand(expression, "decimal").is_some() {
        return Some(Kind::Decimal);
    }
    // Outside arguments, what is a text is nearly always an attribute of the principal or resource.
    if operand(expression, ".").is_some() && path(expression).is_none() {
        return Some(Kind::Text);
    }
    match operand(expression, "Value")? {
        Value::String(_) => Some(Kind::Text),
        Value::Number(_) => Some(Kind::Long),
        Value::Bool(_) => Some(Kind::Bool),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The properties a tool's schema declares; `None` when it declares none at all.
fn properties(tool: &KnownTool) -> Option<&Map<String, Value>> {
    tool.input_schema.as_ref()?.get("properties")?.as_object()
}

/// Whether the tool's schema is known and has no such argument.
pub(crate) fn lacks_argument(tool: &KnownTool, name: &str) -> bool {
    properties(tool).is_some_and(|known| !known.contains_key(name))
}

/// The Cedar type all `tools` that declare the argument agree on, where theirs is a simple one.
fn declared_type(name: &str, tools: &[&KnownTool]) -> Option<Value> {
    let mut found = tools.iter().map(|tool| {
        let schema = properties(tool)?.get(name)?;
        match schema.get("type")?.as_str()? {
            "string" => Some(Kind::Text),
            "integer" => Some(Kind::Long),
            "boolean" => Some(Kind::Bool),
            "array" => match schema.pointer("/items/type")?.as_str()? {
                "string" => Some(Kind::TextSet),
                "integer" => Some(Kind::LongSet),
                _ => None,
            },
            _ => None,
        }
    });
    let first = found.next()??;
    found.all(|kind| kind == Some(first)).then(|| first.cedar_type())
}

/// Whether every one of `tools` demands the argument.
fn declared_required(name: &str, tools: &[&KnownTool]) -> bool {
    let demands = |tool: &&KnownTool| {
        let required = tool.input_schema.as_ref().and_then(|schema| schema.get("required"));
        required.and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n == name))
    };
    !tools.is_empty() && tools.iter().all(demands)
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn usage(condition: &str) -> Value {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        let policy = Policy::parse(None, text).unwrap().to_json().unwrap();
        Usage::of_policy(&policy).record(&[])
    }

    #[test]
    fn a_type_is_told_from_its_use() {
        let cases = [
            ("context.arguments.a like \"x*\"", "String"),
            ("context.arguments.a == \"x\"", "String"),
            ("context.arguments.a < 5", "Long"),
            ("context.arguments.a", "Boolean"),
            ("!context.arguments.a && true", "Boolean"),
            ("context.arguments.a.lessThan(decimal(\"1.5\"))", "Extension"),
            ("context.arguments.a.contains(\"x\")", "Set"),
            ("[\"x\"].contains(context.arguments.a)", "String"),
            ("context.arguments.a.b == 1", "Record"),
            ("context.arguments has a.b", "Record"),
            ("context.arguments has a", "String"),
            ("context.arguments[\"a\"] == principal.username", "String"),
        ];
        for (condition, expected) in cases {
            let record = usage(condition);
            assert_eq!(record["attributes"]["a"]["type"], expected, "{condition}");
            assert_eq!(record["attributes"]["a"]["required"], false, "{condition}");
        }
    }

    #[test]
    fn schemas_that_agree_decide_the_type() {
        let tool = |kind: &str| KnownTool {
            input_schema: Some(json!({"properties": {"a": {"type": kind}}, "required": ["a"]})),
            ..KnownTool::default()
        };
        let (text, whole, number) = (tool("string"), tool("integer"), tool("number"));
        assert_eq!(declared_type("a", &[&text, &text]), Some(json!({"type": "String"})));
        assert_eq!(declared_type("a", &[&text, &whole]), None);
        assert_eq!(declared_type("a", &[&number]), None);
        assert_eq!(declared_type("b", &[&text]), None);
        assert!(declared_required("a", &[&text, &whole]));
        assert!(!declared_required("b", &[&text]));
    }
}
