//! `haechi login`: sign in to a gateway and get a token.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use haechi_assembly::settings::show_duration;
use haechi_core::Secret;
use haechi_face::Language;
use haechi_outbound::{Outbound, OutboundConfig};
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::context::Context;
use super::failure::{Failure, chain};
use super::secret::{PasswordSource, write_private};
use super::table::visible;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sign in to a gateway and get a token
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi login http://127.0.0.1:8787 --username kim --output kim.token"
)]
pub(super) struct Login {
    /// The gateway's address, or that of one of its routes to get a token for this route only
    url: Url,
    /// Who signs in
    #[arg(long)]
    username: String,
    #[command(flatten)]
    password: PasswordSource,
    /// Write the token into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is secret never crosses a network that can be read.
pub(super) fn refuse_clear_text(url: &Url, why: &str) -> Result<(), Failure> {
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(());
    }
    Err(Failure::no(why).help("use the gateway's https address"))
}

impl Login {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        refuse_clear_text(&self.url, "a password is sent by https only, or on this machine")?;
        let password = self.password.read(context)?;
        let answer = self.sign_in(context, &password).await?;
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
        let token = Secret::new(token.as_bytes().to_vec());
        let expires_in = answer.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
        if let Some(file) = &self.output {
            write_private(file, &token)?;
        }
        match (self.json, &self.output) {
            (true, Some(file)) => {
                super::table::json(out, &json!({ "token_file": file, "expires_in": expires_in }))?;
            }
            (true, None) => super::table::json(out, &answer)?,
            (false, Some(file)) => {
                let minutes = (expires_in + 30) / 60;
                let life = show_duration(Duration::from_secs(minutes * 60));
                writeln!(out, "{} ({life})", file.display())?;
            }
            (false, None) => writeln!(out, "{}", token.expose_str().unwrap_or_default())?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn sign_in(&self, context: &Context, password: &str) -> Result<Value, Failure> {
        let mut endpoint = self.url.clone();
        endpoint.set_path("/sign-in");
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        let mut body = json!({ "username": self.username, "password": password });
        if self.url.path().ends_with("/mcp")
            && let Some(members) = body.as_object_mut()
        {
            members.insert("resource".to_owned(), json!(self.url.as_str()));
        }
        let text = Zeroizing::new(body.to_string());
        let language = if context.language == Language::Korean { "ko" } else { "en" };
        let request = Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Full::new(Bytes::copy_from_slice(text.as_bytes())))
            .map_err(|_| Failure::unknown(format!("`{}` is not an address", self.url)))?;
        tokio::time::timeout(PATIENCE, self.ask(request))
            .await
            .map_err(|_| Failure::unknown("the gateway did not answer in time"))?
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Value, Failure> {
        let outbound =
            Outbound::new(OutboundConfig::default()).map_err(|error| Failure::of(&error))?;
        let response = outbound
            .upstream_client()
            .send(request)
            .await
            .map_err(|error| Failure::unknown(format!("`{}`: {}", self.url, chain(&error))))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body =
            body.map_err(|error| Failure::unknown(format!("the answer cannot be read: {error}")))?;
        let answer: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if status.is_success() && answer.get("access_token").is_some() {
            return Ok(answer);
        }
        let said = answer.get("error_description").or_else(|| answer.get("error"));
        let said = said.and_then(Value::as_str).unwrap_or("the gateway gave no token");
        let failure = format!("{} (HTTP {})", visible(said), status.as_u16());
        Err(if status.is_client_error() { Failure::no(failure) } else { Failure::unknown(failure) })
    }
}
