//! What is wrong with a policy, and what is only odd about it.

/// Why a policy is not loaded. All problems of a source come at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// A role has no name, or one that cannot be shown.
    #[error("role `{role}`: a name has 1 to 128 characters and no control characters")]
    RoleName {
        /// The name, escaped.
        role: String,
    },
    /// Two roles have one name.
    #[error("role `{role}` is there twice")]
    DuplicateRole {
        /// The name.
        role: String,
    },
    /// A pattern cannot be read.
    #[error("{place}: `{pattern}`: {what}")]
    Pattern {
        /// Which rule.
        place: String,
        /// The pattern, escaped.
        pattern: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A pattern names an upstream that the settings do not have.
    #[error("{place}: there is no upstream `{upstream}`")]
    UnknownUpstream {
        /// Which rule.
        place: String,
        /// The name, or the glob that no name matches.
        upstream: String,
    },
    /// A matcher can never match.
    #[error("{place}: argument `{argument}`: {what}")]
    Matcher {
        /// Which rule.
        place: String,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A rule reads arguments where there are none.
    #[error("{place} reads arguments, but {action} has none")]
    NoArguments {
        /// Which rule.
        place: String,
        /// The action, in words.
        action: String,
    },
    /// A Cedar file cannot be parsed or does not fit the schema.
    #[error("{file}:{line}: {what}")]
    Cedar {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What Cedar says.
        what: String,
    },
    /// Something is larger than its limit.
    #[error("{what}: {size} is over the limit of {limit}")]
    TooLarge {
        /// What is too large, with its unit.
        what: String,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A policy that was built from a role is not one Cedar takes.
    #[error("{place}: Cedar does not take this rule: {what}")]
    Compile {
        /// Which rule.
        place: String,
        /// What Cedar says.
        what: String,
    },
}

impl PolicyProblem {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::RoleName { .. } => "rename the role",
            Self::DuplicateRole { .. } => "merge the two into one",
            Self::Pattern { .. } => "write `upstream:name`, with `*` for any run of characters",
            Self::UnknownUpstream { .. } => "name an upstream of the settings, or `*`",
            Self::Matcher { .. } => "correct the matcher or remove it",
            Self::NoArguments { .. } => {
                "only tools and prompts have arguments; drop the condition or narrow the action"
            }
            Self::Cedar { .. } => "`haechi policy show --schema` prints the schema",
            Self::TooLarge { .. } => "split it or make it smaller",
            Self::Compile { .. } => "write the rule in a Cedar file",
        }
    }
}

/// A rule that loads but cannot do what it seems to. Never silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyWarning {
    /// The upstream's catalog is known and has no such tool.
    #[error("{place}: `{upstream}` has no tool `{tool}`")]
    UnknownTool {
        /// Which rule.
        place: String,
        /// The upstream.
        upstream: String,
        /// The tool.
        tool: String,
    },
    /// Every catalog it could match is known, and it matches nothing.
    #[error("{place}: `{pattern}` matches no tool")]
    MatchesNothing {
        /// Which rule.
        place: String,
        /// The glob.
        pattern: String,
    },
    /// The schema of every tool it matches is known, and none has such an argument.
    #[error("{place}: no tool it matches has an argument `{argument}`")]
    UnknownArgument {
        /// Which rule.
        place: String,
        /// The argument.
        argument: String,
    },
    /// A `deny` of the same role takes everything the rule allows.
    #[error("{place} allows nothing: `{deny}` denies all of it")]
    Shadowed {
        /// Which rule.
        place: String,
        /// The rule that denies.
        deny: String,
    },
    /// Cedar's validator has a doubt.
    #[error("{file}:{line}: {what}")]
    Cedar {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What Cedar says.
        what: String,
    },
}
