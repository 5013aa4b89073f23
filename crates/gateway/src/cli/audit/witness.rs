//! `haechi audit witness`: watch other logs, and cosign what they say of themselves.

mod server;

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_assembly::settings::TlsFiles;
use haechi_assembly::{SystemClock, SystemEntropy};
use haechi_audit::note::VerifierKey;
use haechi_audit::witness::{
    KeysError, KnownLog, StateError, Witness as Cosigner, WitnessConfig, WitnessDirectory,
};
use haechi_outbound::{Outbound, OutboundConfig};
use serde_json::json;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::serve::stop_signals;
use super::super::table::visible;
use crate::observability::{LogConfig, LogFormat, Logging};
use crate::server::Tls;

/// The largest file of logs, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// How long the last log lines may take.
const LAST_LINES: std::time::Duration = std::time::Duration::from_secs(1);

/// Watch other logs: cosign each checkpoint that grew from the one before (C2SP tlog-witness)
///
/// Needs no settings, no data directory and no vault. The directory holds the witness's keys and what
/// it has seen; it must never be brought back from a copy. Prints the verifier keys, one a line, which
/// the logs' settings name.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi audit witness --name example.com/w1 --state ./witness --log 'localhost/audit/gateway+3d1a…+AQ…'"
)]
pub(in crate::cli) struct Witness {
    /// Where the keys are, and what was seen; made when it is missing
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The name under which keys are made at the first start; no other witness may have it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The verifier key of a log to watch, whose name is the log's origin; may be given several times
    #[arg(long = "log", value_name = "VKEY")]
    logs: Vec<String>,
    /// A file with one such key a line; lines that begin with `#` say nothing
    #[arg(long, value_name = "FILE")]
    logs_file: Option<PathBuf>,
    /// Where requests are taken
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// A certificate chain in PEM form; other machines are answered over TLS only
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Take requests of other machines without TLS, behind a proxy that has it
    #[arg(long)]
    dangerous_allow_plain_http: bool,
    /// Cosign with ML-DSA-44 too, which a quantum computer does not forge
    #[arg(long)]
    post_quantum: bool,
    /// Print the verifier keys, and end
    #[arg(long)]
    print_keys: bool,
    /// Print one JSON object in place of the verifier keys
    #[arg(long)]
    json: bool,
}

impl Witness {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let stop = stop_signals()?;
        let (logs, tls) = (self.logs()?, self.tls()?);
        if logs.is_empty() && !self.print_keys {
            let message = context.say("there is no log to watch", "지켜볼 로그가 없습니다");
            return Err(Failure::unknown(message).help(
                "give its verifier key with `--log`: `haechi audit key` prints that of a gateway's log",
            ));
        }
        let directory = WitnessDirectory::open(&self.state)?;
        let signers = directory.signers(self.name.as_deref(), self.post_quantum, &SystemEntropy)?;
        let config = WitnessConfig { directory, signers, logs };
        let witness = Arc::new(Cosigner::open(config, Arc::new(SystemClock))?);
        if self.print_keys {
            self.announce(&witness, None, out)?;
            return Ok(ExitCode::SUCCESS);
        }
        let logging = start_logging()?;
        let listener = tokio::net::TcpListener::bind(self.listen).await.map_err(|error| {
            Failure::unknown(format!("`{}` cannot be listened on: {error}", self.listen))
                .help("choose another address with `--listen`")
        })?;
        self.announce(&witness, Some(listener.local_addr()?), out)?;
        server::serve(witness, listener, tls, stop).await;
        logging.finish(LAST_LINES);
        Ok(ExitCode::SUCCESS)
    }

    fn tls(&self) -> Result<Option<Arc<Tls>>, Failure> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            if self.listen.ip().is_loopback() || self.dangerous_allow_plain_http {
                return Ok(None);
            }
            return Err(Failure::unknown("other machines are answered over TLS only")
                .help("give `--tls-certificate` and `--tls-key`, or listen on 127.0.0.1"));
        };
        let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), clients: None };
        let tls = Tls::load(&files).map_err(|error| Failure::of(&error))?;
        Ok(Some(Arc::new(tls)))
    }

    /// The keys, and then that requests are taken.
    fn announce(
        &self,
        witness: &Cosigner,
        address: Option<SocketAddr>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let keys: Vec<String> = witness.verifier_keys().map(ToString::to_string).collect();
        let scheme = if self.tls_key.is_some() { "https" } else { "http" };
        let url = address.map(|address| format!("{scheme}://{address}"));
        if self.json {
            let logs: Vec<&str> = witness.logs().map(|(origin, _)| origin).collect();
            writeln!(out, "{}", json!({ "keys": keys, "url": url, "logs": logs }))?;
        } else {
            keys.iter().try_for_each(|key| writeln!(out, "{key}"))?;
        }
        out.flush()?;
        if let Some(url) = url {
            for (origin, entries) in witness.logs() {
                tracing::info!(origin, entries, "watching");
            }
            tracing::info!(url, "the witness takes requests");
        }
        Ok(())
    }

    fn logs(&self) -> Result<Vec<KnownLog>, Failure> {
        let of_file = self.logs_file.as_deref().map(read).transpose()?.unwrap_or_default();
        let lines = of_file.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        self.logs.iter().map(String::as_str).chain(lines).map(known_log).collect()
    }
}

fn known_log(text: &str) -> Result<KnownLog, Failure> {
    let key: VerifierKey = text.parse().map_err(|error: haechi_audit::note::KeyError| {
        let shown: String = visible(text).chars().take(80).collect();
        Failure::unknown(format!("`{shown}` is no verifier key: {error}")).help(error.help())
    })?;
    Ok(KnownLog { origin: key.name().to_owned(), keys: vec![key] })
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(file).and_then(|it| it.take(MAX_FILE_BYTES).read_to_string(&mut text));
    read.map_err(|error| {
        Failure::unknown(format!("`{}` cannot be read: {error}", file.display()))
    })?;
    Ok(text)
}

fn start_logging() -> Result<Logging, Failure> {
    let config = LogConfig { format: LogFormat::Text, ..LogConfig::default() };
    let outbound = Outbound::new(OutboundConfig::default());
    let outbound = outbound.map_err(|error| Failure::of(&error))?;
    Logging::start(&config, outbound.upstream_client()).map_err(|error| Failure::of(&error))
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::of(&error).help(error.help())
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::of(&error).help(error.help())
    }
}
