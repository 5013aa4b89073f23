//! Single values, for whoever moves or repairs what is stored elsewhere.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::Work;
use haechi_core::{Place, ProtectError, Secret, Sid};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, chain};
use crate::cli::secret;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

/// Where a value stands: an envelope opens nowhere else.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlaceOptions {
    /// The tenant
    #[arg(long, default_value = "")]
    tenant: String,
    /// The upstream
    #[arg(long, default_value = "")]
    upstream: String,
    /// The tool, prompt or method
    #[arg(long, default_value = "")]
    tool: String,
    /// The field, a JSON pointer with `*` for positions in lists
    #[arg(long, default_value = "")]
    field: String,
    /// The kind of value, such as `EMAIL_ADDRESS`
    #[arg(long, default_value = "")]
    pub(super) kind: String,
}

impl PlaceOptions {
    pub(super) fn place(&self) -> Place {
        Place {
            tenant: self.tenant.as_str().into(),
            upstream: self.upstream.as_str().into(),
            tool: self.tool.as_str().into(),
            field: self.field.as_str().into(),
            kind: self.kind.as_str().into(),
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Encrypt {
    #[command(flatten)]
    place: PlaceOptions,
    /// Whom it is about: it dies with that person's key
    #[arg(long, value_name = "SID")]
    subject: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Decrypt {
    #[command(flatten)]
    place: PlaceOptions,
    /// Print JSON, with the kind and whom it is about
    #[arg(long)]
    json: bool,
}

impl Encrypt {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        if self.place.kind.is_empty() {
            return Err(Failure::unknown("name the kind of value with `--kind`"));
        }
        let value = Secret::from(secret::from_input()?.to_string());
        let vault = context.rooms().await?.safe.vault;
        let subject = self.subject.map(|sid| Sid(sid.into()));
        let (place, job) = (
            self.place.place(),
            Job::new(Work::VaultEncrypt, "value").with("kind", &self.place.kind),
        );
        let sealed = job.run(context, async {
            let sealed = vault.encrypt(&place, &value, subject.as_ref()).await;
            Ok((sealed.map_err(of_value)?, Vec::new()))
        });
        writeln!(out, "{}", sealed.await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Decrypt {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let text = secret::from_input()?;
        let vault = context.rooms().await?.safe.vault;
        let place = self.place.place();
        let job = Job::new(Work::VaultDecrypt, "value");
        // Recorded to its end before anything is shown.
        let opened = job.run(context, async {
            let opened = vault.decrypt(&place, text.trim()).await.map_err(of_value)?;
            let mut found = vec![format!("kind:{}", opened.kind)];
            found.extend(opened.subject.iter().map(|sid| format!("subject:{sid}")));
            Ok((opened, found))
        });
        let opened = opened.await?;
        let value = opened.value.expose_str().unwrap_or_default();
        if self.json {
            let subject = opened.subject.as_ref().map(ToString::to_string);
            let kind = &*opened.kind;
            print_json(out, &json!({ "value": value, "kind": kind, "subject": subject }))?;
        } else {
            writeln!(out, "{value}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What the vault says of one value.
pub(super) fn of_value(error: ProtectError) -> Failure {
    match error {
        ProtectError::Unavailable(_) => Failure::of(&error),
        ProtectError::Elsewhere => Failure::no(chain(&error))
            .help("name tenant, upstream, tool and field as they were when it was protected"),
        error => Failure::no(chain(&error)),
    }
}
