//! Everything readable about one person.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use haechi_assembly::Work;
use haechi_core::Secret;
use zeroize::Zeroizing;

use super::{Who, log, of_subject};
use crate::cli::context::Context;
use crate::cli::failure::{COULD_NOT_TELL, Failure};
use crate::cli::secret::write_private;
use crate::cli::work::Job;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Exact
    #[default]
    Json,
    /// One record a line, for spreadsheets
    Csv,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    who: Who,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        let job = Job::new(Work::SubjectExport, &sid.0);
        let (export, whole) = job
            .run(context, async {
                let mut export = rooms.safe.subjects.export(&sid).await.map_err(of_subject)?;
                let access = rooms.access_of(&sid, &export.names).await;
                export.access = access.map_err(|error| Failure::of(&error))?;
                let (records, whole) = log::records(rooms.directory.path(), &sid)?;
                export.entries = log::opened(&records, &sid, &*rooms.sealer).await;
                let values = export.values.len();
                let found =
                    vec![format!("values:{values}"), format!("entries:{}", export.entries.len())];
                Ok(((export, whole), found))
            })
            .await?;
        let text = Zeroizing::new(match self.format {
            Format::Json => export.to_json(),
            Format::Csv => export.to_csv(),
        });
        match &self.output {
            Some(file) => write_private(file, &Secret::new(text.as_bytes().to_vec()))?,
            None => writeln!(out, "{}", text.trim_end())?,
        }
        if !whole {
            let mut err = std::io::stderr();
            writeln!(err, "haechi: a log was not read to its end; entries may be missing")?;
        }
        Ok(ExitCode::from(if whole { 0 } else { COULD_NOT_TELL }))
    }
}
