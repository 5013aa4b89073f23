//! Matchers on arguments, compiled. Cedar sees only which of them hold.
//!
//! Cedar's `like` knows no path segments and no test for a value's type, so a matcher is evaluated
//! here and its name stands in `context.matched` (for an `allow`: it surely holds) or in
//! `context.suspected` (for a `deny`: it cannot be ruled out).

use std::sync::Arc;

use serde_json::{Number, Value};

use crate::disguise::{disguise, reveal};
use crate::glob::{MAX_PATTERN_CHARS, ValueGlob};
use crate::source::Matcher;

/// Beyond this, an `f64` and an integer cannot be compared without loss.
const EXACT_F64: f64 = 9_007_199_254_740_992.0;

/// A matcher on one argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArgumentMatcher {
    /// How Cedar text and explanations name it.
    pub(crate) name: Arc<str>,
    pub(crate) argument: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    OneOf(Vec<Value>),
    Glob { plain: ValueGlob, folded: ValueGlob },
    Prefix { plain: String, folded: String },
    Range { min: Option<Number>, max: Option<Number> },
}

impl ArgumentMatcher {
    pub(crate) fn compile(argument: &str, matcher: &Matcher) -> Result<Self, &'static str> {
        if argument.is_empty() || argument.chars().count() > MAX_PATTERN_CHARS {
            return Err("an argument's name has 1 to 256 characters");
        }
        let (text, test) = match matcher {
            Matcher::Equals(value) => {
                (format!("== {value}"), Test::OneOf(vec![scalar(value)?.clone()]))
            }
            Matcher::OneOf(values) => (format!("in {}", list(values)), one_of(values)?),
            Matcher::Glob(glob) => (format!("like {glob}"), glob_test(glob)?),
            Matcher::Prefix(prefix) => (format!("starts with {prefix}"), prefix_test(prefix)?),
            Matcher::Range { min, max } => (
                format!("from {} to {}", bound(min.as_ref()), bound(max.as_ref())),
                range(min, max)?,
            ),
        };
        Ok(Self { name: format!("{argument} {text}").into(), argument: argument.to_owned(), test })
    }

    /// Whether it surely holds, for an `allow`.
    pub(crate) fn holds(&self, arguments: &Value) -> bool {
        match (&self.test, arguments.get(&self.argument)) {
            (Test::OneOf(values), Some(value)) => values.iter().any(|v| equal(v, value)),
            (Test::Glob { plain, .. }, Some(Value::String(text))) => {
                disguise(text).is_none() && plain.matches(text)
            }
            (Test::Prefix { plain, .. }, Some(Value::String(text))) => {
                disguise(text).is_none() && text.starts_with(plain)
            }
            (Test::Range { min, max }, Some(Value::Number(number))) => {
                within(number, min.as_ref(), max.as_ref()).unwrap_or(false)
            }
            (Test::Glob { .. } | Test::Prefix { .. } | Test::Range { .. }, Some(_)) | (_, None) => {
                false
            }
        }
    }

    /// Whether it cannot be ruled out, for a `deny`.
    pub(crate) fn suspected(&self, arguments: &Value) -> bool {
        if !arguments.is_object() {
            return !arguments.is_null();
        }
        match (&self.test, arguments.get(&self.argument)) {
            (_, None | Some(Value::Null)) => false,
            (Test::OneOf(values), Some(value)) => values.iter().any(|v| alike(v, value)),
            (Test::Glob { folded, .. }, Some(Value::String(text))) => {
                too_long(text)
                    || faces(text).is_none_or(|all| all.iter().any(|t| folded.matches(t)))
            }
            (Test::Prefix { folded, .. }, Some(Value::String(text))) => {
                faces(text).is_none_or(|all| all.iter().any(|t| t.starts_with(folded)))
            }
            (Test::Range { min, max }, Some(Value::Number(number))) => {
                within(number, min.as_ref(), max.as_ref()).unwrap_or(true)
            }
            (Test::Glob { .. } | Test::Prefix { .. } | Test::Range { .. }, Some(_)) => true,
        }
    }
}

/// The texts a value may be read as, in lower case; `None` when that cannot be told.
fn faces(text: &str) -> Option<[String; 2]> {
    Some([text.to_lowercase(), reveal(text).ok()?])
}

fn too_long(text: &str) -> bool {
    text.chars().count() > crate::glob::MAX_VALUE_CHARS
}

fn scalar(value: &Value) -> Result<&Value, &'static str> {
    match value {
        Value::Null => Err("`null` counts as absent and never matches"),
        Value::Array(_) | Value::Object(_) => {
            Err("arrays and objects are not compared; write a Cedar policy")
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value),
    }
}

fn one_of(values: &[Value]) -> Result<Test, &'static str> {
    if values.is_empty() || values.len() > 1000 {
        return Err("a list has 1 to 1000 values");
    }
    Ok(Test::OneOf(values.iter().map(|value| scalar(value).cloned()).collect::<Result<_, _>>()?))
}

fn glob_test(glob: &str) -> Result<Test, &'static str> {
    let plain = ValueGlob::parse(glob)?;
    if disguise(glob).is_some_and(|why| !why.starts_with("an empty")) {
        return Err("a glob with `..` segments, encoded or control characters never matches");
    }
    Ok(Test::Glob { plain, folded: ValueGlob::parse(&glob.to_lowercase())? })
}

fn prefix_test(prefix: &str) -> Result<Test, &'static str> {
    if prefix.is_empty() || prefix.chars().count() > MAX_PATTERN_CHARS {
        return Err("a prefix has 1 to 256 characters");
    }
    if disguise(prefix).is_some() {
        return Err("a prefix with `..` or empty segments or control characters never matches");
    }
    Ok(Test::Prefix { plain: prefix.to_owned(), folded: prefix.to_lowercase() })
}

fn range(min: &Option<Number>, max: &Option<Number>) -> Result<Test, &'static str> {
    match (min, max) {
        (None, None) => return Err("a range needs `min` or `max`"),
        (Some(low), Some(high)) if within(low, None, Some(high)) != Some(true) => {
            return Err("`min` is over `max`");
        }
        (Some(_), _) | (None, Some(_)) => {}
    }
    Ok(Test::Range { min: min.clone(), max: max.clone() })
}

fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("[{}]", shown.join(", "))
}

fn bound(number: Option<&Number>) -> String {
    number.map_or_else(|| "any".to_owned(), Number::to_string)
}

/// Equality for an `allow`: same type, same value.
fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Some(std::cmp::Ordering::Equal),
        (a, b) => a == b,
    }
}

/// Equality for a `deny`: letter case is ignored, and another type is taken for a match.
fn alike(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::String(a), Value::String(b)) => {
            let wanted = a.trim().to_lowercase();
            faces(b).is_none_or(|all| all.iter().any(|face| face.trim() == wanted))
        }
        (Value::Number(a), Value::Number(b)) => {
            compare(a, b).is_none_or(|order| order == std::cmp::Ordering::Equal)
        }
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => true,
    }
}

/// Whether `number` is in the range; `None` when that cannot be told without loss.
fn within(number: &Number, min: Option<&Number>, max: Option<&Number>) -> Option<bool> {
    let above = min.map_or(Some(true), |min| Some(compare(number, min)?.is_ge()))?;
    let below = max.map_or(Some(true), |max| Some(compare(number, max)?.is_le()))?;
    Some(above && below)
}

fn compare(a: &Number, b: &Number) -> Option<std::cmp::Ordering> {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        return Some(a.cmp(&b));
    }
    let (a, b) = (a.as_f64()?, b.as_f64()?);
    if a.abs() >= EXACT_F64 && b.abs() >= EXACT_F64 {
        return None;
    }
    a.partial_cmp(&b)
}

#[cfg(test)]
mod tests;
