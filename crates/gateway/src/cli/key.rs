//! `haechi key`: keys that sign tokens.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::{Act, Done};
use haechi_core::SigningKeyState;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::table::{json as print_json, table};

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List all signing keys
    #[command(after_long_help = "Example:\n  $ haechi key list")]
    List(List),
    /// Sign with a new key; the old one verifies until its last token has expired
    #[command(after_long_help = "Example:\n  $ haechi key rotate")]
    Rotate(List),
    /// Retire a key for good: its tokens are refused at once
    #[command(after_long_help = "Example:\n  $ haechi key retire 3q2-8w")]
    Retire(Retire),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// The key's id (`kid`), which may begin with `-`
    #[arg(allow_hyphen_values = true)]
    key_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let (act, as_json) = match self {
            Self::List(list) => return list.run(context, out).await,
            Self::Rotate(rotate) => (Act::RotateKey, rotate.json),
            Self::Retire(Retire { key_id, json }) => (Act::RetireKey { key_id }, json),
        };
        if let Done::Key { key_id } = context.administer(act).await? {
            if as_json {
                print_json(out, &json!({ "key_id": key_id }))?;
            } else {
                writeln!(out, "{key_id}")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let keys = context.rooms().await?.identity.keys().await?;
        let state = |state| match state {
            SigningKeyState::Next => "next",
            SigningKeyState::Active => "active",
            SigningKeyState::Retiring => "retiring",
            SigningKeyState::Retired => "retired",
        };
        if self.json {
            let keys: Vec<Value> = keys
                .iter()
                .map(|key| {
                    json!({
                        "key_id": key.key_id,
                        "algorithm": key.algorithm,
                        "state": state(key.state),
                        "created_at": key.created_at.to_string(),
                        "verifies_until": key.verifies_until.map(|until| until.to_string()),
                    })
                })
                .collect();
            print_json(out, &keys)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> = keys
            .into_iter()
            .map(|key| {
                let until = key.verifies_until.map(|until| until.to_string()).unwrap_or_default();
                let state = state(key.state).to_owned();
                vec![key.key_id, key.algorithm, state, key.created_at.to_string(), until]
            })
            .collect();
        table(out, &["KEY", "ALGORITHM", "STATE", "CREATED", "VERIFIES UNTIL"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}
