//! Sealing anew, with progress; cut off, it goes on where it was.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::Work;
use haechi_vault::{RewrapCursor, RewrapProgress, Vault, VaultStatus};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use zeroize::Zeroizing;

use super::of_key;
use super::values::{PlaceOptions, of_value};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, NO};
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

/// Where in the data directory stands how far it has come.
const CURSOR: &str = "rewrap.cursor";

#[derive(Debug, Args)]
pub(in crate::cli) struct Rewrap {
    /// Count what would be sealed anew, and change nothing
    #[arg(long, conflicts_with = "from")]
    dry_run: bool,
    /// Read texts of another program, one a line, from standard input and write them sealed by this
    /// one; the place follows from the options below
    #[arg(long, value_parser = ["fernet"])]
    from: Option<String>,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rewrap {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let vault = &rooms.safe.vault;
        if self.dry_run {
            let status = vault.status().await.map_err(of_key)?;
            let (all, older) = (total(&status), older(&status));
            if self.json {
                print_json(out, &json!({ "tokens": all, "older": older }))?;
            } else {
                writeln!(out, "{older} of {all} tokens are not under the newest keys")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if self.from.is_some() {
            return self.lines(context, vault, out).await;
        }
        let cursor = rooms.directory.path().join(CURSOR);
        let job = Job::new(Work::VaultRewrap, "tokens");
        let done = job.run(context, async {
            let done = rewrap(vault, cursor).await?;
            let found =
                [("seen", done.seen), ("renewed", done.renewed), ("unreadable", done.unreadable)];
            Ok((done, found.iter().map(|(name, count)| format!("{name}:{count}")).collect()))
        });
        self.tell(out, &done.await?)
    }

    fn tell(&self, out: &mut dyn Write, done: &RewrapProgress) -> Result<ExitCode, Failure> {
        let RewrapProgress { seen, renewed, unreadable, .. } = *done;
        if self.json {
            let counts = json!({ "seen": seen, "renewed": renewed, "unreadable": unreadable });
            print_json(out, &counts)?;
        } else {
            writeln!(out, "{renewed} of {seen} tokens were sealed anew")?;
            if unreadable > 0 {
                writeln!(out, "{unreadable} cannot be opened: their key or person is gone")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// One text a line; what does not open stays as it is, and is counted.
    async fn lines(
        &self,
        context: &Context,
        vault: &Vault,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        if self.place.kind.is_empty() {
            return Err(Failure::unknown("name the kind of value with `--kind`"));
        }
        let place = self.place.place();
        let job = Job::new(Work::VaultRewrap, "fernet");
        let (renewed, failed) = job
            .run(context, async {
                let (mut renewed, mut failed) = (0_u64, 0_u64);
                for line in std::io::stdin().lock().lines() {
                    let line = Zeroizing::new(line?);
                    let text = line.trim();
                    match vault.renew(text, &place).await {
                        Ok(Some(sealed)) => {
                            renewed += 1;
                            writeln!(out, "{sealed}")?;
                        }
                        Ok(None) => writeln!(out, "{text}")?,
                        Err(error @ haechi_core::ProtectError::Unavailable(_)) => {
                            return Err(of_value(error));
                        }
                        Err(_) => {
                            failed += 1;
                            writeln!(out, "{text}")?;
                        }
                    }
                }
                let found = vec![format!("renewed:{renewed}"), format!("unreadable:{failed}")];
                Ok(((renewed, failed), found))
            })
            .await?;
        out.flush()?;
        let mut err = std::io::stderr();
        writeln!(err, "{renewed} were sealed anew, {failed} do not open and stay as they are")?;
        Ok(ExitCode::from(if failed == 0 { 0 } else { NO }))
    }
}

/// From where an earlier one was cut off, and once more from the start when keys were rotated since.
async fn rewrap(vault: &Vault, file: PathBuf) -> Result<RewrapProgress, Failure> {
    let mut cursor = read_cursor(&file);
    let bar = bar();
    let mut all = RewrapProgress::default();
    loop {
        let resumed = cursor.is_some();
        let done = pass(vault, cursor.take(), &file, &bar).await?;
        all.seen += done.seen;
        all.renewed += done.renewed;
        all.unreadable = done.unreadable;
        all.total = done.total;
        let status = vault.status().await.map_err(of_key)?;
        if !resumed || older(&status) == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(all)
}

async fn pass(
    vault: &Vault,
    cursor: Option<RewrapCursor>,
    file: &Path,
    bar: &ProgressBar,
) -> Result<RewrapProgress, Failure> {
    let mut unwritable = None;
    let mut progress = |now: &RewrapProgress| {
        bar.set_length(now.total);
        bar.set_position(now.seen);
        unwritable = write_cursor(file, now.cursor).err();
        unwritable.is_none()
    };
    let done = vault.rewrap(cursor, &mut progress).await.map_err(of_value)?;
    match unwritable {
        Some(error) => {
            Err(Failure::unknown(format!("`{}` cannot be written: {error}", file.display())))
        }
        None => Ok(done),
    }
}

fn read_cursor(file: &Path) -> Option<RewrapCursor> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn write_cursor(file: &Path, cursor: Option<RewrapCursor>) -> std::io::Result<()> {
    match cursor {
        // A torn write reads as no cursor, and the work begins at the start: nothing is lost.
        Some(cursor) => std::fs::write(file, cursor.to_string()),
        None => match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos} of {len} tokens, {eta} to go");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn total(status: &VaultStatus) -> u64 {
    status.tokens.iter().map(|of| of.count).sum()
}

/// How many tokens are sealed with versions that are not the newest.
fn older(status: &VaultStatus) -> u64 {
    let of_key = |key: &haechi_vault::KeyStatus| -> u64 {
        let older = key.versions.iter().filter(|version| version.version != key.primary);
        older.map(|version| version.tokens).sum()
    };
    status.keys.iter().map(of_key).sum()
}
