//! What a policy reads, told from its JSON form, and what is left of it without arguments.

use serde_json::{Map, Value, json};

/// The members of `context` a policy reads, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads(u16);

impl Reads {
    pub(crate) const ARGUMENTS: Self = Self(1);
    pub(crate) const DISGUISED: Self = Self(1 << 1);
    pub(crate) const MATCHED: Self = Self(1 << 2);
    pub(crate) const SUSPECTED: Self = Self(1 << 3);
    pub(crate) const TIME: Self = Self(1 << 4);
    pub(crate) const ADDRESS: Self = Self(1 << 5);
    pub(crate) const CLIENT: Self = Self(1 << 6);
    pub(crate) const ROUTE: Self = Self(1 << 7);
    pub(crate) const AGE: Self = Self(1 << 8);
    /// Not of `context`: the claims of the principal.
    pub(crate) const CLAIMS: Self = Self(1 << 9);

    const CONTEXT: Self = Self((1 << 9) - 1);
    const CALL: Self = Self(0b1111);

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it reads anything that changes from call to call.
    pub(crate) const fn context(self) -> bool {
        self.has(Self::CONTEXT)
    }

    /// Whether it reads anything that is only there with the arguments.
    pub(crate) const fn arguments(self) -> bool {
        self.has(Self::CALL)
    }

    /// Whether it reads anything that changes from call to call and is there without arguments.
    pub(crate) const fn surroundings(self) -> bool {
        self.0 & Self::CONTEXT.0 & !Self::CALL.0 != 0
    }

    /// Whether all it reads that changes from call to call is which matchers fit the arguments.
    pub(crate) const fn only_matchers(self) -> bool {
        self.0 & Self::CONTEXT.0 & !(Self::MATCHED.0 | Self::SUSPECTED.0) == 0
    }

    fn member(name: &str) -> Self {
        match name {
            "arguments" => Self::ARGUMENTS,
            "disguised" => Self::DISGUISED,
            "matched" => Self::MATCHED,
            "suspected" => Self::SUSPECTED,
            "time" => Self::TIME,
            "address" => Self::ADDRESS,
            "client" => Self::CLIENT,
            "route" => Self::ROUTE,
            "authentication_age" => Self::AGE,
            _ => Self::default(),
        }
    }

    /// What a policy in Cedar's JSON form reads in its conditions.
    pub(crate) fn of_policy(policy: &Value) -> Self {
        conditions(policy).map(Self::of).fold(Self::default(), Self::with)
    }

    /// What an expression reads. A `context` that is used as a whole reads everything.
    pub(crate) fn of(expression: &Value) -> Self {
        if let Some(member) = context_member(expression) {
            return Self::member(member);
        }
        match expression {
            Value::Object(members) => {
                let tags = ["hasTag", "getTag"].iter().any(|tag| members.contains_key(*tag));
                let own = if tags { Self::CLAIMS } else { Self::default() };
                members.iter().fold(own, |reads, (key, value)| {
                    let whole = key == "Var" && value == "context";
                    reads.with(if whole { Self::CONTEXT } else { Self::of(value) })
                })
            }
            Value::Array(items) => items.iter().map(Self::of).fold(Self::default(), Self::with),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::default(),
        }
    }
}

/// The `x` of `context.x` and `context has x`.
fn context_member(expression: &Value) -> Option<&str> {
    let access = operand(expression, ".").or_else(|| operand(expression, "has"))?;
    let left = access.get("left")?;
    (left.get("Var")? == "context").then(|| attributes(access).into_iter().next()).flatten()
}

/// The attributes an access names: several for `a has b.c`.
pub(crate) fn attributes(access: &Value) -> Vec<&str> {
    match access.get("attr") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The operands of `operator`, when the expression is of that kind.
pub(crate) fn operand<'a>(expression: &'a Value, operator: &str) -> Option<&'a Value> {
    let members = expression.as_object()?;
    if members.len() == 1 { members.get(operator) } else { None }
}

/// The bodies of all conditions.
pub(crate) fn conditions(policy: &Value) -> impl Iterator<Item = &Value> {
    let clauses = policy.get("conditions").and_then(Value::as_array);
    clauses.into_iter().flatten().filter_map(|clause| clause.get("body"))
}

/// What is left of a policy in the list phase, as permits.
#[derive(Clone, Debug)]
pub(crate) struct Shadows {
    /// The conditions before the first that reads arguments. Where they do not hold, the policy is
    /// never evaluated further: it neither applies nor fails, whatever the arguments.
    pub(crate) prefix: Value,
    /// All conditions that read no arguments. Where one of them does not hold, the policy does not
    /// apply, whatever the arguments.
    pub(crate) whole: Value,
}

impl Shadows {
    /// The shadows of a policy in Cedar's JSON form.
    pub(crate) fn of(policy: &Value) -> Self {
        let clauses = conjuncts(policy);
        let free =
            |clause: &&Value| !clause.get("body").map(Reads::of).unwrap_or_default().arguments();
        let prefix: Vec<Value> = clauses.iter().take_while(free).cloned().collect();
        let whole: Vec<Value> = clauses.iter().filter(free).cloned().collect();
        Self { prefix: with_conditions(policy, prefix), whole: with_conditions(policy, whole) }
    }
}

/// A permit of the same scope under other conditions.
pub(crate) fn with_conditions(policy: &Value, conditions: Vec<Value>) -> Value {
    let mut shadow: Map<String, Value> = policy.as_object().cloned().unwrap_or_default();
    shadow.insert("effect".into(), json!("permit"));
    shadow.insert("conditions".into(), Value::Array(conditions));
    shadow.remove("annotations");
    Value::Object(shadow)
}

/// All conditions, a `when` of several parts joined by `&&` taken apart, in order of evaluation.
pub(crate) fn conjuncts(policy: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for clause in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        if clause.get("kind").and_then(Value::as_str) == Some("when")
            && let Some(body) = clause.get("body")
        {
            split(body, &mut parts);
        } else {
            parts.push(clause.clone());
        }
    }
    parts
}

/// Takes `&&` apart however it is nested; a stack and not recursion, as a chain may be long.
fn split(body: &Value, parts: &mut Vec<Value>) {
    let mut waiting = vec![body];
    while let Some(current) = waiting.pop() {
        match operand(current, "&&").map(|and| (and.get("left"), and.get("right"))) {
            Some((Some(left), Some(right))) => waiting.extend([right, left]),
            _ => parts.push(json!({ "kind": "when", "body": current })),
        }
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn json_of(condition: &str) -> Value {
        let text = format!("permit(principal, action, resource) {condition};");
        Policy::parse(None, text).unwrap().to_json().unwrap()
    }

    #[test]
    fn a_policy_reads_what_it_names_of_the_context() {
        let cases = [
            ("", Reads::default()),
            ("when { principal.username == \"context\" }", Reads::default()),
            ("when { context.arguments.x == 1 }", Reads::ARGUMENTS),
            ("when { context has arguments }", Reads::ARGUMENTS),
            ("when { context has arguments.x }", Reads::ARGUMENTS),
            ("when { context has address && context.address.isLoopback() }", Reads::ADDRESS),
            ("unless { context.time.hour < 8 }", Reads::TIME),
            ("when { principal.hasTag(\"a\") }", Reads::CLAIMS),
            ("when { context == {} }", Reads::CONTEXT),
            ("when { {a: context}.a.arguments == 1 }", Reads::CONTEXT),
            ("when { [context].contains({}) }", Reads::CONTEXT),
            ("when { (if true then context else context).time.hour == 1 }", Reads::CONTEXT),
            ("when { {\"Var\": \"context\"} == {\"Var\": \"x\"} }", Reads::default()),
        ];
        for (condition, expected) in cases {
            assert_eq!(Reads::of_policy(&json_of(condition)), expected, "{condition}");
        }
    }

    #[test]
    fn shadows_keep_the_conditions_that_read_no_arguments() {
        let policy = json_of(
            "when { principal.means == \"a\" && (context.arguments.x == 1 && action == action) } \
             unless { principal.subject == \"b\" }",
        );
        let shadows = Shadows::of(&policy);
        assert_eq!(shadows.prefix["conditions"].as_array().unwrap().len(), 1);
        assert_eq!(shadows.whole["conditions"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn an_or_of_arguments_is_not_taken_apart() {
        let policy = json_of("when { principal.means == \"a\" || context.arguments.x == 1 }");
        let shadows = Shadows::of(&policy);
        assert!(shadows.whole["conditions"].as_array().unwrap().is_empty());
    }
}
