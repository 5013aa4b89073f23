//! May they? Roles and Cedar policies compiled into one immutable decision point.

mod answer;
mod cedar;
mod compile;
mod disguise;
mod entry;
mod expectations;
mod explain;
mod glob;
mod judge;
mod matcher;
mod matrix;
mod policy;
mod problem;
mod question;
mod restriction;
mod scope;
mod shard;
mod source;

pub use answer::{
    Denial, DenialReason, Explanation, Foresight, Permitted, RuleId, RuleVerdict, VerdictKind,
};
pub use expectations::{
    CaseResult, ExpectationReport, Expectations, Expected, ExpectedCase, ExpectedForesight,
    Surroundings,
};
pub use matrix::{Matrix, MatrixRow, stand_in};
pub use policy::Policy;
pub use problem::{PolicyProblem, PolicyWarning};
pub use question::{Arguments, Question};
pub use source::{
    Annotations, CedarFile, KnownTool, Matcher, PolicySource, Role, Rule, RuleKind, SensitiveRule,
};
