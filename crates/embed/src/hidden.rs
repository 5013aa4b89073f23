//! What the macros write into a server. Not for people: it may change at any time.

use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::ErrorCode;

/// The code of a guarded tool that is called without its guard.
const NOT_GUARDED: ErrorCode = ErrorCode(50_303);

/// Proof, for the body of a tool, that its call came through [`SecureServer`](crate::SecureServer):
/// the one maker puts it into the context of each call that was permitted, screened and recorded.
#[derive(Clone, Debug)]
pub struct Admitted(());

impl Admitted {
    pub(crate) const fn by_guard() -> Self {
        Self(())
    }
}

/// A guarded tool of a server that nobody guards refuses every call.
impl<C: AsRequestContext> FromContextPart<C> for Admitted {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        context.as_request_context().extensions.get::<Self>().cloned().ok_or_else(|| {
            let text = "this tool runs behind its guard only: serve it through `SecureServer`";
            ErrorData::new(NOT_GUARDED, text, None)
        })
    }
}
