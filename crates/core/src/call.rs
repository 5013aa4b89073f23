//! One call: what is asked of which upstream, and from where.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of an upstream in the settings: `[a-z0-9][a-z0-9_-]{0,31}`, without `__` and no `_` at
/// its end, so that in `<upstream>__<tool>` the first `__` always separates the two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamName(pub Arc<str>);

impl UpstreamName {
    /// Takes `name` when it has the form of an upstream's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let fits = name.len() <= 32 && starts_well && name.chars().all(allowed);
        let separable = !name.contains("__") && !name.ends_with('_');
        (fits && separable).then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tool of one upstream, written `upstream:tool`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolName {
    /// Whose tool it is.
    pub upstream: UpstreamName,
    /// The upstream's own name for it.
    pub tool: Arc<str>,
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.upstream, self.tool)
    }
}

/// The two families of protocol revisions, each with its own state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// 2024-11-05 to 2025-11-25: `initialize`, sessions, requests in both directions.
    Legacy,
    /// 2026-07-28: stateless, every request states its version.
    Modern,
}

/// What is asked, as policy and audit name it. Everything here travels through the first door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `tools/call`.
    CallTool,
    /// `resources/read`, `resources/subscribe`, `resources/unsubscribe`.
    ReadResource,
    /// `prompts/get`.
    GetPrompt,
    /// `completion/complete`: judged as the prompt or resource it completes.
    Complete,
    /// `tasks/*`: judged as the tool that made the task.
    UseTask,
    /// `tools/list`, `resources/list`, `resources/templates/list`, `prompts/list`.
    List,
    /// `subscriptions/listen`.
    Subscribe,
    /// Any method this gateway has no word for: needs a rule of its own.
    Other,
}

impl Action {
    /// Every action, in the order of the access matrix.
    pub const ALL: [Self; 8] = [
        Self::CallTool,
        Self::ReadResource,
        Self::GetPrompt,
        Self::Complete,
        Self::UseTask,
        Self::List,
        Self::Subscribe,
        Self::Other,
    ];

    /// The word for policies, logs and entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallTool => "call_tool",
            Self::ReadResource => "read_resource",
            Self::GetPrompt => "get_prompt",
            Self::Complete => "complete",
            Self::UseTask => "use_task",
            Self::List => "list",
            Self::Subscribe => "subscribe",
            Self::Other => "other",
        }
    }
}

/// What the action is done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Whose it is.
    pub upstream: UpstreamName,
    /// The tool's or prompt's name, the resource's URI, the method for [`Action::Other`]; empty
    /// for lists.
    pub name: Arc<str>,
}

/// Where a call came from. Everything but the address is the caller's own word.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The peer's address; absent on stdio.
    pub address: Option<IpAddr>,
    /// The client's name and version as it states them, cut to 128 characters.
    pub client: Option<Arc<str>>,
    /// `traceparent` (W3C Trace Context §3.2), when it is well formed.
    pub trace_id: Option<Arc<str>>,
    /// The route it came in by: `stdio`, `/mcp` or `/<upstream>/mcp`.
    pub route: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_name_has_one_form() {
        for good in ["files", "a", "crm-2", "my_files", "9lives"] {
            assert!(UpstreamName::parse(good).is_some(), "{good}");
        }
        let long = "a".repeat(33);
        for bad in ["", "Files", "a__b", "a_", "-a", "_a", "a.b", "a/b", "파일", "а", long.as_str()]
        {
            assert!(UpstreamName::parse(bad).is_none(), "{bad}");
        }
    }
}
