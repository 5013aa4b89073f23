//! `haechi audit`: what happened, and that nobody changed it.

mod archive;
mod hold;
mod keep;
mod prune;
mod query;
pub(in crate::cli) mod repair;
mod witness;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use archive::Archive;
use hold::Hold;
use prune::Prune;
use query::{Ask, Show, Tail};
use repair::Repair;
use witness::Witness;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show entries, all or those that fit
    #[command(
        after_long_help = "Example:\n  $ haechi audit query --tool crm:get_customer --decision deny --since 24h"
    )]
    Query(Ask),
    /// Show the newest entries, and go on with what comes
    #[command(after_long_help = "Example:\n  $ haechi audit tail --follow")]
    Tail(Tail),
    /// Show one entry with its other half, whole
    #[command(after_long_help = "Example:\n  $ haechi audit show gateway-42")]
    Show(Show),
    Witness(Witness),
    /// Copy old segments into files that `age` opens, read back and recorded
    #[command(
        after_long_help = "Example:\n  $ haechi audit archive --older-than 90d --to /backup/audit \
        --recipient age1…"
    )]
    Archive(Archive),
    /// Give up old segments, archived first; every proof about the rest stays valid
    #[command(
        after_long_help = "Example:\n  $ haechi audit prune --older-than 400d --to /backup/audit \
        --recipient age1…\n\nOnly whole segments go. A legal hold refuses it."
    )]
    Prune(Prune),
    /// Legal holds: while one stands, nothing of the log is given up and no key is destroyed
    #[command(subcommand)]
    Hold(Hold),
    /// Say what is wrong with a log that lost entries; with `--accept-loss`, go on without them
    #[command(
        after_long_help = "Example:\n  $ haechi audit repair\n  $ haechi audit repair --accept-loss\n\n\
        Exit status: 0 nothing is wrong, or it was repaired; 1 entries are lost; 2 it could not be told."
    )]
    Repair(Repair),
}

impl Audit {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Query(ask) => ask.run(context, out, false).await,
            Self::Tail(Tail { mut ask, follow }) => {
                ask.limit = ask.limit.or(Some(40));
                ask.run(context, out, follow).await
            }
            Self::Show(show) => show.run(context, out).await,
            Self::Witness(witness) => witness.run(context, out).await,
            Self::Archive(archive) => archive.run(context, out).await,
            Self::Prune(prune) => prune.run(context, out).await,
            Self::Hold(hold) => hold.run(context, out).await,
            Self::Repair(repair) => repair.run(context, out).await,
        }
    }
}
