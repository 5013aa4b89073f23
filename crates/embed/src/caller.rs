//! The caller, as a tool gets it.

use std::collections::BTreeSet;

use haechi_core::{Means, Principal};
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::ErrorCode;

/// The code of a tool that wants a caller where nobody said who calls.
const NOBODY: ErrorCode = ErrorCode(40_100);

/// Who calls, proved: a parameter of tools and prompts.
///
/// ```
/// # use haechi_embed::{Caller, Who, ToolSecurity};
/// fn greeting(caller: &Caller) -> String {
///     format!("hello {}", caller.name().unwrap_or(caller.subject()))
/// }
/// # let _ = greeting;
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Principal,
}

impl Caller {
    pub(crate) const fn new(principal: Principal) -> Self {
        Self { principal }
    }

    /// The issuer's name for the caller (`sub`); for users of this server's own store the `user_id`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.principal.subject
    }

    /// Who vouches: an issuer's URL, or this server's own issuer name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.principal.issuer
    }

    /// The display name (`name`).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.principal.name.as_deref()
    }

    /// The name typed at sign-in, or `preferred_username`.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.principal.username.as_deref()
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.principal.email.as_deref()
    }

    /// All roles.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<String> {
        &self.principal.roles
    }

    /// Whether the caller holds `role`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.principal.roles.contains(role)
    }

    /// Scopes of the token (RFC 6749 §3.3); none for users of this server's own store.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.principal.scopes
    }

    /// One claim of the token, by name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&serde_json::Value> {
        self.principal.claims.get(name)
    }

    /// All claims of the token; `null` where there was none.
    #[must_use]
    pub fn claims(&self) -> &serde_json::Value {
        &self.principal.claims
    }

    /// Whether nobody is known by this caller: nothing was presented, and the settings allow that.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.principal.means == Means::Anonymous
    }

    /// Everything that identity proved, for use with the rooms one by one.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self::new(principal)
    }
}

/// There is a caller in every call that came through [`SecureServer`](crate::SecureServer).
impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        context.as_request_context().extensions.get::<Self>().cloned().ok_or_else(|| {
            let text = "nobody said who is calling: serve this through `SecureServer`";
            ErrorData::new(NOBODY, text, None)
        })
    }
}
