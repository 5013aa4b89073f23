//! Who there is, without names.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_vault::{SubjectSummary, Subjects};

use super::of_subject;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::{json as print_json, table};

const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// The person of this name only
    #[arg(long, num_args = 2, value_names = ["ISSUER", "NAME"])]
    name: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let subjects = context.rooms().await?.safe.subjects;
        let mut people = all(&subjects).await?;
        if let Some([issuer, name]) = self.name.as_deref() {
            let sid = subjects.find(issuer, name).await.map_err(of_subject)?;
            people.retain(|person| person.sid == sid);
        }
        if self.json {
            print_json(out, &people)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> = people.iter().map(row).collect();
        table(out, &["SID", "REGISTERED", "KEYS", "HOLDS", "STATE"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(person: &SubjectSummary) -> Vec<String> {
    let state = match (person.erasing_since, person.restricted_since) {
        (Some(at), _) => format!("erased {at}"),
        (None, Some(at)) => format!("restricted {at}"),
        (None, None) => String::new(),
    };
    vec![
        person.sid.to_string(),
        person.registered_at.map(|at| at.to_string()).unwrap_or_default(),
        person.key_versions.to_string(),
        person.holds.to_string(),
        state,
    ]
}

async fn all(subjects: &Subjects) -> Result<Vec<SubjectSummary>, Failure> {
    let mut people: Vec<SubjectSummary> = Vec::new();
    loop {
        let after = people.last().map(|last| last.sid.clone());
        let page = subjects.list(after.as_ref(), PAGE).await.map_err(of_subject)?;
        if page.is_empty() {
            return Ok(people);
        }
        people.extend(page);
    }
}
