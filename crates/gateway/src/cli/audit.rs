//! `haechi audit`: what happened, and that nobody changed it.

mod archive;
mod csv;
mod export;
mod finding;
mod hold;
mod keep;
mod names;
mod prove;
mod prune;
mod query;
pub(in crate::cli) mod repair;
mod report;
mod rows;
mod show;
mod verify;
mod when;
mod whom;
mod witness;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use archive::Archive;
use export::{Export, Exports};
use hold::Hold;
use prove::{CheckProof, Consistency, ExportTiles, Key, Newest, Prove};
use prune::Prune;
use query::{Ask, Tail};
use repair::Repair;
use report::Compose;
use show::Show;
use verify::Verify;
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
    /// Write entries in a form that other programs read
    #[command(
        after_long_help = "Example:\n  $ haechi audit export --format ocsf --cursor siem.cursor -o audit.ocsf.jsonl\n\n\
        With a cursor, the next run goes on where this one ended."
    )]
    Export(Export),
    /// Show how far each export of the settings is
    #[command(after_long_help = "Example:\n  $ haechi audit exports")]
    Exports(Exports),
    /// Show one entry with its other half, whole
    #[command(after_long_help = "Example:\n  $ haechi audit show gateway-42")]
    Show(Show),
    Report(Compose),
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
        after_long_help = "Example:\n  $ haechi audit repair\n  $ haechi audit repair --accept-loss\n  $ haechi audit repair --log run/files\n\n\
        Exit status: 0 nothing is wrong, or it was repaired; 1 entries are lost; 2 it could not be told."
    )]
    Repair(Repair),
    /// Verify that nobody changed a log: every entry is hashed and held against its checkpoint
    #[command(
        after_long_help = "Example:\n  $ haechi audit verify\n  $ haechi audit verify --log audit --key gateway.vkey --against kept --remember kept\n\n\
        Exit status: 0 whole, 1 changed, 2 could not tell."
    )]
    Verify(Verify),
    /// Write a proof that an entry is in the log, which others check offline
    #[command(
        after_long_help = "Example:\n  $ haechi audit prove gateway-42 --entry-out gateway-42.json"
    )]
    Prove(Prove),
    /// Check such a proof, on any machine
    #[command(
        after_long_help = "Example:\n  $ haechi audit check-proof gateway-42.tlog-proof --entry gateway-42.json --key gateway.vkey\n\n\
        Exit status: 0 the entry is in the log, 1 it is not shown to be, 2 could not tell."
    )]
    CheckProof(CheckProof),
    /// Show that a log only grew between two checkpoints
    #[command(
        after_long_help = "Example:\n  $ haechi audit consistency kept\n  $ haechi audit consistency 1000 2000 --json\n\n\
        Exit status: 0 it grew, 1 it was changed, 2 could not tell."
    )]
    Consistency(Consistency),
    /// Write a log as files that other programs read (C2SP tlog-tiles)
    #[command(after_long_help = "Example:\n  $ haechi audit export-tiles /srv/log")]
    ExportTiles(ExportTiles),
    /// Print the newest signed checkpoint
    #[command(after_long_help = "Example:\n  $ haechi audit checkpoint > kept")]
    Checkpoint(Newest),
    /// Print the key by which the log's checkpoints are verified
    #[command(after_long_help = "Example:\n  $ haechi audit key > gateway.vkey")]
    Key(Key),
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
            Self::Export(export) => export.run(context, out).await,
            Self::Exports(exports) => exports.run(context, out).await,
            Self::Show(show) => show.run(context, out).await,
            Self::Report(report) => report.run(context, out).await,
            Self::Witness(witness) => witness.run(context, out).await,
            Self::Archive(archive) => archive.run(context, out).await,
            Self::Prune(prune) => prune.run(context, out).await,
            Self::Hold(hold) => hold.run(context, out).await,
            Self::Repair(repair) => repair.run(context, out).await,
            Self::Verify(verify) => verify.run(context, out),
            Self::Prove(prove) => prove.run(context, out),
            Self::CheckProof(check) => check.run(context, out),
            Self::Consistency(consistency) => consistency.run(context, out),
            Self::ExportTiles(export) => export.run(context, out),
            Self::Checkpoint(newest) => newest.run(context, out),
            Self::Key(key) => key.run(context, out),
        }
    }
}
