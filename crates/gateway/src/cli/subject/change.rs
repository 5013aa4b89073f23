//! Holds, restrictions and names.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Done, Work};
use serde_json::json;

use super::{Who, of_subject};
use crate::cli::api_key::changed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

#[derive(Debug, Args)]
pub(in crate::cli) struct Hold {
    #[command(flatten)]
    who: Who,
    /// What ends it again by `haechi subject release`
    #[arg(long)]
    id: String,
    /// Why; it is not sealed, so nothing personal
    #[arg(long)]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    who: Who,
    /// Which hold
    #[arg(long)]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restrict {
    #[command(flatten)]
    who: Who,
    /// End the restriction
    #[arg(long)]
    lift: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Name {
    #[command(flatten)]
    who: Who,
    /// Who vouches for the new name, or `data-subject`
    new_issuer: String,
    /// The new name
    new_name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RegisterAgain {
    /// Who vouches for the name, or `data-subject`
    name_issuer: String,
    /// The name
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Hold {
    pub(in crate::cli) const fn new(who: Who, id: String, reason: String, json: bool) -> Self {
        Self { who, id, reason, json }
    }

    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        let job = Job::new(Work::SubjectHold, &sid.0).with("hold", &self.id);
        let held = job.run(context, async {
            let held = rooms.safe.subjects.hold(&sid, &self.id, &self.reason).await;
            Ok((held.map_err(of_subject)?, Vec::new()))
        });
        held.await?;
        changed(out, &Done::Changed { changed: true }, self.json)
    }
}

impl Release {
    pub(in crate::cli) const fn new(who: Who, id: String, json: bool) -> Self {
        Self { who, id, json }
    }

    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        let job = Job::new(Work::SubjectRelease, &sid.0).with("hold", &self.id);
        let released = job.run(context, async {
            let released = rooms.safe.subjects.release(&sid, &self.id).await;
            Ok((released.map_err(of_subject)?, Vec::new()))
        });
        let done = Done::Changed { changed: released.await? };
        changed(out, &done, self.json)
    }
}

impl Restrict {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        let subjects = &rooms.safe.subjects;
        let job = Job::new(Work::SubjectRestrict, &sid.0).with("lift", self.lift);
        let restricted = job.run(context, async {
            let restricted = if self.lift {
                subjects.lift_restriction(&sid).await
            } else {
                subjects.restrict(&sid).await
            };
            Ok((restricted.map_err(of_subject)?, Vec::new()))
        });
        let done = Done::Changed { changed: restricted.await? };
        changed(out, &done, self.json)
    }
}

impl Name {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        let job = Job::new(Work::SubjectName, &sid.0);
        let named = job.run(context, async {
            let subjects = &rooms.safe.subjects;
            let named = subjects.add_name(&sid, &self.new_issuer, &self.new_name).await;
            Ok((named.map_err(of_subject)?, Vec::new()))
        });
        named.await?;
        changed(out, &Done::Changed { changed: true }, self.json)
    }
}

impl RegisterAgain {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let job = Job::new(Work::SubjectName, "again");
        let sid = job.run(context, async {
            let subjects = &rooms.safe.subjects;
            let again = subjects.register_again(&self.name_issuer, &self.name).await;
            let sid = again.map_err(of_subject)?;
            let found = vec![format!("sid:{sid}")];
            Ok((sid, found))
        });
        let sid = sid.await?;
        if self.json {
            print_json(out, &json!({ "sid": sid }))?;
        } else {
            writeln!(out, "{sid}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
