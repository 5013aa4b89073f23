#[path = "../stand_in.rs"]
mod stand_in;
extern crate self as haechi_embed;
pub use stand_in::*;

use haechi_macros::secure_tool;
use rmcp::{tool, tool_router};

struct Server;

#[tool_router]
impl Server {
    #[secure_tool(roles("admin"))]
    #[tool]
    async fn ask(&self) -> String {
        String::new()
    }
}

fn guard<S: Secured>(_: S) {}

fn main() {
    guard(Server);
    let _ = Server::tool_router();
}
