//! May they? Roles and Cedar policies compiled into one immutable decision point.

mod answer;
mod policy;
mod problem;
mod question;
mod source;

pub use answer::{
    Denial, DenialReason, Explanation, Foresight, Permitted, RuleId, RuleVerdict, VerdictKind,
};
pub use policy::Policy;
pub use problem::{PolicyProblem, PolicyWarning};
pub use question::{Arguments, Question};
pub use source::{
    Annotations, CedarFile, KnownTool, Matcher, PolicySource, Role, Rule, RuleKind, SensitiveRule,
};
