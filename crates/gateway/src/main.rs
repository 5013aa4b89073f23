//! The program.

mod cli;
mod gateway;
mod observability;
mod server;
#[cfg(test)]
mod test_rooms;
mod transport;
mod upstream;

fn main() -> std::process::ExitCode {
    cli::main()
}
