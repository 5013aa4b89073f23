//! `haechi run`: guard one program over standard input and output.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_assembly::settings::Carrier;
use haechi_assembly::{Assembly, Log, Settings, compile_policy, text_variable, variable};
use haechi_core::{Credentials, Secret, UpstreamName};
use haechi_identity::Audience;
use tracing::level_filters::LevelFilter;

use super::audit::repair::refused;
use super::carriers::{name_of, program};
use super::context::Context;
use super::failure::Failure;
use super::serve::stop_signals;
use crate::gateway::HttpConfig;
use crate::observability::{LogConfig, LogFormat, Logging};
use crate::transport::stdio::{self, Conversation};

/// Guard one program over standard input and output, inside a client's settings
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi run -- npx -y @modelcontextprotocol/server-filesystem /home/me/docs\n\n\
    Without `--config` you are the owner and may call everything, and everything is recorded. With \
    it, no rule means no."
)]
pub(super) struct Run {
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// The name of this server, for rules and for the log; by default what the command runs
    #[arg(long)]
    name: Option<String>,
    /// The environment variable that holds an access token or API key: you are whoever it says, and
    /// not the operating-system user
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Print the policy that would be in force, and end
    #[arg(long)]
    print_policy: bool,
}

impl Run {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let name = self.upstream_name()?;
        let settings = self.settings(context, name.clone())?;
        if self.print_policy {
            let (policy, _) = compile_policy(&settings, Vec::new(), 0)?;
            write!(out, "{}", policy.cedar_text())?;
            return Ok(ExitCode::SUCCESS);
        }
        let credentials = self.credentials()?;
        let directory = context.directory(&settings)?;
        let log = Log::Run(name.as_str().to_owned());
        let assembly = Assembly::open(&settings, directory, &log).await;
        let named = format!("run/{}", name.as_str());
        let assembly = assembly.map_err(|error| refused(context, &named, error))?;
        let logging = start_logging(&settings, &assembly)?;
        announce(context, &settings, &assembly);
        let upstream = settings.upstreams.first();
        let upstream = upstream.ok_or_else(|| Failure::unknown("there is no program to run"))?;
        let Carrier::Program(carrier) = &upstream.carrier else {
            return Err(Failure::unknown(
                "`haechi run` guards programs; this upstream has a `url`",
            ));
        };
        let conversation = Conversation {
            guard: Arc::clone(&assembly.guard),
            upstream: Arc::new(program(upstream, carrier, &assembly.rooms)?),
            credentials,
            audience: audience(&settings, &name),
            language: context.language,
            tell_denied: settings.policy.tell_denied || settings.owner,
        };
        let stop = stop_signals()?;
        let ended = stdio::run(conversation, tokio::io::stdin(), tokio::io::stdout(), stop).await;
        assembly.close().await;
        logging.finish(std::time::Duration::from_secs(1));
        ended.map_err(|error| Failure::of(&error))?;
        Ok(ExitCode::SUCCESS)
    }

    fn upstream_name(&self) -> Result<UpstreamName, Failure> {
        let Some(name) = &self.name else { return Ok(name_of(&self.command)) };
        UpstreamName::parse(name).ok_or_else(|| {
            Failure::unknown("`--name` must be small letters, digits, `_` and `-`, at most 32")
        })
    }

    /// Settings that are named, and never those that happen to lie in the present folder: a client
    /// starts this program wherever it likes.
    fn settings(&self, context: &Context, name: UpstreamName) -> Result<Settings, Failure> {
        let command: Option<Vec<String>> =
            self.command.iter().map(|word| word.to_str().map(str::to_owned)).collect();
        let command = command.ok_or_else(|| Failure::unknown("the command is not UTF-8"))?;
        let none = || {
            Failure::unknown("there is no program to run")
                .help("write it after `--`, or name a program of the settings with `--name`")
        };
        match &context.common.config {
            Some(file) => Settings::load(file)?.narrowed(name, command).ok_or_else(none),
            None if command.is_empty() && !self.print_policy => Err(none()),
            None => Ok(Settings::owned(name, command)),
        }
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        let Some(name) = &self.token_env else {
            let uid = rustix::process::getuid().as_raw();
            return Ok(Credentials::OperatingSystemUser { uid, username: text_variable("USER") });
        };
        let value = variable(name).and_then(|value| value.into_string().ok());
        let token = value.ok_or_else(|| {
            Failure::unknown(format!("the environment has no variable `{name}` with a token"))
        })?;
        Ok(Credentials::Bearer(Secret::from(token)))
    }
}

/// A token for the route of the same name on the gateway of these settings is good here too.
fn audience(settings: &Settings, name: &UpstreamName) -> Audience {
    let http = HttpConfig {
        tls: settings.listen.tls.is_some(),
        public_url: settings.listen.public_url.clone(),
        ..HttpConfig::new(settings.listen.address)
    };
    let resource = |base: String| format!("{base}/{name}/mcp");
    let resources = http.bases().into_iter().map(resource).collect();
    let sender = settings.upstream(name.as_str()).map(|it| it.sender).unwrap_or_default();
    Audience { resources, anonymous: false, sender }
}

fn start_logging(settings: &Settings, assembly: &Assembly) -> Result<Logging, Failure> {
    let config = LogConfig {
        format: if settings.log.json { LogFormat::Json } else { LogFormat::Text },
        // Clients show what a server writes on standard error: only what needs attention.
        level: settings.log.level.parse().unwrap_or(LevelFilter::WARN).min(LevelFilter::WARN),
        otlp_endpoint: settings.telemetry.as_ref().map(|url| url.as_str().to_owned()),
    };
    Logging::start(&config, assembly.rooms.outbound.upstream_client())
        .map_err(|error| Failure::of(&error))
}

/// One line on standard error: which policy is in force, and where the log is.
fn announce(context: &Context, settings: &Settings, assembly: &Assembly) {
    let log = assembly.log.display();
    let policy = match (&settings.file, settings.owner) {
        (Some(file), _) => file.display().to_string(),
        (None, _) => context.say(
            "owner (you may call everything; `haechi run --print-policy`)",
            "소유자 정책 (모든 호출 허용; `haechi run --print-policy`)",
        ),
    };
    let (policy_word, log_word) = (context.say("policy", "정책"), context.say("log", "로그"));
    let _unheard =
        writeln!(std::io::stderr(), "haechi: {policy_word}: {policy} · {log_word}: {log}");
}
