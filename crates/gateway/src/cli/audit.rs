//! `haechi audit`: what happened, and that nobody changed it.

mod query;
mod witness;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use query::{Ask, Show, Tail};
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
        }
    }
}
