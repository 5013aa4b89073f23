//! Another keeper for the same root key.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_assembly::{Settings, Work, root_provider};
use haechi_vault::provider::{RootProvider, rewrap_root};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

#[derive(Debug, Args)]
pub(in crate::cli) struct Root {
    /// Settings whose `[vault.root]` names the new keeper
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Root {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let named = Settings::load(&self.to)?;
        let chance = (Arc::clone(&rooms.clock), Arc::clone(&rooms.entropy));
        let new = root_provider(&named.vault.root, &rooms.directory, &rooms.outbound, chance);
        let new: Arc<dyn RootProvider> =
            new.map_err(|error| Failure::of(&error).help(error.help()))?;
        let job = Job::new(Work::VaultRoot, new.name()).with("from", rooms.safe.provider.name());
        let rewrapped = job.run(context, async {
            let rewrapped = rewrap_root(&*rooms.safe.provider, &*new).await;
            let rewrapped = rewrapped.map_err(|error| Failure::of(&error).help(error.help()))?;
            Ok((rewrapped, Vec::new()))
        });
        let rewrapped = rewrapped.await?;
        if self.json {
            print_json(out, &json!({ "provider": new.name(), "left": rewrapped.left }))?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "`{}` keeps the root key", new.name())?;
        writeln!(out, "next: take `[vault.root]` of {} into the settings", self.to.display())?;
        if let Some(left) = &rewrapped.left {
            writeln!(
                out,
                "then destroy {}, and copies of it: whoever has it needs no `{}`",
                left.display(),
                new.name()
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
