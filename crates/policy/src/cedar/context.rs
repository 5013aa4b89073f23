//! The `context` of a request: only what the policies that will see it read.

use std::collections::BTreeSet;

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use serde_json::{Number, Value};

use super::reads::Reads;
use crate::disguise::disguise;
use crate::matcher::ArgumentMatcher;
use crate::question::Question;

/// The deepest nesting of arguments a policy can read.
pub(crate) const MAX_DEPTH: usize = 8;

/// The most values in arguments a policy can read.
pub(crate) const MAX_LEAVES: usize = 1000;

/// The greatest whole part of a Cedar decimal: an `i64` of ten-thousandths.
const MAX_DECIMAL: f64 = 922_337_203_685_477.0;

/// Why there is no context, in words for the operator.
pub(crate) type Unreadable = &'static str;

/// Builds the context of `question` for policies that read `reads`.
///
/// # Errors
///
/// What is wrong with the arguments: too deep, too many, not an object.
pub(crate) fn build(
    question: &Question<'_>,
    reads: Reads,
    matchers: &[&ArgumentMatcher],
) -> Result<Context, Unreadable> {
    if !reads.context() {
        return Ok(Context::empty());
    }
    let mut pairs = Vec::new();
    surroundings(question, reads, &mut pairs);
    if reads.arguments() {
        call(question, reads, matchers, &mut pairs)?;
    }
    Context::from_pairs(pairs).map_err(|_| "the context of the call cannot be built")
}

type Pairs = Vec<(String, RestrictedExpression)>;

fn surroundings(question: &Question<'_>, reads: Reads, pairs: &mut Pairs) {
    let origin = question.origin;
    if reads.has(Reads::TIME) {
        pairs.push(("time".into(), moment(question.now.as_millis())));
    }
    if let Some(address) = origin.address.filter(|_| reads.has(Reads::ADDRESS)) {
        let address = address.to_canonical().to_string();
        pairs.push(("address".into(), RestrictedExpression::new_ip(address)));
    }
    if let Some(client) = origin.client.as_deref().filter(|_| reads.has(Reads::CLIENT)) {
        pairs.push(("client".into(), text(client)));
    }
    if let Some(route) = origin.route.as_deref().filter(|_| reads.has(Reads::ROUTE)) {
        pairs.push(("route".into(), text(route)));
    }
    if let Some(at) = question.principal.authenticated_at.filter(|_| reads.has(Reads::AGE)) {
        let age = question.now.since(at).as_secs();
        pairs.push(("authentication_age".into(), long(age)));
    }
}

fn call(
    question: &Question<'_>,
    reads: Reads,
    matchers: &[&ArgumentMatcher],
    pairs: &mut Pairs,
) -> Result<(), Unreadable> {
    let arguments = question.arguments.unwrap_or(&Value::Null);
    let names = |test: &dyn Fn(&ArgumentMatcher) -> bool| {
        let all = matchers.iter().filter(|matcher| test(matcher));
        RestrictedExpression::new_set(all.map(|matcher| text(&matcher.name)))
    };
    if reads.has(Reads::MATCHED) {
        pairs.push(("matched".into(), names(&|matcher| matcher.holds(arguments))));
    }
    if reads.has(Reads::SUSPECTED) {
        pairs.push(("suspected".into(), names(&|matcher| matcher.suspected(arguments))));
    }
    if reads.has(Reads::DISGUISED) {
        let names = disguised_arguments(arguments).into_iter().map(text);
        pairs.push(("disguised".into(), RestrictedExpression::new_set(names)));
    }
    if reads.has(Reads::ARGUMENTS) {
        pairs.push(("arguments".into(), record_of(arguments)?));
    }
    Ok(())
}

/// Names of the top-level arguments that hold, at any depth, a text in disguise.
fn disguised_arguments(arguments: &Value) -> BTreeSet<&str> {
    let members = arguments.as_object().into_iter().flatten();
    members.filter(|(_, value)| holds_disguise(value)).map(|(name, _)| name.as_str()).collect()
}

fn holds_disguise(value: &Value) -> bool {
    match value {
        Value::String(text) => disguise(text).is_some(),
        Value::Array(items) => items.iter().any(holds_disguise),
        Value::Object(members) => members.values().any(holds_disguise),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn moment(epoch_ms: u64) -> RestrictedExpression {
    let minutes = epoch_ms / 60_000;
    let days = minutes / (24 * 60);
    let members = [
        ("epoch_ms".to_owned(), long(epoch_ms)),
        ("hour".to_owned(), long(minutes / 60 % 24)),
        ("minute".to_owned(), long(minutes % 60)),
        // 1970-01-01 was a Thursday, day 4 of ISO 8601.
        ("weekday".to_owned(), long((days + 3) % 7 + 1)),
    ];
    RestrictedExpression::new_record(members).unwrap_or_else(|_| text(""))
}

fn long(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// The arguments as a Cedar record. `null` is left out.
fn record_of(arguments: &Value) -> Result<RestrictedExpression, Unreadable> {
    let mut leaves = 0;
    match arguments {
        Value::Null => RestrictedExpression::new_record([]).map_err(|_| "the arguments"),
        Value::Object(_) => expression(arguments, 0, &mut leaves),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("the arguments are not an object")
        }
    }
}

fn expression(
    value: &Value,
    depth: usize,
    leaves: &mut usize,
) -> Result<RestrictedExpression, Unreadable> {
    *leaves += 1;
    if *leaves > MAX_LEAVES {
        return Err("the arguments have more than 1000 values");
    }
    if depth > MAX_DEPTH {
        return Err("the arguments are nested more than 8 deep");
    }
    match value {
        Value::Null => beyond_cedar("null"),
        Value::Bool(value) => Ok(RestrictedExpression::new_bool(*value)),
        Value::Number(value) => number(value),
        Value::String(value) => Ok(text(value)),
        Value::Array(items) => {
            let items: Result<Vec<_>, Unreadable> =
                items.iter().map(|item| expression(item, depth + 1, leaves)).collect();
            Ok(RestrictedExpression::new_set(items?))
        }
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            let members: Result<Vec<_>, Unreadable> = present
                .map(|(name, value)| Ok((name.clone(), expression(value, depth + 1, leaves)?)))
                .collect();
            RestrictedExpression::new_record(members?).map_err(|_| "an argument is there twice")
        }
    }
}

/// A whole number as a Long, any other as a decimal when it has at most four places.
fn number(value: &Number) -> Result<RestrictedExpression, Unreadable> {
    if let Some(whole) = value.as_i64() {
        return Ok(RestrictedExpression::new_long(whole));
    }
    let Some(float) = value.as_f64().filter(|float| value.is_f64() && float.abs() < MAX_DECIMAL)
    else {
        return beyond_cedar("number");
    };
    let digits = float.to_string();
    match digits.split_once('.') {
        None => Ok(RestrictedExpression::new_decimal(format!("{digits}.0"))),
        Some((_, places)) if places.len() <= 4 => Ok(RestrictedExpression::new_decimal(digits)),
        Some(_) => beyond_cedar("number"),
    }
}

/// What stands for a value Cedar cannot hold. It is there for `has`, differs from everything, and
/// any other use fails and denies: leaving it out would let it slip by a `forbid`.
fn beyond_cedar(kind: &str) -> Result<RestrictedExpression, Unreadable> {
    let type_name: EntityTypeName =
        "Haechi::Unreadable".parse().map_err(|_| "an argument cannot be read")?;
    let uid = EntityUid::from_type_name_and_id(type_name, EntityId::new(kind));
    Ok(RestrictedExpression::new_entity_uid(uid))
}

#[cfg(test)]
mod tests {
    use cedar_policy::EvalResult;
    use serde_json::json;

    use super::*;

    fn read(arguments: &Value) -> Result<String, Unreadable> {
        let record = record_of(arguments)?;
        let context = Context::from_pairs([("a".to_owned(), record)]).unwrap();
        Ok(context.get("a").as_ref().map(EvalResult::to_string).unwrap())
    }

    #[test]
    fn values_become_what_cedar_has_for_them() {
        let cases = [
            (json!({"x": 1}), r#"{"x": 1}"#),
            (json!({"x": -1.5}), r#"{"x": decimal("-1.5")}"#),
            (json!({"x": 5.0}), r#"{"x": decimal("5.0")}"#),
            (json!({"x": 1.000_01}), r#"{"x": Haechi::Unreadable::"number"}"#),
            (json!({"x": 1e300}), r#"{"x": Haechi::Unreadable::"number"}"#),
            (json!({"x": u64::MAX}), r#"{"x": Haechi::Unreadable::"number"}"#),
            (json!({"x": null}), "{}"),
            (json!({"x": [1, 1]}), r#"{"x": [1]}"#),
            (json!({"x": [null]}), r#"{"x": [Haechi::Unreadable::"null"]}"#),
            (json!({"a\"b": {"c": true}}), r#"{"a\"b": {"c": true}}"#),
            (Value::Null, "{}"),
        ];
        for (arguments, expected) in cases {
            assert_eq!(read(&arguments).as_deref(), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn arguments_have_limits() {
        let mut deep = json!(1);
        for _ in 0..MAX_DEPTH {
            deep = json!({ "x": deep });
        }
        assert!(read(&deep).is_ok());
        assert!(read(&json!({ "x": deep })).is_err());
        assert!(read(&json!({ "x": vec![0; MAX_LEAVES - 2] })).is_ok());
        assert!(read(&json!({ "x": vec![0; MAX_LEAVES - 1] })).is_err());
        assert!(read(&json!([1])).is_err());
        assert!(read(&json!("text")).is_err());
    }

    #[test]
    fn a_moment_has_its_weekday() {
        let cases = [
            (0, r#"{"epoch_ms": 0, "hour": 0, "minute": 0, "weekday": 4}"#),
            (
                1_795_353_258_007,
                r#"{"epoch_ms": 1795353258007, "hour": 13, "minute": 14, "weekday": 7}"#,
            ),
        ];
        for (at, expected) in cases {
            let context = Context::from_pairs([("t".to_owned(), moment(at))]).unwrap();
            assert_eq!(context.get("t").unwrap().to_string(), expected);
        }
    }
}
