//! What the macros write paths to: of `haechi-embed`, only what they need, for that is compiled once
//! more for the cases here, without any of the rooms below it.

#[path = "../../src/security.rs"]
mod security;

pub use rmcp;
pub use security::{Protection, Rate, Recording, Secured, ToolSecurity, Who};

/// In place of `haechi-embed`'s own.
pub mod hidden {
    use rmcp::ErrorData;
    use rmcp::handler::server::common::FromContextPart;

    /// Let in without a look.
    #[derive(Debug)]
    pub struct Admitted(());

    impl<C> FromContextPart<C> for Admitted {
        fn from_context_part(_: &mut C) -> Result<Self, ErrorData> {
            Ok(Self(()))
        }
    }
}
