//! `haechi config`: the settings.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use haechi_assembly::Settings;

use super::context::Context;
use super::failure::Failure;
use super::table::json;

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print the JSON Schema of the settings, for editors
    #[command(after_long_help = "Example:\n  $ haechi config schema > haechi.schema.json")]
    Schema,
    /// Show the settings as they were understood; secrets are not shown
    #[command(after_long_help = "Example:\n  $ haechi config show --config haechi.toml")]
    Show,
}

impl Config {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        match self {
            Self::Schema => json(out, &Settings::schema())?,
            Self::Show => writeln!(out, "{:#?}", context.settings()?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
