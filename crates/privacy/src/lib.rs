//! What must stay unseen: finds personal, financial and secret data, and does with it what the settings say.

#[cfg(feature = "deep")]
mod deep;
mod detect;
mod finding;
mod obligation;
mod privacy;
mod rules;
mod schema;
#[doc(hidden)]
pub mod tagger;
mod transform;
mod validate;

#[cfg(feature = "deep")]
pub use deep::{Deep, DeepConfig, DeepError, NetworkError, OnFailure, ReadError};
pub use detect::{Detector, DetectorConfig, LeafFinding, PatternFile, Target};
pub use finding::{Evidence, Finding, RuleName, code_points};
pub use obligation::{
    Action, ActionError, Direction, Generalization, ObligationRule, Obligations, OpenRule, SPARED,
    Scene, SubjectRule, SubjectSource, Whose,
};
pub use privacy::{
    Limit, MAX_BYTES, MAX_FINDINGS, MAX_TOKENS, Privacy, PrivacyError, Restored, Screening,
};
pub use rules::{FailedExample, RuleError, RuleProblem, RuleReport, RuleSummary, test_rules};
pub use tagger::Tagger;
pub use transform::without_vault;

/// The packs that are built in: name of the file and contents, for who wants to read or test them.
#[doc(hidden)]
pub const BUILT_IN: &[(&str, &str)] = &rules::BUILT_IN;
