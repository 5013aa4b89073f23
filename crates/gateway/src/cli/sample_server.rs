//! `haechi sample-server`: the sample's tools, as the demo starts them and alone.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::text_variable;
use haechi_sample::{Sample, SampleConfig, SampleError};

use super::carriers::CALLER_KEYS;
use super::context::Context;
use super::failure::Failure;
use super::folder::Folder;
use super::serve::{listen, stop_signals};

/// Serve the sample's tools on standard input and output, or over HTTP
///
/// Callers are those that a gateway vouches for when it gives its keys in HAECHI_CALLER_JWKS; else
/// whoever started the program, and over HTTP this server's own users (`haechi user add --data-dir
/// DIR`) and those of issuers in the settings. Without `--data-dir` everything is forgotten at the
/// end.
#[derive(Debug, Args)]
pub(super) struct SampleServer {
    /// The name of this server in its rules, and at the gateway in front
    #[arg(long, default_value = "sample")]
    audience: String,
    /// Serve over HTTP on this address, and print the URL on a line of its own
    #[arg(long, value_name = "IP:PORT")]
    http: Option<SocketAddr>,
}

impl SampleServer {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let stop = stop_signals()?;
        let folder = Folder::make(context.common.data_dir.as_deref(), "haechi-sample")?;
        let config = SampleConfig {
            name: self.audience,
            data: folder.path.clone(),
            settings: context.common.config.clone(),
            gateway_keys: text_variable(CALLER_KEYS),
        };
        let sample = Sample::open(&config).await?;
        let Some(address) = self.http else {
            sample.serve_stdio(Box::pin(stop.cancelled())).await?;
            return Ok(ExitCode::SUCCESS);
        };
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        writeln!(out, "{}", Sample::url(address))?;
        out.flush()?;
        sample.serve_http(listener, Box::pin(stop.cancelled())).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl From<SampleError> for Failure {
    fn from(error: SampleError) -> Self {
        Self::of(&error).maybe_help(error.help())
    }
}
