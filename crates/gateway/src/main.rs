//! The program.

mod gateway;
mod language;
mod observability;
mod problem;
mod server;
mod transport;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|name| name == upstream::stdio::exec::NAME) {
        // Before any thread or runtime: this process is about to become another program.
        return upstream::stdio::exec::child_exec(arguments);
    }
    ExitCode::FAILURE
}
