//! Which rule decided, which came close, and what failed.

use cedar_policy::{Decision, PolicySet};
use serde_json::Value;

use crate::answer::{DenialReason, Explanation, RuleVerdict, VerdictKind};
use crate::cedar::reads::{conjuncts, with_conditions};
use crate::entry::{Entry, parse};
use crate::judge::{Bench, Memory, Verdict, refused_outright};
use crate::policy::Policy;
use crate::question::Question;

impl Policy {
    pub(crate) fn explanation(&self, question: &Question<'_>) -> Explanation {
        let verdict = self.verdict_with(question, Memory::Ignore);
        let considered = self.considered(question);
        let (permitted, decided_by, sensitive, summary, errors) = match &verdict {
            Verdict::Permit { rules, sensitive } => {
                let summary = format!("permitted by {}", quoted(rules));
                (true, rules.to_vec(), *sensitive, summary, Vec::new())
            }
            Verdict::Deny(denial) => {
                let close = considered.iter().find(|rule| rule.verdict == VerdictKind::CameClose);
                let summary = summary(&denial.reason, &denial.rules, close);
                let errors = match &denial.reason {
                    DenialReason::EvaluationFailed { detail } => vec![detail.as_ref().to_owned()],
                    DenialReason::NoRule
                    | DenialReason::Forbidden
                    | DenialReason::StepUp { .. }
                    | DenialReason::Restricted => Vec::new(),
                };
                (false, denial.rules.to_vec(), None, summary, errors)
            }
        };
        Explanation {
            permitted,
            summary,
            decided_by,
            sensitive_max_age_secs: sensitive.map(|age| age.as_secs()),
            considered,
            errors,
            epoch: self.epoch,
        }
    }

    /// The verdict of every rule whose caller, action, upstream and name fit.
    fn considered(&self, question: &Question<'_>) -> Vec<RuleVerdict> {
        if refused_outright(question).is_some() {
            return Vec::new();
        }
        let Some(shard) = self.shard(question) else { return Vec::new() };
        let Ok(bench) = self.bench(shard, question, Memory::Ignore) else { return Vec::new() };
        let (upstream, name) = (question.resource.upstream.as_str(), &question.resource.name);
        let entries = shard.entries.iter().filter_map(|index| self.entry(*index));
        let concerned = entries.filter(|entry| entry.scope.concerns(upstream, name));
        concerned.filter_map(|entry| self.rule_verdict(entry, question, &bench)).collect()
    }

    /// The verdict of one rule; `None` when its scope does not fit.
    fn rule_verdict(
        &self,
        entry: &Entry,
        question: &Question<'_>,
        bench: &Bench,
    ) -> Option<RuleVerdict> {
        let json = entry.policy.to_json().ok()?;
        self.holds(bench, with_conditions(&json, Vec::new())).filter(|fits| *fits)?;
        let all = conjuncts(&json);
        let whole = self.holds(bench, with_conditions(&json, all.clone()));
        let (verdict, because) = match whole {
            Some(true) => (VerdictKind::Applies, Vec::new()),
            Some(false) => (VerdictKind::CameClose, self.lacking(entry, question, bench, &json)),
            None => (VerdictKind::Failed, Vec::new()),
        };
        Some(RuleVerdict { rule: entry.rule.clone(), permits: entry.permits, verdict, because })
    }

    /// Whether a policy, as a permit, applies; `None` when it fails to evaluate.
    fn holds(&self, bench: &Bench, permit: Value) -> Option<bool> {
        let set = PolicySet::from_policies([parse(0, permit).ok()?]).ok()?;
        let response = bench.ask(self, &set);
        let clean = response.diagnostics().errors().next().is_none();
        clean.then(|| response.decision() == Decision::Allow)
    }

    /// The conditions that do not hold, in words.
    fn lacking(
        &self,
        entry: &Entry,
        question: &Question<'_>,
        bench: &Bench,
        json: &Value,
    ) -> Vec<String> {
        let mut words = Vec::new();
        let arguments = question.arguments.unwrap_or(&Value::Null);
        for matcher in entry.matchers.iter().filter_map(|i| self.entries.matchers.get(*i)) {
            let met =
                if entry.permits { matcher.holds(arguments) } else { matcher.suspected(arguments) };
            if !met {
                words.push(format!("argument does not match: {}", matcher.name));
            }
        }
        let missing = entry.scopes.iter().filter(|s| !question.principal.scopes.contains(*s));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if entry.permits && !missing.is_empty() {
            words.push(format!("the token lacks the scope `{}`", missing.join(" ")));
        }
        if entry.may_fail {
            for (index, condition) in conjuncts(json).into_iter().enumerate() {
                if self.holds(bench, with_conditions(json, vec![condition])) == Some(false) {
                    words.push(format!("condition {} does not hold", index + 1));
                }
            }
        }
        words
    }
}

fn summary(reason: &DenialReason, rules: &[crate::RuleId], close: Option<&RuleVerdict>) -> String {
    let by = if rules.is_empty() { String::new() } else { format!(": {}", quoted(rules)) };
    let near = close
        .filter(|_| *reason == DenialReason::NoRule)
        .map(|rule| format!("; `{}` came close ({})", rule.rule, rule.because.join("; ")));
    format!("denied, {reason}{by}{}", near.unwrap_or_default())
}

fn quoted(rules: &[crate::RuleId]) -> String {
    let quoted: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    quoted.join(", ")
}
