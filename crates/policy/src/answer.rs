//! What policy answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Action, Resource};
use serde::Serialize;

/// The name of a rule: `role user allow files:read_*`, or a Cedar policy's file, line and `@id`.
pub type RuleId = Arc<str>;

/// Proof that policy permits one call. Only [`Policy::judge`](crate::Policy::judge) makes it.
///
/// It cannot be made elsewhere, copied, or defaulted:
///
/// ```compile_fail,E0451
/// # use haechi_core::{Action, Resource, UpstreamName};
/// # let resource = Resource { upstream: UpstreamName("files".into()), name: "t".into() };
/// let (rules, sensitive, epoch, action) = ([].into(), None, 0, Action::CallTool);
/// let forged = haechi_policy::Permitted { rules, sensitive, epoch, action, resource };
/// ```
///
/// ```compile_fail,E0599
/// let forged = haechi_policy::Permitted::default();
/// ```
///
/// ```compile_fail,E0277
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<haechi_policy::Permitted>();
/// ```
#[derive(Debug)]
#[must_use = "the call must leave under this proof"]
pub struct Permitted {
    rules: Arc<[RuleId]>,
    sensitive: Option<Duration>,
    epoch: u64,
    action: Action,
    resource: Resource,
}

impl Permitted {
    pub(crate) fn new(
        rules: Arc<[RuleId]>,
        sensitive: Option<Duration>,
        epoch: u64,
        action: Action,
        resource: &Resource,
    ) -> Self {
        Self { rules, sensitive, epoch, action, resource: resource.clone() }
    }

    /// The rules that permit it, in the order of the policy.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    /// The obligation of a sensitive call: how old the caller's sign-in may be.
    #[must_use]
    pub const fn sensitive(&self) -> Option<Duration> {
        self.sensitive
    }

    /// The version of the policy that decided.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is permitted.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// To what it is permitted.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }
}

/// Why policy denies one call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    /// The rules that deny it; empty where no rule permits it.
    pub rules: Arc<[RuleId]>,
    /// In what way it is denied.
    pub reason: DenialReason,
    /// What the caller may know: the `@reason` of the Cedar policy that forbids it.
    pub public_reason: Option<Arc<str>>,
}

/// In what way a call is denied. The texts are for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// No rule permits it.
    NoRule,
    /// A rule forbids it.
    Forbidden,
    /// A policy could not be evaluated, so nothing can be permitted.
    EvaluationFailed {
        /// What failed, without any value of an argument.
        detail: Arc<str>,
    },
    /// Only a scope is missing.
    StepUp {
        /// Every scope the token must carry for this call, in alphabetical order.
        scopes: Arc<[String]>,
    },
    /// The API key is narrowed to other upstreams or tools.
    Restricted,
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule permits this"),
            Self::Forbidden => f.write_str("a rule forbids this"),
            Self::EvaluationFailed { detail } => {
                write!(f, "a policy could not be evaluated: {detail}")
            }
            Self::StepUp { scopes } => {
                write!(f, "the token lacks a scope; needed: `{}`", scopes.join(" "))
            }
            Self::Restricted => f.write_str("the API key is not for this upstream or tool"),
        }
    }
}

/// The answer without arguments, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Foresight {
    /// Permitted, whatever the arguments.
    Yes,
    /// Denied, whatever the arguments.
    No,
    /// The arguments decide.
    Depends,
}

impl Foresight {
    /// The word tables show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Depends => "depends",
        }
    }
}

/// Which rule decided, which came close, and what failed.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Whether the call is permitted.
    pub permitted: bool,
    /// The answer in one sentence.
    pub summary: String,
    /// The rules that decided.
    pub decided_by: Vec<RuleId>,
    /// How old the sign-in may be, in seconds, for a sensitive call.
    pub sensitive_max_age_secs: Option<u64>,
    /// Every rule whose caller, action and upstream fit, with its own verdict.
    pub considered: Vec<RuleVerdict>,
    /// What could not be evaluated.
    pub errors: Vec<String>,
    /// The version of the policy.
    pub epoch: u64,
}

/// The verdict of one rule by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleVerdict {
    /// Its name.
    pub rule: RuleId,
    /// Whether it permits or forbids.
    pub permits: bool,
    /// What came of it.
    pub verdict: VerdictKind,
    /// The conditions that do not hold, in words; never the value of an argument.
    pub because: Vec<String>,
}

/// What came of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// All its conditions hold.
    Applies,
    /// It is about this caller and this upstream, but a condition does not hold.
    CameClose,
    /// It could not be evaluated.
    Failed,
}
