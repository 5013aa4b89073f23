//! `haechi completions`: completions for a shell.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi completions bash > ~/.local/share/bash-completion/completions/haechi"
)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        // Into memory first: the generator panics where a pipe is closed.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::definition(), "haechi", &mut text);
        out.write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
