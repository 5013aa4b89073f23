#[path = "../stand_in.rs"]
mod stand_in;
extern crate self as haechi_embed;
pub use stand_in::*;

use haechi_macros::{secure_tool, tool_router};
use rmcp::tool;

struct Server;

trait Ask {
    fn name(&self) -> String;
}

#[tool_router]
impl Ask for Server {
    fn name(&self) -> String {
        String::new()
    }
}

#[tool_router(router = other)]
impl Server {
    #[cfg_attr(all(), secure_tool(roles("admin")))]
    #[tool]
    async fn ask(&self) -> String {
        String::new()
    }
}

fn main() {}
