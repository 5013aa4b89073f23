#[path = "../stand_in.rs"]
mod stand_in;
extern crate self as haechi_embed;
pub use stand_in::*;

use haechi_macros::{secure_tool, tool_router};

#[secure_tool(roles("admin"))]
struct Server;

#[tool_router]
struct Router;

fn main() {}
