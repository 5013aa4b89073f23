//! The macros of `haechi-embed`, which exports them: the rules of a tool, written where the tool is.

mod action;
mod amount;
mod attribute;
mod expand;
mod form;
mod kind;
mod nearest;
mod problems;
mod protection;
mod role;
mod router;
#[cfg(test)]
mod tests;
mod tool;

use proc_macro::TokenStream;

/// Says who may call a tool, and what else holds for its calls. Stands above `#[tool]`.
///
/// ```text
/// #[secure_tool(roles("admin"), sensitive(max_age = "5m"), results = "tokenize", timeout = "10s")]
/// #[tool]
/// async fn delete_user(&self, caller: Caller, Parameters(q): Parameters<UserId>) -> Result<Json<Deleted>, McpError> { … }
/// ```
///
/// Exactly one of these says who may call:
///
/// | option | who |
/// |---|---|
/// | `roles("user", "admin")` | holders of at least one of these roles |
/// | `authenticated` | everybody who proved an identity |
/// | `anyone` | also callers without credentials, where the settings let those in at all |
///
/// When `haechi.toml` stands beside `Cargo.toml` and has a `[roles]` table, a role that is not in it
/// does not compile. A `haechi.toml` that is put there later is seen at the next change of the code.
///
/// All others may be left out, and none may stand twice:
///
/// | option | what it does |
/// |---|---|
/// | `scopes("files.read files.write")` | scopes that the token must carry, all of them (RFC 6749 §3.3) |
/// | `condition = "context.arguments.amount < 100"` | a Cedar expression that must hold besides |
/// | `sensitive`, `sensitive(max_age = "5m")` | a fresh sign-in, and the stored user is looked at once more |
/// | `encrypt(arguments = ["EMAIL"], results = ["KR_*"])` | what is done with findings of these kinds; likewise `mask`, `refuse`, `redact`, `tokenize`, `tokenize_same`, `hash`, `format`, `generalize` and `allow` |
/// | `arguments = "encrypt"`, `results = "mask:4"` | what is done with findings of every other kind: an action of `docs/obligations.md`, with its parameters |
/// | `audit(parameters = "none")`, `audit = "off"` | keeps the names of parameters, or permitted calls as a whole, out of the audit log; refusals are recorded all the same |
/// | `timeout = "10s"` | how long a call may take, from `10ms` to `24h` |
/// | `rate = "10/min"` | how often one person may call: per `s`, `min` or `h` |
/// | `concurrency = 4` | calls under way at once, of all callers together |
///
/// Three functions come of it. The tool itself gets a hidden parameter, which refuses when nobody
/// guards the server; its input schema stays. `<name>_unguarded` is what was written, for tests.
/// `<name>_security` is what the attribute says.
///
/// A kind has one action in each direction. Kinds are written out, or as patterns in which `*` stands
/// for any run of characters, or as people say them: `EMAIL`, `PHONE`, `CARD`, `NAME`, `ADDRESS`.
///
/// # Errors
///
/// Whatever is wrong is a compile error with its fix, and all of one attribute come at once.
///
/// # Kinds
///
/// ```text
#[doc = include_str!("kinds.txt")]
/// ```
#[proc_macro_attribute]
pub fn secure_tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::secure_tool(arguments.into(), item.into(), &role::KnownRoles::beside_manifest()).into()
}

/// `rmcp`'s `#[tool_router]`, which it calls with the same arguments, and `Secured` besides.
///
/// The decorated tools of the impl block are listed by `<router>_security()`. When the router has
/// its usual name, `tool_router`, `haechi_embed::Secured` is implemented with that list; where there
/// are several routers, or another name, implement it by hand with the lists of all of them.
///
/// Tools without `#[secure_tool]` compile, are not in the list, and are refused by `SecureServer`.
/// A tool may carry `#[cfg(…)]`, which `rmcp`'s own macro alone does not take.
#[proc_macro_attribute]
pub fn tool_router(arguments: TokenStream, item: TokenStream) -> TokenStream {
    router::tool_router(&arguments.into(), item.into()).into()
}
