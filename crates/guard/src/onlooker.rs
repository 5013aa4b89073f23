//! Who sees what passes.

use haechi_core::{Action, Principal, Sid, UpstreamName};
use haechi_privacy::{Direction, Scene};

/// Who sees what passes, and of which tool it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Onlooker<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) upstream: &'a UpstreamName,
    /// The tool or prompt; the method where there is none.
    pub(crate) tool: &'a str,
    /// Whom the values are about, where that is known.
    pub(crate) subject: Option<&'a Sid>,
}

impl<'a> Onlooker<'a> {
    /// What privacy judges by.
    pub(crate) fn scene(self, direction: Direction, skip: &'a [&'a str]) -> Scene<'a> {
        Scene {
            direction,
            tenant: self.principal.tenant.as_deref().unwrap_or_default(),
            upstream: self.upstream.as_str(),
            tool: self.tool,
            roles: &self.principal.roles,
            receiver: &self.principal.sid,
            subject: self.subject,
            skip,
        }
    }
}

/// What privacy's rules call the tool.
pub(crate) fn tool_of<'a>(method: &'a str, name: &'a str, action: Action) -> &'a str {
    match action {
        Action::CallTool | Action::UseTask | Action::GetPrompt => name,
        _ => method,
    }
}
