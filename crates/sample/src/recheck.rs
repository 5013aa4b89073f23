//! The stage before sensitive tools.

use haechi_embed::{Caller, Interceptor, Stop, ToolCall, async_trait};

/// Who may do what cannot be undone: administrators, and whoever runs the gateway in front.
const TRUSTED: [&str; 2] = ["admin", "owner"];

/// Looks once more at who asks for a sensitive tool: whatever rules say, those are for few.
#[derive(Debug)]
pub(crate) struct Recheck;

#[async_trait]
impl Interceptor for Recheck {
    fn name(&self) -> &'static str {
        "recheck"
    }

    async fn before(&self, caller: &Caller, call: &ToolCall<'_>) -> Result<(), Stop> {
        if call.is_sensitive() && !TRUSTED.into_iter().any(|role| caller.has_role(role)) {
            return Err(Stop("sensitive tools of this server are for administrators"));
        }
        Ok(())
    }
}
