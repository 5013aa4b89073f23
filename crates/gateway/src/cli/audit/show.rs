//! `haechi audit show`: one entry with its other half.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::Act;
use haechi_audit::{Record, find};

use super::names::{Names, whole};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::{visible, visible_json};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The entry's id, as refusals and tables name it
    id: String,
    /// Open names of persons; that is recorded
    #[arg(long)]
    names: bool,
    /// Print JSON on one line for each entry
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let records = found(directory.path(), &self.id)?;
        if records.is_empty() {
            let id = visible(&self.id);
            let none = context
                .say(&format!("there is no entry `{id}`"), &format!("`{id}` 항목이 없습니다"));
            return Err(Failure::no(none).help("`haechi audit query` shows the ids of entries"));
        }
        let rooms = if self.names { Some(context.rooms().await?) } else { None };
        if self.names {
            context.administer(Act::RevealNames { entries: records.len() as u64 }).await?;
        }
        let mut names = Names::new(rooms.as_ref());
        for record in &records {
            let value = whole(record, &mut names).await;
            let text = if self.json { value.to_string() } else { format!("{value:#}") };
            writeln!(out, "{}", visible_json(&text))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn found(directory: &Path, id: &str) -> Result<Vec<Record>, Failure> {
    find(directory, id).map_err(|error| Failure::of(&error))
}
