//! Whom the values of a call are about.

use super::any_name;

/// Names the person whom the values of some calls are about. An empty list is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// Globs over the upstream's name.
    pub upstreams: Vec<String>,
    /// Globs over the tool's name.
    pub tools: Vec<String>,
    /// Where the person's id stands.
    pub source: SubjectSource,
    /// Who vouches for the id: `data-subject`, or an issuer.
    pub namespace: String,
}

/// Where the id of the person stands whom values are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// It is the caller.
    Caller,
    /// In this argument: a JSON pointer (RFC 6901) into `arguments`.
    Argument(String),
}

impl SubjectRule {
    pub(super) fn concerns(&self, upstream: &str, tool: &str) -> bool {
        any_name(&self.upstreams, upstream) && any_name(&self.tools, tool)
    }
}
