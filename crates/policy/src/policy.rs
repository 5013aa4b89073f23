//! The decision point.

use haechi_core::Action;

use crate::{
    Denial, DenialReason, Explanation, Foresight, Permitted, PolicyProblem, PolicySource,
    PolicyWarning, Question,
};

/// The compiled, immutable policy. A new version is compiled and swapped in whole.
#[derive(Debug)]
pub struct Policy {
    epoch: u64,
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
        let _ = source;
        Ok((Self { epoch }, Vec::new()))
    }

    /// Judges one call with its arguments.
    ///
    /// # Errors
    ///
    /// [`Denial`] unless a rule permits it, none forbids it, and all could be evaluated.
    pub fn judge(&self, question: &Question<'_>) -> Result<Permitted, Denial> {
        let _ = question;
        Err(Denial { rules: [].into(), reason: DenialReason::NoRule, public_reason: None })
    }

    /// Answers without arguments, for lists.
    #[must_use]
    pub fn foresee(&self, question: &Question<'_>) -> Foresight {
        let _ = question;
        Foresight::No
    }

    /// Says which rule decides, which came close, and what failed.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let _ = question;
        Explanation {
            permitted: false,
            summary: DenialReason::NoRule.to_string(),
            decided_by: Vec::new(),
            sensitive_max_age_secs: None,
            considered: Vec::new(),
            errors: Vec::new(),
            epoch: self.epoch,
        }
    }

    /// The version that was given to [`compile`](Self::compile).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether any rule for `action` on `upstream` reads arguments.
    #[must_use]
    pub fn reads_arguments(&self, upstream: &str, action: Action) -> bool {
        let _ = (upstream, action);
        false
    }

    /// What roles and files compiled to, as Cedar text.
    #[must_use]
    pub fn cedar_text(&self) -> String {
        String::new()
    }

    /// The schema that Cedar files are validated against.
    #[must_use]
    pub fn schema_text() -> String {
        String::new()
    }
}
