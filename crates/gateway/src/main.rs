//! The program.

mod cli;
mod gateway;
mod language;
mod observability;
mod problem;
mod server;
#[cfg(test)]
mod test_rooms;
mod transport;
mod upstream;

fn main() -> std::process::ExitCode {
    cli::main()
}
