//! `haechi grant`: what persons granted clients.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::{Act, Rooms};
use haechi_core::StoredGrant;
use serde_json::{Value, json};

use super::api_key::changed;
use super::context::Context;
use super::failure::Failure;
use super::table::{json as print_json, table};

#[derive(Debug, Subcommand)]
pub(super) enum Grant {
    /// List which clients hold what of whom
    #[command(
        after_long_help = "Example:\n  $ haechi grant list\n  $ haechi grant list --user kim"
    )]
    List(List),
    /// Revoke grants; their tokens are refused from the next request on, and the person is asked again
    #[command(
        after_long_help = "Example:\n  $ haechi grant revoke 3q2-8w\n  $ haechi grant revoke --user kim --client notes"
    )]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this user only
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// To this client only
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true, args = ["grant_id", "user", "client"])]
pub(super) struct Revoke {
    /// The grant's id, which may begin with `-`
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["user", "client"], value_name = "GRANT")]
    grant_id: Option<String>,
    /// Every grant of this user, or with `--client` those to it
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Every grant to this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Grant {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::List(list) => list.run(context, out).await,
            Self::Revoke(revoke) => revoke.run(context, out).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let user_id = match &self.user {
            Some(username) => Some(rooms.identity.user(username).await?.user_id),
            None => None,
        };
        let grants = rooms.identity.grants(user_id.as_deref(), self.client.as_deref()).await?;
        let names = usernames(&rooms, &grants).await?;
        let name = |grant: &StoredGrant| names.get(&grant.user_id).cloned().unwrap_or_default();
        if self.json {
            let grants: Vec<Value> =
                grants.iter().map(|grant| in_json(grant, &name(grant))).collect();
            print_json(out, &grants)?;
            return Ok(ExitCode::SUCCESS);
        }
        let words = |words: &mut dyn Iterator<Item = &String>| {
            words.map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        let row = |grant: &StoredGrant| {
            vec![
                grant.grant_id.clone(),
                name(grant),
                grant.client_id.clone(),
                words(&mut grant.scopes.iter()),
                words(&mut grant.resources.iter()),
                grant.expires_at.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = grants.iter().map(row).collect();
        table(out, &["GRANT", "USER", "CLIENT", "SCOPES", "WHERE", "ENDS"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The names of everybody who granted something, by `user_id`.
async fn usernames(
    rooms: &Rooms,
    grants: &[StoredGrant],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    for grant in grants {
        if !names.contains_key(&grant.user_id) {
            let user = rooms.identity.user_by_id(&grant.user_id).await?;
            names.insert(grant.user_id.clone(), user.username);
        }
    }
    Ok(names)
}

fn in_json(grant: &StoredGrant, username: &str) -> Value {
    json!({
        "grant_id": grant.grant_id,
        "username": username,
        "user_id": grant.user_id,
        "client_id": grant.client_id,
        "scopes": grant.scopes,
        "resources": grant.resources,
        "authenticated_at": grant.authenticated_at.to_string(),
        "created_at": grant.created_at.to_string(),
        "expires_at": grant.expires_at.to_string(),
    })
}

impl Revoke {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let act = match self.grant_id {
            Some(grant_id) => Act::RevokeGrant { grant_id },
            None => Act::RevokeGrants { username: self.user, client_id: self.client },
        };
        let done = context.administer(act).await?;
        changed(out, &done, self.json)
    }
}
