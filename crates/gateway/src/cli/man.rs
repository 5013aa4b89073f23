//! `haechi man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;

/// Write the manual pages
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  $ haechi man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder they are written into
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let shown = self.folder.display().to_string();
        let unusable = |error| Failure::unknown(format!("`{shown}` cannot be written: {error}"));
        std::fs::create_dir_all(&self.folder).map_err(unusable)?;
        clap_mangen::generate_to(super::definition(), &self.folder).map_err(unusable)?;
        writeln!(out, "{shown}")?;
        Ok(ExitCode::SUCCESS)
    }
}
