//! The program.

mod cli;
mod gateway;
mod language;
mod observability;
mod problem;
mod server;
mod transport;
mod upstream;

fn main() -> std::process::ExitCode {
    cli::main()
}
