//! The program.

mod gateway;
mod language;
mod observability;
mod problem;
mod server;
mod transport;

fn main() {}
