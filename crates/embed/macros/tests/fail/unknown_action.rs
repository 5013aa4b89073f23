#[path = "../stand_in.rs"]
mod stand_in;
extern crate self as haechi_embed;
pub use stand_in::*;

use haechi_macros::{secure_tool, tool_router};
use rmcp::tool;

struct Server;

#[tool_router]
impl Server {
    #[secure_tool(roles("admin"), arguments = "encrpyt", results = "mask:20")]
    #[tool]
    async fn ask(&self) -> String {
        String::new()
    }
}

fn main() {}
