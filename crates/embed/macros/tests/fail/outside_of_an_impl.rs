#[path = "../stand_in.rs"]
mod stand_in;
extern crate self as haechi_embed;
pub use stand_in::*;

use haechi_macros::secure_tool;
use rmcp::tool;

#[secure_tool(roles("admin"))]
#[tool]
async fn ask() -> String {
    String::new()
}

fn main() {}
