//! `haechi token`: single tokens.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use haechi_assembly::Act;
use haechi_core::{Clock as _, Timestamp};
use serde_json::{Value, json};

use super::api_key::changed;
use super::context::Context;
use super::failure::{Failure, NO};
use super::secret;
use super::table::{json as print_json, visible};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Show what a token says; nothing is verified
    #[command(after_long_help = "Example:\n  $ haechi token show kim.token")]
    Show(Show),
    /// Revoke one token, a grant, or everything a client or user holds; it is refused from the next request on
    #[command(
        after_long_help = "Example:\n  $ haechi token revoke --token-file kim.token\n  $ haechi token revoke --client notes\n  $ haechi token revoke --user kim"
    )]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// A file with the token (`-`: standard input)
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["token_file", "id", "grant", "client", "user"])]
pub(super) struct Revoke {
    /// A file with the token (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The token's id (`jti`)
    #[arg(long, value_name = "JTI")]
    id: Option<String>,
    /// Who issued it, for `--id`; this gateway by default
    #[arg(long, requires = "id")]
    issuer: Option<String>,
    /// Every token of this grant (`haechi grant list`), which may begin with `-`
    #[arg(long, value_name = "GRANT", allow_hyphen_values = true)]
    grant: Option<String>,
    /// Every token that people granted this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Every token, API key, grant and session of this user
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Show(show) => show.run(out),
            Self::Revoke(revoke) => revoke.run(context, out).await,
        }
    }
}

/// Header and claims of a token, unverified.
fn parts(file: &std::path::Path) -> Result<(Value, Value), Failure> {
    let token = secret::token(file)?;
    let text = token.expose_str().unwrap_or_default();
    let mut parts = text.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
    });
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(header), Some(claims)) => Ok((header, claims)),
        _ => Err(Failure::no("this is no signed token (RFC 7519)")),
    }
}

impl Show {
    fn run(self, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let (header, claims) = parts(&self.file)?;
        let end = claims.get("exp").and_then(Value::as_u64).map(Timestamp::from_secs);
        let over = end.is_some_and(|end| end <= haechi_assembly::SystemClock.now());
        if self.json {
            print_json(out, &json!({ "header": header, "claims": claims, "expired": over }))?;
        } else {
            for (name, value) in header.as_object().into_iter().chain(claims.as_object()).flatten()
            {
                writeln!(out, "{:20} {}", visible(name), visible(&shown(name, value)))?;
            }
            writeln!(out, "{:20} {}", "expired", if over { "yes" } else { "no" })?;
        }
        Ok(ExitCode::from(if over { NO } else { 0 }))
    }
}

/// Moments are shown as people read them.
fn shown(name: &str, value: &Value) -> String {
    match (name, value) {
        ("exp" | "iat" | "nbf" | "auth_time", Value::Number(number)) => number
            .as_u64()
            .map_or_else(|| number.to_string(), |secs| Timestamp::from_secs(secs).to_string()),
        (_, Value::String(text)) => text.clone(),
        _ => value.to_string(),
    }
}

impl Revoke {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let family = match (self.user, self.grant, self.client) {
            (Some(username), ..) => Some(Act::RevokeUser { username }),
            (None, Some(grant_id), _) => Some(Act::RevokeGrant { grant_id }),
            (None, None, client_id @ Some(_)) => {
                Some(Act::RevokeGrants { username: None, client_id })
            }
            (None, None, None) => None,
        };
        let act = match (family, self.id, self.token_file) {
            (Some(act), ..) => act,
            (None, Some(token_id), _) => {
                Act::RevokeToken { issuer: self.issuer, token_id, expires_at_secs: None }
            }
            (None, None, Some(file)) => {
                let (_, claims) = parts(&file)?;
                let text = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
                let token_id = text("jti").ok_or_else(|| {
                    Failure::no("the token has no id (`jti`)")
                        .help("revoke everything the user holds with `--user`")
                })?;
                let expires_at_secs = claims.get("exp").and_then(Value::as_u64);
                Act::RevokeToken { issuer: text("iss"), token_id, expires_at_secs }
            }
            (None, None, None) => return Err(Failure::unknown("nothing to revoke is named")),
        };
        let done = context.administer(act).await?;
        changed(out, &done, self.json)
    }
}
