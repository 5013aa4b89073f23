//! The command line: one file for each subcommand.

mod api_key;
mod audit;
mod call;
mod callback;
mod carriers;
mod check;
mod client;
mod completions;
mod config;
mod context;
mod demo;
mod desk;
mod discover;
mod failure;
mod federation;
mod folder;
mod grant;
mod init;
mod key;
mod link;
mod login;
mod man;
mod mcp_client;
mod pii;
mod policy;
mod reveal;
mod run;
mod sample_server;
mod second_factor;
mod secret;
mod serve;
mod session;
mod stop;
mod subject;
mod table;
mod token;
mod user;
mod vault;
mod work;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::upstream::stdio::exec;
use context::{Common, Context};
use failure::Failure;

/// Haechi stands between MCP clients and MCP servers: who is calling, may they, what happened.
#[derive(Debug, Parser)]
#[command(
    name = "haechi",
    version,
    arg_required_else_help = true,
    after_help = "First contact: `haechi demo`. Exit status: 0 yes, 1 no, 2 could not tell."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Guard the servers of the settings over HTTP
    Serve(serve::Serve),
    /// Guard one program over standard input and output, inside a client's settings
    Run(run::Run),
    /// See it work: a sample server, three people, three commands to try
    Demo(demo::Demo),
    /// Write commented settings and make the first administrator
    Init(init::Init),
    /// Report every problem of settings, policies and upstreams, and who may do what
    Check(check::Check),
    /// Call a tool of an MCP server, as a small client
    Call(call::Call),
    /// Sign in to a gateway and get a token
    Login(login::Login),
    Link(link::Link),
    /// People who sign in here
    #[command(subcommand)]
    User(user::User),
    /// Keys that sign tokens
    #[command(subcommand)]
    Key(key::Key),
    /// Keys by which programs come in
    #[command(subcommand)]
    ApiKey(api_key::ApiKey),
    /// Programs that come to tokens through the authorization server
    #[command(subcommand)]
    Client(client::Client),
    /// Single tokens
    #[command(subcommand)]
    Token(token::Token),
    /// What people granted clients
    #[command(subcommand)]
    Grant(grant::Grant),
    /// Who may do what, and why
    #[command(subcommand)]
    Policy(policy::Policy),
    /// What happened
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Keys, what they seal, and copies of it all
    #[command(subcommand)]
    Vault(vault::Vault),
    /// People whom values are about, and what the law lets them ask for
    #[command(subcommand)]
    Subject(subject::Subject),
    /// See what a token holds, where you may; that is recorded
    Reveal(reveal::Reveal),
    /// Personal data and secrets in files
    #[command(subcommand)]
    Pii(pii::Pii),
    /// Stop a tool, a person or an upstream at once, or let them go on
    Stop(stop::Stop),
    /// The settings
    #[command(subcommand)]
    Config(config::Config),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Write the manual pages
    Man(man::Man),
    /// Serve the sample's tools on standard input and output, or over HTTP
    #[command(hide = true)]
    SampleServer(sample_server::SampleServer),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before anything is started: a child takes its limits on and becomes another program.
    if arguments.get(1).is_some_and(|name| name == exec::NAME) {
        return exec::child_exec(arguments.into_iter().skip(2));
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = Context::new(cli.common);
    // Keys are in this process: nothing of it may end in a core dump.
    if let Err(error) = haechi_vault::harden_process() {
        return Failure::of(&error).report(context.language);
    }
    // Never locked for long: `run` and `sample-server` write to it from other threads.
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let done = cli.command.run(&context, &mut out);
    let done = done.and_then(|code| Ok(out.flush().map(|()| code)?));
    done.unwrap_or_else(|failure| failure.report(context.language))
}

/// What clap says of a command line it does not take, or of `--help`.
fn usage(error: &clap::Error) -> ExitCode {
    let _unheard = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::COULD_NOT_TELL))
}

impl Command {
    fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        match self {
            Self::Serve(command) => context.block_on_all(command.run(context)),
            Self::Run(command) => context.block_on_all(command.run(context, out)),
            Self::Demo(command) => context.block_on_all(command.run(context, out)),
            Self::Init(command) => context.block_on(command.run(context, out)),
            Self::Check(command) => context.block_on_all(command.run(context, out)),
            Self::Call(command) => context.block_on(command.run(context, out)),
            Self::Link(command) => context.block_on(command.run(context, out)),
            Self::Login(command) => context.block_on(command.run(context, out)),
            Self::User(command) => context.block_on(command.run(context, out)),
            Self::Key(command) => context.block_on(command.run(context, out)),
            Self::ApiKey(command) => context.block_on(command.run(context, out)),
            Self::Client(command) => context.block_on(command.run(context, out)),
            Self::Token(command) => context.block_on(command.run(context, out)),
            Self::Grant(command) => context.block_on(command.run(context, out)),
            Self::Policy(command) => context.block_on_all(command.run(context, out)),
            Self::Audit(command) => context.block_on(command.run(context, out)),
            Self::Vault(command) => context.block_on(command.run(context, out)),
            Self::Subject(command) => context.block_on(command.run(context, out)),
            Self::Reveal(command) => context.block_on(command.run(context, out)),
            Self::Pii(command) => command.run(context, out),
            Self::Stop(command) => context.block_on(command.run(context, out)),
            Self::Config(command) => command.run(context, out),
            Self::Completions(command) => command.run(out),
            Self::Man(command) => command.run(out),
            Self::SampleServer(command) => context.block_on(command.run(context, out)),
        }
    }
}

/// The command line as clap knows it, for completions and manual pages.
fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::definition().debug_assert();
    }

    /// Walks every subcommand that people see.
    fn each(command: &clap::Command, path: &str, look: &mut impl FnMut(&clap::Command, &str)) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                each(sub, &path, look);
            } else {
                look(sub, &path);
            }
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut without = Vec::new();
        each(&super::definition(), "haechi", &mut |command, path| {
            let help = command.clone().render_long_help().to_string();
            if !help.contains(&format!("$ {path}")) {
                without.push(path.to_owned());
            }
        });
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn no_secret_is_an_argument() {
        each(&super::definition(), "haechi", &mut |command, path| {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(!matches!(id, "password" | "token" | "secret"), "{path} {id}");
            }
        });
    }
}
