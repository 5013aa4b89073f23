//! `haechi api-key`: keys by which programs come in.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::settings::read_duration;
use haechi_assembly::{Act, ApiKeyView, Done};
use haechi_core::Secret;
use serde_json::json;
use zeroize::Zeroize;

use super::context::Context;
use super::failure::{Failure, NO};
use super::secret::write_private;
use super::table::{json as print_json, table};

#[derive(Debug, Subcommand)]
pub(super) enum ApiKey {
    /// Make an API key; its text is shown this once
    #[command(
        after_long_help = "Example:\n  $ haechi api-key add kim --label nightly --tools 'crm:get_*' --expires-in 90d"
    )]
    Add(Add),
    /// List API keys
    #[command(after_long_help = "Example:\n  $ haechi api-key list --user kim")]
    List(List),
    /// Revoke an API key; it is refused from the next request on
    #[command(after_long_help = "Example:\n  $ haechi api-key revoke 9fK2")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Whose rights it carries
    username: String,
    /// What it is for
    #[arg(long, default_value = "")]
    label: String,
    /// Upstreams it is narrowed to, globs with `,` between them
    #[arg(long, value_delimiter = ',', value_name = "GLOBS")]
    upstreams: Vec<String>,
    /// Tools it is narrowed to, globs over `upstream:tool` with `,` between them
    #[arg(long, value_delimiter = ',', value_name = "GLOBS")]
    tools: Vec<String>,
    /// Its life, such as `90d`
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Write the key into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this user only
    #[arg(long)]
    user: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, the part after `hk_`; it may begin with `-`
    #[arg(allow_hyphen_values = true)]
    key_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ApiKey {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Add(add) => add.run(context, out).await,
            Self::List(list) => list.run(context, out).await,
            Self::Revoke(revoke) => revoke.run(context, out).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let lifetime = self.expires_in.as_deref().map(read_duration).transpose();
        let lifetime = lifetime.map_err(Failure::unknown)?;
        let act = Act::AddApiKey {
            username: self.username,
            label: self.label,
            upstreams: self.upstreams,
            tools: self.tools,
            lifetime_secs: lifetime.map(|lifetime| lifetime.as_secs()),
        };
        let Done::ApiKey(mut key) = context.administer(act).await? else {
            return Err(Failure::unknown("the gateway answered something else"));
        };
        if let Some(file) = &self.output {
            let text = Secret::from(key.text.take().unwrap_or_default());
            write_private(file, &text)?;
        }
        match (&key.text, self.json) {
            (_, true) => print_json(out, &key)?,
            (Some(text), false) => writeln!(out, "{text}")?,
            (None, false) => writeln!(out, "{}", key.key_id)?,
        }
        key.text.zeroize();
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let keys = context.rooms().await?.identity.api_keys(self.user.as_deref()).await?;
        let keys: Vec<ApiKeyView> = keys.into_iter().map(ApiKeyView::from).collect();
        if self.json {
            print_json(out, &keys)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> = keys
            .into_iter()
            .map(|key| {
                let scope: Vec<String> = key.upstreams.into_iter().chain(key.tools).collect();
                let end = key.revoked_at.map(|at| format!("revoked {at}")).or(key.expires_at);
                vec![key.key_id, key.user_id, key.label, scope.join(","), end.unwrap_or_default()]
            })
            .collect();
        table(out, &["KEY", "USER", "LABEL", "NARROWED TO", "ENDS"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Revoke {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let done = context.administer(Act::RevokeApiKey { key_id: self.key_id }).await?;
        changed(out, &done, self.json)
    }
}

/// Says whether anything changed; nothing to change is a no.
pub(super) fn changed(
    out: &mut dyn Write,
    done: &Done,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let changed = !matches!(done, Done::Changed { changed: false });
    if as_json {
        print_json(out, &json!({ "changed": changed }))?;
    } else {
        writeln!(out, "{}", if changed { "done" } else { "it was so already" })?;
    }
    Ok(ExitCode::from(if changed { 0 } else { NO }))
}
