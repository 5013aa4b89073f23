//! The face over real sockets: real rooms in front of a real upstream.

mod attacks;
mod bound;
mod doors;
mod hall;
mod legacy;
#[path = "../../../tests/suite/mcp_server.rs"]
mod mcp_server;
mod modern;
mod monitor;
#[path = "../../../tests/suite/raw_http.rs"]
mod raw_http;
mod tls;
