//! What `#[secure_tool]` says of one tool: plain data, made at compile time.

use std::borrow::Cow;
use std::time::Duration;

/// Who may call a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Holders of at least one of these roles.
    Roles(&'static [&'static str]),
    /// Every caller who proved an identity.
    Authenticated,
    /// Everybody, also callers without credentials, where the settings let those in at all.
    Anyone,
}

/// What is done with findings of some kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// What is done, in the words of the settings: `encrypt`, `mask:4`, `tokenize`, `refuse`.
    pub action: &'static str,
    /// Which kinds, with `*` for any run of characters; none means every kind.
    pub kinds: &'static [&'static str],
}

/// How often one person may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls within a window.
    pub calls: u32,
    /// The window.
    pub per: Duration,
}

/// What the audit log keeps of permitted calls. Refusals are recorded whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Names of parameters, and commitments to their values; never values.
    #[default]
    Names,
    /// The call, without its parameters.
    NoNames,
    /// Nothing.
    Off,
}

/// What `#[secure_tool]` says of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSecurity {
    pub(crate) who: Who,
    pub(crate) scopes: &'static [&'static str],
    pub(crate) condition: Option<&'static str>,
    pub(crate) sensitive: Option<Option<Duration>>,
    pub(crate) arguments: &'static [Protection],
    pub(crate) results: &'static [Protection],
    pub(crate) recording: Recording,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rate: Option<Rate>,
    pub(crate) concurrency: Option<u32>,
}

impl ToolSecurity {
    /// `who` may call, and nothing else is asked for.
    #[must_use]
    pub const fn new(who: Who) -> Self {
        Self {
            who,
            scopes: &[],
            condition: None,
            sensitive: None,
            arguments: &[],
            results: &[],
            recording: Recording::Names,
            timeout: None,
            rate: None,
            concurrency: None,
        }
    }

    /// Scopes (RFC 6749 §3.3) that the token must carry, all of them.
    #[must_use]
    pub const fn with_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.scopes = scopes;
        self
    }

    /// A Cedar expression that must hold besides, such as `context.arguments.amount < 100`.
    #[must_use]
    pub const fn with_condition(mut self, condition: &'static str) -> Self {
        self.condition = Some(condition);
        self
    }

    /// The caller must have signed in within `max_age`; the settings' own when it is `None`.
    #[must_use]
    pub const fn with_sensitive(mut self, max_age: Option<Duration>) -> Self {
        self.sensitive = Some(max_age);
        self
    }

    /// What is done with findings in arguments; the first that fits decides.
    #[must_use]
    pub const fn with_arguments(mut self, protections: &'static [Protection]) -> Self {
        self.arguments = protections;
        self
    }

    /// What is done with findings in results; the first that fits decides.
    #[must_use]
    pub const fn with_results(mut self, protections: &'static [Protection]) -> Self {
        self.results = protections;
        self
    }

    /// What the audit log keeps.
    #[must_use]
    pub const fn with_recording(mut self, recording: Recording) -> Self {
        self.recording = recording;
        self
    }

    /// How long a call may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How often one person may call.
    #[must_use]
    pub const fn with_rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Calls under way at once, of all callers together.
    #[must_use]
    pub const fn with_concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }
}

/// A server whose tools say who may call them. `#[tool_router]` of this crate implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may call its tools",
    label = "no rules of tools are known for this server",
    note = "write `use haechi_embed::tool_router;` in place of `rmcp::tool_router`, and `#[secure_tool(…)]` above each `#[tool]`",
    note = "a server whose tools carry no `#[secure_tool]` is guarded by the settings alone: `SecureServer::undecorated`"
)]
pub trait Secured {
    /// The decorated tools by name.
    fn tool_security() -> Vec<(Cow<'static, str>, ToolSecurity)>;
}
