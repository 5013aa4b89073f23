//! Upstreams that are child processes and speak over their standard input and output.

mod backoff;
mod call;
mod carrier;
mod config;
pub(crate) mod environment;
pub(crate) mod exec;
mod legacy;
pub(crate) mod lines;
mod mailbox;
mod modern;
mod process;
mod renumber;
mod replay;
mod seats;
mod spawner;
mod status;
mod stderr;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use carrier::StdioUpstream;
pub(crate) use config::{ResourceLimits, Share, StdioUpstreamConfig};
