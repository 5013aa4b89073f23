//! `haechi vault`: keys, what they seal, and copies of it all.

mod backup;
mod keys;
mod rewrap;
mod root;
mod status;
mod values;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use haechi_vault::VaultKeyError;

use super::context::Context;
use super::failure::{Failure, chain};

#[derive(Debug, Subcommand)]
pub(super) enum Vault {
    /// Make the root key and say where it is
    #[command(after_long_help = "Example:\n  $ haechi vault init")]
    Init(status::Status),
    /// Show the root, keys, versions, counters and how many tokens there are
    #[command(after_long_help = "Example:\n  $ haechi vault status --json")]
    Status(status::Status),
    /// Give keys a new version, which seals new values; the older ones open what they sealed
    #[command(after_long_help = "Example:\n  $ haechi vault rotate --kind EMAIL_ADDRESS")]
    Rotate(keys::Rotate),
    /// Seal what is kept anew with the newest keys; goes on where it was cut off
    #[command(
        after_long_help = "Examples:\n  $ haechi vault rewrap --dry-run\n  $ haechi vault rewrap --from fernet --kind EMAIL_ADDRESS < tokens.txt"
    )]
    Rewrap(rewrap::Rewrap),
    /// Condemn a key or one version of it, to be destroyed in seven days or later
    #[command(after_long_help = "Example:\n  $ haechi vault destroy 7 --version 1 --in 30d")]
    Destroy(keys::Destroy),
    /// Seal one value from standard input for one place
    #[command(
        after_long_help = "Example:\n  $ haechi vault encrypt --kind EMAIL_ADDRESS --upstream crm --tool get < value"
    )]
    Encrypt(values::Encrypt),
    /// Open one protected text from standard input; that is recorded
    #[command(after_long_help = "Example:\n  $ haechi vault decrypt --upstream crm < text")]
    Decrypt(values::Decrypt),
    /// Take over keys of other programs
    #[command(subcommand)]
    Import(keys::Import),
    /// Give the root key to another keeper
    #[command(after_long_help = "Example:\n  $ haechi vault root --to with-kms.toml")]
    Root(root::Root),
    /// Copy the database, settings and the log, or with `--subject-keys` the keys of persons
    #[command(
        after_long_help = "Examples:\n  $ haechi vault backup /backup/monday\n  $ haechi vault backup --subject-keys /elsewhere --expires 30d"
    )]
    Backup(backup::Backup),
    /// Restore a backup into the empty folder named by `--data-dir`
    #[command(
        after_long_help = "Example:\n  $ haechi vault restore /backup/monday --data-dir data --root-key /safe/key --subject-keys /elsewhere/3f0a.subject-keys"
    )]
    Restore(backup::Restore),
}

impl Vault {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Init(command) | Self::Status(command) => command.run(context, out).await,
            Self::Rotate(command) => command.run(context, out).await,
            Self::Rewrap(command) => command.run(context, out).await,
            Self::Destroy(command) => command.run(context, out).await,
            Self::Encrypt(command) => command.run(context, out).await,
            Self::Decrypt(command) => command.run(context, out).await,
            Self::Import(command) => command.run(context, out).await,
            Self::Root(command) => command.run(context, out).await,
            Self::Backup(command) => command.run(context, out).await,
            Self::Restore(command) => command.run(context, out).await,
        }
    }
}

fn of_key(error: VaultKeyError) -> Failure {
    match error {
        VaultKeyError::Unavailable(_) => Failure::of(&error),
        error => Failure::no(chain(&error)).help("`haechi vault status` shows keys and versions"),
    }
}
