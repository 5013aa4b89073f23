//! Keys: new versions, their end, and those of other programs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use haechi_assembly::Work;
use haechi_assembly::settings::read_duration;
use haechi_core::VaultPurpose;
use haechi_vault::{ImportError, KeyChoice, LEAST_DELAY, Vault};
use serde_json::json;

use super::of_key;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, chain};
use crate::cli::secret;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

#[derive(Debug, Args)]
pub(in crate::cli) struct Rotate {
    /// The key with this id only
    #[arg(long, value_name = "ID")]
    key: Option<u32>,
    /// Keys of this tenant only
    #[arg(long)]
    tenant: Option<String>,
    /// Keys for this purpose only: `wrap`, `seal`, `token`, `same-token`, `format` or `hash`
    #[arg(long, value_parser = purpose)]
    purpose: Option<VaultPurpose>,
    /// Keys for this kind of value only
    #[arg(long)]
    kind: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn purpose(name: &str) -> Result<VaultPurpose, String> {
    VaultPurpose::named(name).ok_or_else(|| {
        let names: Vec<&str> = VaultPurpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
        format!("purposes are {}", names.join(", "))
    })
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Destroy {
    /// The key's id, as `haechi vault status` shows it
    key: u32,
    /// One version of it only
    #[arg(long)]
    version: Option<u32>,
    /// When, from now on; seven days at the least
    #[arg(long = "in", value_name = "DURATION", default_value = "7d")]
    delay: String,
    /// Take it back, as long as it was not done
    #[arg(long, conflicts_with = "now")]
    cancel: bool,
    /// Is refused: a key that is gone takes everything with it that it sealed
    #[arg(long)]
    now: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Import {
    /// Read what Python's `cryptography` and others sealed with these Fernet keys
    #[command(
        after_long_help = "Example:\n  $ haechi vault import fernet --key-file fernet.key\n\n\
        One key a line; the first one is the newest."
    )]
    Fernet(Fernet),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Fernet {
    /// The key file
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Whose values they are
    #[arg(long, default_value = "")]
    tenant: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rotate {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let vault = context.rooms().await?.safe.vault;
        let which = KeyChoice {
            key_id: self.key,
            tenant: self.tenant,
            purpose: self.purpose,
            kind: self.kind,
        };
        let job = Job::new(Work::VaultRotate, "vault");
        let rotated = job.run(context, async {
            let rotated = vault.rotate(&which).await.map_err(of_key)?;
            let found = rotated.iter().map(|(key, version)| format!("key:{key}/{version}"));
            // An entry has room for so many.
            let found = found.take(64).collect();
            Ok((rotated, found))
        });
        let rotated = rotated.await?;
        if self.json {
            let rows =
                rotated.iter().map(|(key, version)| json!({ "key_id": key, "version": version }));
            print_json(out, &rows.collect::<Vec<_>>())?;
        } else {
            for (key, version) in &rotated {
                writeln!(out, "key {key}: version {version}")?;
            }
            writeln!(out, "`haechi vault rewrap` seals what is kept with them")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Destroy {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        if self.now {
            return Err(Failure::no("a key version is destroyed after seven days at the earliest")
                .help("it does nothing from the moment it is condemned: leave `--now` out"));
        }
        let delay = read_duration(&self.delay).map_err(Failure::unknown)?;
        let rooms = context.rooms().await?;
        if !self.cancel {
            rooms.refuse_while_held().await?;
        }
        let vault = rooms.safe.vault;
        let (key, version) = (self.key.to_string(), self.version);
        let job = Job::new(Work::VaultDestroy, &key)
            .with("version", version.map_or("all".to_owned(), |version| version.to_string()))
            .with(if self.cancel { "cancel" } else { "days" }, delay.as_secs() / 86_400);
        let at = job.run(context, self.change(&vault, delay)).await?;
        match (self.json, at) {
            (true, at) => print_json(out, &json!({ "key_id": self.key, "destroy_at": at }))?,
            (false, Some(at)) => {
                writeln!(out, "it does nothing any more, and is destroyed at {at}")?
            }
            (false, None) => writeln!(out, "it works again")?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn change(
        &self,
        vault: &Vault,
        delay: Duration,
    ) -> Result<(Option<String>, Vec<String>), Failure> {
        if self.cancel {
            vault.cancel_destruction(self.key, self.version).await.map_err(of_key)?;
            return Ok((None, Vec::new()));
        }
        if delay < LEAST_DELAY {
            return Err(of_key(haechi_vault::VaultKeyError::TooSoon));
        }
        let at = vault.schedule_destruction(self.key, self.version, delay).await;
        Ok((Some(at.map_err(of_key)?.to_string()), Vec::new()))
    }
}

impl Import {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let Self::Fernet(fernet) = self;
        let file = secret::token(&fernet.key_file)?;
        let vault = context.rooms().await?.safe.vault;
        let job = Job::new(Work::VaultImport, "fernet");
        let added = job.run(context, async {
            let added = vault.import_fernet(&fernet.tenant, &file).await;
            let added = added.map_err(|error| match error {
                ImportError::File(_) => Failure::no(chain(&error)),
                error => Failure::of(&error),
            })?;
            Ok((added, vec![format!("keys:{added}")]))
        });
        let added = added.await?;
        if fernet.json {
            print_json(out, &json!({ "added": added }))?;
        } else {
            writeln!(out, "{added} new keys")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
