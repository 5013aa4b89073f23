//! Copies old segments into `age` files.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::keep::{Where, Which, archive_batch, batches};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, NO};
use crate::cli::table::json as print_json;

#[derive(Debug, Args)]
pub(in crate::cli) struct Archive {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Where,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Archive {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let rooms = context.rooms().await?;
        let to = self.place.of(&settings.audit, &settings.audit.node)?;
        let segments = self.which.of(&rooms.directory.audit(), &settings.audit, &rooms)?;
        let mut all = Vec::new();
        for batch in batches(segments) {
            let archived = archive_batch(context, &rooms, batch, &to).await?;
            if !self.json {
                for it in &archived {
                    let entries = context.say("entries", "항목");
                    writeln!(out, "{entries} {}-{}: {}", it.first, it.last, it.file.display())?;
                }
            }
            all.extend(archived);
        }
        if self.json {
            print_json(out, &all)?;
        } else if all.is_empty() {
            let nothing = "no whole segment of the log is that old";
            writeln!(out, "{}", context.say(nothing, "그만큼 오래된 세그먼트가 없습니다"))?;
        }
        Ok(ExitCode::from(if all.is_empty() { NO } else { 0 }))
    }
}
