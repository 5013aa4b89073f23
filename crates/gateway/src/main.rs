//! The program.

mod gateway;
mod language;
mod observability;
mod problem;
mod server;
mod transport;
mod upstream;

fn main() {}
