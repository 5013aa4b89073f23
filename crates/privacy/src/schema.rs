//! Results that have a schema stay valid against it after values were replaced.

mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use haechi_core::json::{Limits, Text, check};
use jsonschema::{PatternOptions, Validator};
use quick_cache::sync::Cache;
use serde_json::{Value, json};

use crate::privacy::PrivacyError;
use crate::transform::Sheet;

use weight::weight;

/// How many schemas are kept compiled.
const MAX_SCHEMAS: usize = 256;
/// The longest schema that results are held to, in bytes.
const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// The largest automaton that one pattern of a schema may become, in bytes.
/// The most work that one check of a result may be: parts of the schema times values of the result.
const MAX_WORK: usize = 5_000_000;
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The member of a result that the schema is about (MCP 2025-06-18, tools).
const STRUCTURED: &str = "structuredContent";

/// Compiled schemas, by their text. `None`: one that does not compile, or that [`weight`] refuses.
pub(crate) struct Schemas(Cache<String, Option<Arc<Compiled>>>);

/// A schema that can be checked in bounded time.
struct Compiled {
    validator: Validator,
    weight: usize,
}

impl Default for Schemas {
    fn default() -> Self {
        Self(Cache::new(MAX_SCHEMAS))
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schemas", self.0.len())
    }
}

impl Schemas {
    /// `schema`, compiled. Nothing is fetched, and patterns run in linear time: both the schema and
    /// the result come from an upstream.
    fn of(&self, schema: &Value) -> Option<Arc<Compiled>> {
        let text = schema.to_string();
        if text.len() > MAX_SCHEMA_BYTES {
            return None;
        }
        let compiled = self.0.get_or_insert_with(&text, || {
            Ok::<_, std::convert::Infallible>(compile(schema).map(Arc::new))
        });
        compiled.ok().flatten()
    }
}

fn compile(schema: &Value) -> Option<Compiled> {
    let weight = weight(schema)?;
    let patterns =
        PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .with_pattern_options(patterns)
        .build(schema)
        .ok()?;
    Some(Compiled { validator, weight })
}

/// A step of one result towards its schema.
pub(crate) struct Held<'s> {
    schema: &'s Value,
    compiled: Arc<Compiled>,
    /// What was wrong before anything was replaced, by place and rule.
    known: BTreeSet<Problem>,
    /// Which constant each leaf tries next.
    constants: BTreeMap<usize, usize>,
}

/// Where the instance breaks which part of the schema, both as JSON pointers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    instance: String,
    schema: String,
}

impl<'s> Held<'s> {
    /// `None` where `result` has nothing that a schema is about, or the schema cannot be used.
    pub(crate) fn new(schemas: &Schemas, schema: &'s Value, result: Text<'_>) -> Option<Self> {
        let structured = result.member(STRUCTURED)?.to_value();
        let compiled = schemas.of(schema)?;
        if compiled.weight.saturating_mul(values(&structured)) > MAX_WORK {
            return None;
        }
        let known = problems(&compiled.validator, &structured);
        Some(Self { schema, compiled, known, constants: BTreeMap::new() })
    }

    /// Whether `edited` fits. Where it does not, the leaves that fail take their next form.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Refused`] when they have none left.
    pub(crate) fn fits(
        &mut self,
        sheet: &mut Sheet<'_>,
        edited: &str,
    ) -> Result<bool, PrivacyError> {
        let any_size = Limits { max_bytes: usize::MAX, max_members: usize::MAX, ..Limits::RESULT };
        let result = check(edited.as_bytes(), &any_size).ok();
        let structured = result.and_then(|it| it.member(STRUCTURED)).map(Text::to_value);
        let found = problems(&self.compiled.validator, &structured.unwrap_or_default());
        let new: Vec<Problem> = found.difference(&self.known).cloned().collect();
        if new.is_empty() {
            return Ok(true);
        }
        let failing = failing(sheet, &new);
        let mut tried = BTreeSet::new();
        let mut moved = false;
        for (line, problem) in failing {
            moved |= self.advance(sheet, line, problem, &mut tried);
        }
        if moved { Ok(false) } else { Err(PrivacyError::Refused { found: sheet.found() }) }
    }

    /// The next form of the values in a leaf; when all have had their last, the next constant.
    fn advance(
        &mut self,
        sheet: &mut Sheet<'_>,
        line: usize,
        problem: Option<&Problem>,
        tried: &mut BTreeSet<usize>,
    ) -> bool {
        let mut moved = false;
        for replacement in sheet.replacements_in(line) {
            // A value that stands in several leaves moves once in a round.
            moved |= tried.contains(&replacement)
                || (sheet.advance(replacement) && tried.insert(replacement));
        }
        if moved || !sheet.is_value(line) {
            return moved;
        }
        let next = self.constants.entry(line).or_default();
        let part = problem.and_then(|it| part_of(self.schema, it));
        let constant = constants(part).filter(|it| !sheet.says(line, it)).nth(*next);
        *next += 1;
        let Some(constant) = constant else { return false };
        sheet.set_constant(line, constant);
        true
    }
}

fn problems(validator: &Validator, value: &Value) -> BTreeSet<Problem> {
    let problem = |error: jsonschema::ValidationError<'_>| Problem {
        instance: error.instance_path().as_str().to_owned(),
        schema: error.schema_path().as_str().to_owned(),
    };
    validator.iter_errors(value).map(problem).collect()
}

/// The replaced leaves at or below a problem, each with it; all of them when a problem is at none.
fn failing<'p>(sheet: &Sheet<'_>, problems: &'p [Problem]) -> Vec<(usize, Option<&'p Problem>)> {
    let by_place: BTreeMap<&str, &'p Problem> =
        problems.iter().map(|problem| (problem.instance.as_str(), problem)).collect();
    let structured = || {
        sheet.pointers().filter_map(|(line, pointer)| {
            Some((line, pointer.strip_prefix('/')?.strip_prefix(STRUCTURED)?))
        })
    };
    let at_problem = |pointer: &str| {
        let ends = pointer.match_indices('/').map(|(at, _)| at).chain([pointer.len()]);
        let mut places = ends.filter_map(|end| by_place.get(pointer.get(..end)?).copied());
        places.next_back()
    };
    let failing: Vec<_> = structured()
        .filter_map(|(line, pointer)| Some((line, Some(at_problem(pointer)?))))
        .collect();
    if failing.is_empty() { structured().map(|(line, _)| (line, None)).collect() } else { failing }
}

/// The object of the schema whose keyword was broken.
fn part_of<'s>(schema: &'s Value, problem: &Problem) -> Option<&'s Value> {
    let (part, _) = problem.schema.rsplit_once('/')?;
    schema.pointer(part)
}

/// What a schema may accept where it accepts no replacement: what it names itself, then the smallest
/// value of each form.
fn constants(part: Option<&Value>) -> impl Iterator<Item = Value> {
    let own = |key: &str| part.and_then(|part| part.get(key)).cloned();
    let listed = own("enum").and_then(|it| it.as_array().cloned()).unwrap_or_default();
    let shortest = own("minLength").and_then(|it| it.as_u64()).filter(|length| *length <= 4096);
    let filled = shortest.and_then(|length| usize::try_from(length).ok()).map(|it| "0".repeat(it));
    let bounds = ["const", "minimum", "maximum", "multipleOf", "default"];
    let named = bounds.into_iter().filter_map(own).collect::<Vec<_>>();
    let forms = [
        json!(""),
        json!(0),
        json!(1),
        json!("0"),
        json!("x"),
        json!("1970-01-01"),
        json!("1970-01-01T00:00:00Z"),
        json!("00:00:00Z"),
        json!("P0D"),
        json!("nobody@token.invalid"),
        json!("token.invalid"),
        json!("https://token.invalid/"),
        json!("00000000-0000-4000-8000-000000000000"),
        json!("0.0.0.0"),
        json!("::"),
        Value::Null,
    ];
    let few = listed.into_iter().filter(|it| !it.is_object() && !it.is_array()).take(4);
    named.into_iter().chain(few).chain(filled.map(Value::String)).chain(forms)
}

/// Whether `schema` wants a number, and no string, at `pointer`. Looks at plain properties and items
/// only, and at references within the document.
pub(crate) fn wants_number(schema: &Value, pointer: &str) -> bool {
    let mut part = schema;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let properties = refer(schema, part).and_then(|it| it.get("properties"));
        let items = || refer(schema, part).and_then(|it| it.get("items"));
        let Some(next) = properties.and_then(|it| it.get(&name)).or_else(items) else {
            return false;
        };
        part = next;
    }
    let types = refer(schema, part).and_then(|it| it.get("type"));
    let is = |value: &Value, word: &str| match value {
        Value::Array(words) => words.iter().any(|it| it == word),
        other => other == word,
    };
    types.is_some_and(|it| (is(it, "number") || is(it, "integer")) && !is(it, "string"))
}

/// `part`, or what it refers to.
fn refer<'s>(schema: &'s Value, part: &'s Value) -> Option<&'s Value> {
    match part.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?),
        None => Some(part),
    }
}

/// How many values `value` consists of.
fn values(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        Value::Array(elements) => 1 + elements.iter().map(values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}
