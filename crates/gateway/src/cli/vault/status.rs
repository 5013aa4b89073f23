//! What there is, without a secret.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_vault::provider::{Health, RootProvider};
use haechi_vault::{KeyStatus, VaultStatus};
use serde_json::{Value, json};

use super::of_key;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::{json as print_json, table, visible};

#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let safe = context.rooms().await?.safe;
        let root = root(&*safe.provider).await?;
        let status = safe.vault.status().await.map_err(of_key)?;
        if self.json {
            let all = json!({ "root": root, "keys": status.keys, "tokens": status.tokens });
            print_json(out, &all)?;
        } else {
            show(out, &root, &status)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn root(provider: &dyn RootProvider) -> Result<Value, Failure> {
    let health = provider.health().await;
    let health = health.map_err(|error| Failure::of(&error).help(error.help()))?;
    let under = provider.wrapped_under();
    let under = under.map_err(|error| Failure::of(&error).help(error.help()))?;
    Ok(json!({
        "provider": provider.name(),
        "place": provider.place(),
        "wrapped_under": under,
        "opens": health == Health::Opens,
    }))
}

fn show(out: &mut dyn Write, root: &Value, status: &VaultStatus) -> Result<(), Failure> {
    let text = |name: &str| root.get(name).and_then(Value::as_str).map(visible);
    write!(out, "root: {}", text("provider").unwrap_or_default())?;
    if let Some(place) = text("place") {
        write!(out, ", in {place}")?;
    }
    if let Some(under) = text("wrapped_under") {
        write!(out, ", wrapped under {under}")?;
    }
    writeln!(out)?;
    let rows: Vec<Vec<String>> = status.keys.iter().flat_map(rows).collect();
    let heads =
        ["KEY", "TENANT", "PURPOSE", "KIND", "VERSION", "STATE", "SEALED", "TOKENS", "MADE"];
    table(out, &heads, &rows)?;
    let rows: Vec<Vec<String>> = status
        .tokens
        .iter()
        .map(|of| vec![of.tenant.to_string(), of.kind.to_string(), of.count.to_string()])
        .collect();
    if !rows.is_empty() {
        writeln!(out)?;
        table(out, &["TENANT", "KIND", "TOKENS"], &rows)?;
    }
    Ok(())
}

fn rows(key: &KeyStatus) -> Vec<Vec<String>> {
    let row = |version: &haechi_vault::VersionStatus| {
        let primary = if version.version == key.primary { "*" } else { "" };
        let end = version.destroy_at.map(|at| format!(" until {at}")).unwrap_or_default();
        vec![
            key.key_id.to_string(),
            key.tenant.to_string(),
            key.purpose.to_owned(),
            key.kind.to_string(),
            format!("{}{primary}", version.version),
            format!("{}{end}", version.state),
            version.reserved.to_string(),
            version.tokens.to_string(),
            version.created_at.to_string(),
        ]
    };
    key.versions.iter().map(row).collect()
}
