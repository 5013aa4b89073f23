//! The second factors of a user: which there are, and away with them for somebody who lost them.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Act, Done};
use haechi_core::{FactorKind, StoredFactor};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::table::{json as print_json, table};

/// The second factors of a user.
#[derive(Debug, Args)]
pub(super) struct SecondFactor {
    /// Whose
    username: String,
    /// Remove all of them, and sign the user out of all browsers
    #[arg(long)]
    reset: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl SecondFactor {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        if self.reset {
            let act = Act::ResetSecondFactors { username: self.username };
            if let Done::Changed { changed } = context.administer(act).await? {
                match (self.json, changed) {
                    (true, _) => print_json(out, &json!({ "changed": changed }))?,
                    (false, true) => {
                        let text = context.say(
                            "removed; a password opens the account again",
                            "삭제했습니다. 이제 비밀번호만으로 계정에 로그인할 수 있습니다",
                        );
                        writeln!(out, "{text}")?;
                    }
                    (false, false) => {
                        writeln!(
                            out,
                            "{}",
                            context.say("there were none", "등록된 수단이 없습니다")
                        )?;
                    }
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rooms = context.rooms().await?;
        let factors = rooms.identity.second_factors_of(&self.username).await?;
        if self.json {
            let factors: Vec<Value> = factors.iter().map(in_json).collect();
            print_json(out, &factors)?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |factor: &StoredFactor| {
            let last = factor.last_used_at.map(|at| at.to_string()).unwrap_or_default();
            vec![kind(factor).to_owned(), factor.created_at.to_string(), last]
        };
        let rows: Vec<Vec<String>> = factors.iter().map(row).collect();
        table(out, &["KIND", "ADDED", "LAST USED"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

const fn kind(factor: &StoredFactor) -> &'static str {
    match factor.kind {
        FactorKind::Totp => "totp",
        FactorKind::Passkey => "passkey",
        FactorKind::RecoveryCodes => "recovery-codes",
    }
}

fn in_json(factor: &StoredFactor) -> Value {
    json!({
        "kind": kind(factor),
        "created_at": factor.created_at.to_string(),
        "last_used_at": factor.last_used_at.map(|at| at.to_string()),
    })
}
