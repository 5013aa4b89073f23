//! `haechi reveal`: see what a token holds, for those who may.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use haechi_face::Language;
use haechi_outbound::{Outbound, OutboundConfig};
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::context::Context;
use super::failure::{Failure, chain};
use super::login::refuse_clear_text;
use super::mcp_client::bearer;
use super::secret;
use super::table::{json as print_json, visible};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// See what a token holds; that is recorded
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  \
    $ haechi reveal tok_EMAIL_ADDRESS_… --url http://127.0.0.1:8787/crm/mcp --purpose support \
    --token-file kim.token\n\n\
    Who may, and for which purposes, is in `[privacy.reveal]` of the gateway's settings.")]
pub(super) struct Reveal {
    /// The token or envelope; `-` reads it from standard input
    #[arg(value_name = "TOKEN")]
    text: String,
    /// The gateway's MCP endpoint, `…/<upstream>/mcp`
    #[arg(long)]
    url: Url,
    /// What for: one of the purposes in the gateway's settings
    #[arg(long)]
    purpose: String,
    /// Your own words about it; they are sealed
    #[arg(long)]
    note: Option<String>,
    /// The tool it came from; an envelope opens nowhere else
    #[arg(long)]
    tool: Option<String>,
    /// The field it stood in, a JSON pointer
    #[arg(long)]
    field: Option<String>,
    /// The kind of value
    #[arg(long)]
    kind: Option<String>,
    /// A file with an access token or API key
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Print JSON, with the kind and the entry
    #[arg(long)]
    json: bool,
}

impl Reveal {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        refuse_clear_text(&self.url, "a value is shown over https only, or on this machine")?;
        let asking = self.ask(self.request(context)?);
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let answer =
            answer.map_err(|_| Failure::unknown("the gateway did not answer in time"))??;
        if self.json {
            print_json(out, &answer)?;
        } else {
            let value = answer.get("value").and_then(Value::as_str).unwrap_or_default();
            writeln!(out, "{value}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn request(&self, context: &Context) -> Result<Request<Full<Bytes>>, Failure> {
        let mut endpoint = self.url.clone();
        let path = endpoint.path().strip_suffix("/mcp").ok_or_else(|| {
            Failure::unknown("the address must end in `/mcp`: `…/<upstream>/mcp`")
        })?;
        let path = format!("{path}/reveal");
        endpoint.set_path(&path);
        let text = match self.text.as_str() {
            "-" => secret::from_input()?.trim().to_owned(),
            text => text.to_owned(),
        };
        let mut body = Map::new();
        body.insert("text".to_owned(), text.into());
        body.insert("purpose".to_owned(), self.purpose.as_str().into());
        let optional = [
            ("note", &self.note),
            ("tool", &self.tool),
            ("field", &self.field),
            ("kind", &self.kind),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        let language = if context.language == Language::Korean { "ko" } else { "en" };
        Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_LANGUAGE, language)
            .header(header::AUTHORIZATION, bearer(&secret::token(&self.token_file)?)?)
            .body(Full::new(Bytes::from(Value::Object(body).to_string())))
            .map_err(|_| Failure::unknown(format!("`{}` is not an address", self.url)))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Value, Failure> {
        let outbound =
            Outbound::new(OutboundConfig::default()).map_err(|error| Failure::of(&error))?;
        let response = outbound.upstream_client().send(request).await;
        let response = response
            .map_err(|error| Failure::unknown(format!("`{}`: {}", self.url, chain(&error))))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body =
            body.map_err(|error| Failure::unknown(format!("the answer cannot be read: {error}")))?;
        let body = Zeroizing::new(body.to_bytes().to_vec());
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() && answer.get("value").is_some() {
            return Ok(answer);
        }
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let said = text("error_description").unwrap_or("the gateway shows nothing");
        let failure = format!("{} (HTTP {})", visible(said), status.as_u16());
        let entry = text("entry")
            .map(|entry| format!("`haechi audit show {}` tells the operator more", visible(entry)));
        let client = status.is_client_error();
        let failure = if client { Failure::no(failure) } else { Failure::unknown(failure) };
        Err(failure.maybe_help(entry))
    }
}
