//! Where a user is signed in with a browser.

use std::io::Write;
use std::process::ExitCode;

use haechi_core::{BrowserSessionStore as _, StoredBrowserSession};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::table::{json as print_json, table};

/// Lists the sessions of `username` that have not ended.
pub(super) async fn list(
    username: &str,
    as_json: bool,
    context: &Context,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let rooms = context.rooms().await?;
    let user = rooms.identity.user(username).await?;
    let sessions = rooms.store.list(&user.user_id).await.map_err(|error| Failure::of(&error))?;
    let now = rooms.clock.now();
    let standing = sessions.iter().filter(|session| session.expires_at > now);
    if as_json {
        let sessions: Vec<Value> = standing.map(in_json).collect();
        print_json(out, &sessions)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |session: &StoredBrowserSession| {
        vec![
            session.authenticated_at.to_string(),
            session.methods.join(" "),
            session.last_seen_at.to_string(),
            session.expires_at.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = standing.map(row).collect();
    table(out, &["SIGNED IN", "HOW", "LAST SEEN", "ENDS"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn in_json(session: &StoredBrowserSession) -> Value {
    json!({
        "authenticated_at": session.authenticated_at.to_string(),
        "methods": session.methods,
        "created_at": session.created_at.to_string(),
        "last_seen_at": session.last_seen_at.to_string(),
        "expires_at": session.expires_at.to_string(),
    })
}
