//! The decision point.

use std::sync::Arc;

use haechi_core::Action;

use crate::answer::{Denial, Explanation, Foresight, Permitted};
use crate::cedar::{entities::Types, reads::Reads, schema};
use crate::compile::{Sensitive, compile};
use crate::entry::Entries;
use crate::judge::{Caches, Verdict};
use crate::problem::{PolicyProblem, PolicyWarning};
use crate::question::Question;
use crate::shard::Shards;
use crate::source::PolicySource;

/// The compiled, immutable policy. A new version is compiled and swapped in whole.
#[derive(Debug)]
pub struct Policy {
    pub(crate) epoch: u64,
    pub(crate) entries: Entries,
    pub(crate) sensitive: Vec<Sensitive>,
    pub(crate) shards: Shards,
    pub(crate) types: Types,
    /// Whether any policy reads claims: they are left out of the entities where none does.
    pub(crate) reads_claims: bool,
    pub(crate) authorizer: cedar_policy::Authorizer,
    pub(crate) caches: Caches,
}

impl Policy {
    /// Compiles `source` as version `epoch`.
    ///
    /// # Errors
    ///
    /// Every [`PolicyProblem`] of the source at once.
    pub fn compile(
        source: &PolicySource,
        epoch: u64,
    ) -> Result<(Self, Vec<PolicyWarning>), Vec<PolicyProblem>> {
        let compiled = compile(source);
        if !compiled.problems.is_empty() {
            return Err(compiled.problems);
        }
        let broken = |what: String| {
            vec![PolicyProblem::Compile { place: "the policy as a whole".to_owned(), what }]
        };
        let shards = Shards::build(&compiled.entries.list, source).map_err(broken)?;
        let types = Types::new().ok_or_else(|| broken("its own type names".to_owned()))?;
        let claims = compiled.entries.list.iter().any(|entry| entry.reads.has(Reads::CLAIMS));
        let policy = Self {
            epoch,
            reads_claims: claims,
            entries: compiled.entries,
            sensitive: compiled.sensitive,
            shards,
            types,
            authorizer: cedar_policy::Authorizer::new(),
            caches: Caches::new(),
        };
        Ok((policy, compiled.warnings))
    }

    /// Judges one call with its arguments.
    ///
    /// # Errors
    ///
    /// [`Denial`] unless a rule permits it, none forbids it, and all could be evaluated.
    pub fn judge(&self, question: &Question<'_>) -> Result<Permitted, Denial> {
        match self.verdict(question) {
            Verdict::Permit { rules, sensitive } => {
                let (action, resource) = (question.action, question.resource);
                Ok(Permitted::new(Arc::clone(&rules), sensitive, self.epoch, action, resource))
            }
            Verdict::Deny(denial) => Err(Denial::clone(&denial)),
        }
    }

    /// Answers without arguments, for lists: [`Foresight::Yes`] and [`Foresight::No`] hold whatever
    /// the arguments will be. `question.arguments` is not looked at.
    #[must_use]
    pub fn foresee(&self, question: &Question<'_>) -> Foresight {
        self.foresight(question)
    }

    /// Says which rule decides, which came close, and what failed. Slow, and never cached.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        self.explanation(question)
    }

    /// The version that was given to [`compile`](Self::compile).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether any rule for `action` on `upstream` reads arguments. Where none does, judging
    /// without them is the same.
    #[must_use]
    pub fn reads_arguments(&self, upstream: &str, action: Action) -> bool {
        self.shards.general(upstream, action).is_none_or(|shard| shard.reads.arguments())
    }

    /// What roles and files compiled to, as Cedar text, in order. What roles call sensitive stands
    /// in comments at the end.
    #[must_use]
    pub fn cedar_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries.list {
            let policy = entry.policy.to_cedar().unwrap_or_default();
            text.push_str(&format!("// {}\n{policy}\n\n", entry.rule));
        }
        for sensitive in &self.sensitive {
            text.push_str(&format!("// {}\n", sensitive.describe()));
        }
        text
    }

    /// The schema that Cedar files are validated against. The type `Arguments` is filled in for
    /// each policy: from the schemas of the tools it concerns, or else from its own use.
    #[must_use]
    pub const fn schema_text() -> &'static str {
        schema::TEXT
    }

    /// Names of all rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &crate::RuleId> {
        self.entries.list.iter().map(|entry| &entry.rule)
    }
}
