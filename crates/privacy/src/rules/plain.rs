//! `pii_patterns.json`: an object of kinds, each with its patterns.

use haechi_core::json::{self, Kind, Limits};

use super::{
    Boundary, Examples, MAX_FILE_BYTES, MAX_RULES, Needs, Rule, RuleError, RuleProblem, Scores,
    check,
};

const LIMITS: Limits = Limits { max_bytes: MAX_FILE_BYTES, max_depth: 2, max_members: MAX_RULES };

/// The score of a finding: whoever writes a pattern of their own means it.
const SCORE: f32 = 0.8;

pub(super) fn read(file: &str, contents: &str) -> Result<Vec<Rule>, RuleError> {
    let malformed = |problem: &str| {
        let problem = RuleProblem::Malformed { line: 1, problem: problem.to_owned() };
        RuleError::of_file(file, problem)
    };
    let text =
        json::check(contents.as_bytes(), &LIMITS).map_err(|error| malformed(&error.to_string()))?;
    if text.kind() != Kind::Object {
        return Err(malformed("an object of kinds, each with a list of patterns, is expected"));
    }
    let mut rules = Vec::new();
    for member in text.members() {
        if member.value.kind() != Kind::Array
            || member.value.elements().any(|e| e.kind() != Kind::String)
        {
            return Err(malformed("each kind must have a list of patterns"));
        }
        let patterns: Vec<String> = member
            .value
            .elements()
            .filter_map(|element| Some(element.string()?.into_owned()))
            .collect();
        let rule = one(file, &member.key, &patterns);
        rules.push(rule.map_err(|problem| RuleError::of_rule(file, &member.key, problem))?);
    }
    Ok(rules)
}

fn one(file: &str, kind: &str, patterns: &[String]) -> Result<Rule, RuleProblem> {
    let upper = kind.to_ascii_uppercase().replace(['-', ' '], "_");
    if !check::is_kind(&upper) {
        return Err(RuleProblem::BadKind);
    }
    Ok(Rule {
        id: format!("plain_{}", upper.to_ascii_lowercase()).into(),
        kind: upper.into(),
        pack: file.into(),
        locale: "*".into(),
        patterns: check::patterns(patterns, 0)?,
        value: 0,
        boundary: Boundary::None,
        validator: None,
        needs: Needs::Nothing,
        scores: Scores { plain: SCORE, context: SCORE, valid: SCORE, invalid: SCORE },
        min_entropy: 0.0,
        keywords: Vec::new(),
        context: Vec::new(),
        context_window: 0,
        negative: Vec::new(),
        keys: Vec::new(),
        examples: Examples::default(),
    })
}
