//! What our macros rely on in those of `rmcp`, and which its documentation does not promise.

use std::future::Future;
use std::pin::Pin;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::Tool;
use rmcp::{tool, tool_router};
use toml::{Table, Value};

/// The versions that were read: `rmcp`, and its macros.
const READ: (&str, &str) = ("3.9.0", "3.11.0");

/// What to look at before [`READ`] is changed.
const LOOK: &str = "rmcp has changed; look at these, then write the new versions into READ:
- rmcp-macros, tool_router: takes the methods with an attribute that ends in `tool`, unexpanded, and
  names them `Self::<name>` and `Self::<name>_tool_attr()` (secure_tool and tool_router rely on it)
- rmcp-macros, tool: a schema comes from the parameter of type `Parameters` alone; `async fn` becomes
  `fn -> Pin<Box<dyn Future>>` (`#[secure_tool]` below `#[tool]` is told by that)
- rmcp-macros, tool_router: arguments `router`, `vis`, `server_handler`, `allow_empty`
- rmcp, FromContextPart: extractors run in the order of parameters, so the hidden first one decides";

struct Bare;

#[tool_router(router = a_router)]
impl Bare {
    /// Asks.
    #[tool]
    async fn ask(&self) -> String {
        "answer".to_owned()
    }
}

#[test]
fn names_and_forms_that_the_macros_of_rmcp_write_are_as_before() {
    let router: fn() -> ToolRouter<Bare> = Bare::a_router;
    let described: fn() -> Tool = Bare::ask_tool_attr;
    let boxed: fn(&Bare) -> Pin<Box<dyn Future<Output = String> + Send + '_>> = Bare::ask;
    assert!(router().has_route("ask"), "{LOOK}");
    assert_eq!(described().name, "ask", "{LOOK}");
    assert_eq!(described().description.as_deref(), Some("Asks."), "{LOOK}");
    drop(boxed(&Bare));
}

#[test]
fn the_locked_versions_of_rmcp_are_those_that_were_read() {
    let lock: Table = include_str!("../../../../Cargo.lock").parse().unwrap();
    let packages = lock.get("package").and_then(Value::as_array).unwrap();
    let version = |name: &str| {
        let mut found = packages.iter().filter(|package| package["name"].as_str() == Some(name));
        let version = found.next().and_then(|package| package["version"].as_str());
        assert!(found.next().is_none(), "there are two versions of {name}");
        version
    };
    assert_eq!(version("rmcp"), Some(READ.0), "{LOOK}");
    assert_eq!(version("rmcp-macros"), Some(READ.1), "{LOOK}");
}
