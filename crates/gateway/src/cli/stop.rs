//! `haechi stop`: the kill switch.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::{Act, StopView};
use haechi_identity::StopTarget;

use super::api_key::changed;
use super::context::Context;
use super::failure::Failure;
use super::table::{json as print_json, table, visible};

/// Stop a tool, a person or an upstream at once, or let them go on
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_long_help = "Example:\n  $ haechi stop --tool crm:delete_customer\n  $ haechi stop --tool crm:delete_customer --lift\n  $ haechi stop list"
)]
pub(super) struct Stop {
    #[command(subcommand)]
    list: Option<StopCommand>,
    #[command(flatten)]
    target: Target,
    /// Let it go on
    #[arg(long)]
    lift: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Target {
    /// A tool, `upstream:tool`
    #[arg(long, value_name = "UPSTREAM:TOOL")]
    tool: Option<String>,
    /// A user of this gateway
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// A whole upstream
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
}

#[derive(Debug, Subcommand)]
enum StopCommand {
    /// List what is stopped
    #[command(after_long_help = "Example:\n  $ haechi stop list")]
    List(List),
}

#[derive(Debug, Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Stop {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        if let Some(StopCommand::List(list)) = self.list {
            return list.run(context, out).await;
        }
        let lift = self.lift;
        let act = match (self.target.tool, self.target.user, self.target.upstream) {
            (Some(tool), ..) => {
                let (upstream, tool) = tool
                    .split_once(':')
                    .ok_or_else(|| Failure::unknown("a tool is written `upstream:tool`"))?;
                Act::StopTool { upstream: upstream.to_owned(), tool: tool.to_owned(), lift }
            }
            (None, Some(username), _) => Act::StopUser { username, lift },
            (None, None, Some(upstream)) => Act::StopUpstream { upstream, lift },
            (None, None, None) => {
                return Err(Failure::unknown(
                    "name what to stop: `--tool`, `--user` or `--upstream`",
                ));
            }
        };
        warn_of_strangers(context, &act)?;
        let done = context.administer(act).await?;
        changed(out, &done, self.json)
    }
}

/// A misspelt name stops nothing: whoever pulls this switch must hear of it.
fn warn_of_strangers(context: &Context, act: &Act) -> Result<(), Failure> {
    let (Act::StopUpstream { upstream, lift: false } | Act::StopTool { upstream, lift: false, .. }) =
        act
    else {
        return Ok(());
    };
    let settings = context.settings()?;
    if settings.file.is_some() && settings.upstream(upstream).is_none() {
        let text = context.say(
            "the settings name no such upstream; it is stopped all the same:",
            "설정에 없는 업스트림이지만 중지했습니다:",
        );
        writeln!(std::io::stderr(), "haechi: {text} {}", visible(upstream))?;
    }
    Ok(())
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let mut stops = Vec::new();
        for (target, since) in rooms.identity.stops().await? {
            let (what, name) = match target {
                StopTarget::Upstream(name) => ("upstream", name),
                StopTarget::Tool { upstream, tool } => ("tool", format!("{upstream}:{tool}")),
                StopTarget::User { user_id } => {
                    let user = rooms.identity.user_by_id(&user_id).await;
                    ("user", user.map_or(user_id, |user| user.username))
                }
                StopTarget::Foreign { issuer, subject } => {
                    ("user", format!("{subject} of {issuer}"))
                }
            };
            stops.push(StopView { what: what.to_owned(), name, since: since.to_string() });
        }
        stops.sort_by(|one, other| (&one.what, &one.name).cmp(&(&other.what, &other.name)));
        if self.json {
            print_json(out, &stops)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> =
            stops.into_iter().map(|stop| vec![stop.what, stop.name, stop.since]).collect();
        table(out, &["WHAT", "NAME", "SINCE"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}
