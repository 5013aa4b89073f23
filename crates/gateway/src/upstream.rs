//! The carriers: servers behind the guard, over HTTP and as child processes.

pub(crate) mod authorization;
pub(crate) mod http;
pub(crate) mod stdio;

pub(crate) use http::{HttpUpstream, HttpUpstreamConfig};
pub(crate) use stdio::{Share, StdioUpstream, StdioUpstreamConfig};
