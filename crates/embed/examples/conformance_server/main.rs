//! An MCP server that has everything the official conformance suite asks a server for, over HTTP.
//!
//! The suite is run against it twice, bare and with the guard around it: not one check may differ.
//!
//! ```text
//! conformance_server --port 0 --bare
//! conformance_server --port 0 --guarded FOLDER
//! ```
//!
//! prints the URL it listens at, on 127.0.0.1 only, and serves until it is stopped.

mod asking;
mod content;
mod everything;
mod exchange;
mod guarding;
mod input;
mod jobs;
mod methods;
mod options;
mod prompts;
mod resources;
mod serving;
mod skills;
mod streams;
mod tools;

use std::process::ExitCode;

use crate::options::{Options, Shape};
use crate::serving::ServeError;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            options::complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), ServeError> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    match options.shape {
        Shape::Bare => serving::bare(options.port).await,
        Shape::Guarded(folder) => {
            serving::guarded(options.port, guarding::haechi(&folder).await?).await
        }
    }
}
