//! `haechi sample-server`: the sample's tools, as the demo starts them.

use std::process::ExitCode;

use clap::Args;
use haechi_assembly::text_variable;
use haechi_sample::{CallerKeys, serve_stdio};

use super::carriers::CALLER_KEYS;
use super::failure::Failure;

/// Serve the sample's tools on standard input and output
#[derive(Debug, Args)]
pub(super) struct SampleServer {
    /// The name of this server at the gateway, for which assertions must be
    #[arg(long, default_value = "sample")]
    audience: String,
}

impl SampleServer {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let caller = CallerKeys { audience: self.audience, jwks: text_variable(CALLER_KEYS) };
        serve_stdio(caller).await.map_err(|error| Failure::of(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}
