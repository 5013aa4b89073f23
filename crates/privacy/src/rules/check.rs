//! From what a file says to rules that cannot be wrong.

use std::sync::Arc;

use super::raw::{RawBoundary, RawFile, RawNeeds, RawRule};
use super::{
    Boundary, Examples, MAX_EXAMPLE_BYTES, MAX_FILE_BYTES, MAX_ITEMS, MAX_PATTERN_BYTES, MAX_RULES,
    Needs, Rule, RuleError, RuleProblem, Scores, plain, syntax,
};
use crate::validate;

/// How far a context word may stand, in characters, where a rule does not say.
const CONTEXT_WINDOW: usize = 40;

/// The furthest that any rule may ask for.
const MAX_CONTEXT_WINDOW: usize = 200;

/// The highest capture group that can be the value.
const MAX_GROUP: usize = 31;

/// The rules of one file: TOML, or a plain JSON object of patterns where the name ends in `.json`.
///
/// # Errors
///
/// The first problem.
pub(crate) fn read(file: &str, contents: &str) -> Result<Vec<Rule>, RuleError> {
    let in_file = |problem| RuleError::of_file(file, problem);
    if contents.len() > MAX_FILE_BYTES {
        return Err(in_file(RuleProblem::TooMuch { what: "bytes", limit: MAX_FILE_BYTES }));
    }
    let is_json = file.to_ascii_lowercase().ends_with(".json");
    let rules = if is_json {
        plain::read(file, contents)?
    } else {
        let raw: RawFile =
            toml::from_str(contents).map_err(|error| in_file(malformed(contents, &error)))?;
        of_raw(file, raw)?
    };
    if rules.len() > MAX_RULES {
        return Err(in_file(RuleProblem::TooMuch { what: "rules", limit: MAX_RULES }));
    }
    Ok(rules)
}

fn malformed(contents: &str, error: &toml::de::Error) -> RuleProblem {
    let start = error.span().map_or(0, |span| span.start);
    let line = contents.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1;
    RuleProblem::Malformed { line, problem: error.message().to_owned() }
}

fn of_raw(file: &str, raw: RawFile) -> Result<Vec<Rule>, RuleError> {
    let pack = raw.pack.name.unwrap_or_else(|| file.to_owned());
    let locale = raw.pack.locale.unwrap_or_else(|| "*".to_owned());
    let (pack, locale): (Arc<str>, Arc<str>) = (pack.into(), locale.into());
    let checked = |raw: RawRule| {
        let id = raw.id.clone();
        check(raw, &pack, &locale).map_err(|problem| RuleError::of_rule(file, &id, problem))
    };
    raw.rules.into_iter().map(checked).collect()
}

fn check(raw: RawRule, pack: &Arc<str>, locale: &Arc<str>) -> Result<Rule, RuleProblem> {
    names(&raw)?;
    sizes(&raw)?;
    let patterns = patterns(&raw.patterns, raw.value)?;
    let scores = scores(&raw)?;
    let validator = validator(raw.validator.as_deref())?;
    let locale = raw.locale.map_or_else(|| locale.clone(), Arc::from);
    if !is_locale(&locale) {
        return Err(RuleProblem::BadLocale);
    }
    let mut context: Vec<String> = raw.context.words();
    context.sort();
    context.dedup();
    let rule = Rule {
        id: raw.id.into(),
        kind: raw.kind.into(),
        pack: pack.clone(),
        locale,
        patterns,
        value: raw.value,
        boundary: boundary(raw.boundary),
        validator,
        needs: needs(raw.needs),
        scores,
        min_entropy: raw.min_entropy,
        keywords: raw.keywords,
        context: context.into_iter().map(Arc::from).collect(),
        context_window: raw.context_window.unwrap_or(CONTEXT_WINDOW).min(MAX_CONTEXT_WINDOW),
        negative: raw.negative.into_iter().map(Arc::from).collect(),
        keys: raw.keys,
        examples: Examples { positive: raw.positive, negative: raw.negative_examples },
    };
    let unmet = match rule.needs {
        Needs::Nothing => false,
        Needs::Context => !rule.has_context(),
        Needs::Validator => rule.validator.is_none(),
        Needs::Either => !rule.has_context() && rule.validator.is_none(),
    };
    if unmet { Err(RuleProblem::UnmetNeed) } else { Ok(rule) }
}

fn names(raw: &RawRule) -> Result<(), RuleProblem> {
    let is_id =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if raw.id.is_empty() || raw.id.len() > 100 || !raw.id.bytes().all(is_id) {
        return Err(RuleProblem::BadId);
    }
    if is_kind(&raw.kind) { Ok(()) } else { Err(RuleProblem::BadKind) }
}

pub(super) fn is_kind(kind: &str) -> bool {
    let is_kind = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !kind.is_empty() && kind.len() <= 60 && kind.bytes().all(is_kind)
}

fn is_locale(locale: &str) -> bool {
    locale == "*" || (locale.len() == 2 && locale.bytes().all(|byte| byte.is_ascii_uppercase()))
}

fn sizes(raw: &RawRule) -> Result<(), RuleProblem> {
    let counted = [
        ("patterns", raw.patterns.len()),
        ("keywords", raw.keywords.len()),
        ("negative words", raw.negative.len()),
        ("keys", raw.keys.len()),
        ("examples", raw.positive.len() + raw.negative_examples.len()),
    ];
    if let Some((what, _)) = counted.into_iter().find(|(_, count)| *count > MAX_ITEMS) {
        return Err(RuleProblem::TooMuch { what, limit: MAX_ITEMS });
    }
    let mut examples = raw.positive.iter().chain(&raw.negative_examples);
    if examples.any(|example| example.len() > MAX_EXAMPLE_BYTES) {
        return Err(RuleProblem::TooMuch { what: "bytes of an example", limit: MAX_EXAMPLE_BYTES });
    }
    Ok(())
}

/// The patterns in the syntax of the automaton, each checked alone.
pub(super) fn patterns(raw: &[String], value: usize) -> Result<Vec<Arc<str>>, RuleProblem> {
    if raw.is_empty() {
        return Err(RuleProblem::NoPattern);
    }
    let numbered = raw.iter().zip(1_usize..);
    numbered.map(|(pattern, number)| one_pattern(pattern, number, value)).collect()
}

fn one_pattern(pattern: &str, number: usize, value: usize) -> Result<Arc<str>, RuleProblem> {
    if pattern.len() > MAX_PATTERN_BYTES {
        let what = "bytes of a pattern";
        return Err(RuleProblem::TooMuch { what, limit: MAX_PATTERN_BYTES });
    }
    let ascii = syntax::ascii(pattern);
    let parsed = syntax::parse(&ascii);
    let meaning = parsed.map_err(|problem| RuleProblem::BadPattern { number, problem })?;
    if meaning.properties().minimum_len().unwrap_or(0) == 0 {
        return Err(RuleProblem::Empty { number });
    }
    if meaning.properties().explicit_captures_len() < value || value > MAX_GROUP {
        return Err(RuleProblem::NoGroup { number, group: value });
    }
    syntax::fits(&ascii).map_err(|problem| RuleProblem::BadPattern { number, problem })?;
    Ok(ascii.into())
}

fn scores(raw: &RawRule) -> Result<Scores, RuleProblem> {
    let score = |name, value: f32| {
        if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(RuleProblem::BadScore(name)) }
    };
    let plain = score("score", raw.score)?;
    let context = raw.score_context.unwrap_or((plain + 0.35).clamp(0.75, 0.99));
    Ok(Scores {
        plain,
        context: score("score_context", context)?,
        valid: score("score_valid", raw.score_valid.unwrap_or(0.95))?,
        invalid: score("score_invalid", raw.score_invalid.unwrap_or((plain - 0.1).max(0.0)))?,
    })
}

fn validator(name: Option<&str>) -> Result<Option<(Arc<str>, validate::Validator)>, RuleProblem> {
    let Some(name) = name else { return Ok(None) };
    let found = validate::find(name).ok_or_else(|| RuleProblem::NoValidator(name.to_owned()))?;
    Ok(Some((name.into(), found)))
}

const fn boundary(raw: RawBoundary) -> Boundary {
    match raw {
        RawBoundary::Word => Boundary::Word,
        RawBoundary::Digit => Boundary::Digit,
        RawBoundary::None => Boundary::None,
    }
}

const fn needs(raw: RawNeeds) -> Needs {
    match raw {
        RawNeeds::Nothing => Needs::Nothing,
        RawNeeds::Context => Needs::Context,
        RawNeeds::Validator => Needs::Validator,
        RawNeeds::Either => Needs::Either,
    }
}
