//! The stage before sensitive tools.

use haechi_embed::{Caller, Interceptor, Stop, ToolCall, async_trait};

/// Whoever may do what cannot be undone.
const TRUSTED: &str = "admin";

/// Looks once more at who asks for a sensitive tool: whatever rules say, those are an
/// administrator's.
#[derive(Debug)]
pub(crate) struct Recheck;

#[async_trait]
impl Interceptor for Recheck {
    fn name(&self) -> &'static str {
        "recheck"
    }

    async fn before(&self, caller: &Caller, call: &ToolCall<'_>) -> Result<(), Stop> {
        if call.is_sensitive() && !caller.has_role(TRUSTED) {
            return Err(Stop("sensitive tools of this server are for administrators"));
        }
        Ok(())
    }
}
