//! `haechi check`: every problem at once, and who may do what.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Log, Rooms, Settings, SettingsError, policy_source};
use haechi_audit::OpenError;
use haechi_audit::repair::{Extent, RepairError};
use haechi_core::{Clock as _, UpstreamName};
use haechi_policy::{Matrix, Policy};
use serde_json::{Value, json};

use super::context::Context;
use super::discover::discover;
use super::failure::{Failure, NO};
use super::policy::roles_of;
use super::table::{json as print_json, visible};

/// Report every problem of settings, policies and upstreams, and who may do what
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  $ haechi check --config haechi.toml\n\n\
    Starts the programs and asks the servers of the settings for their tools. Exit status: 0 nothing \
    is wrong, 1 something is, 2 it could not be told.")]
pub(super) struct Check {
    /// Look at settings and policies only
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
    upstreams: Vec<(UpstreamName, Result<usize, String>)>,
    matrix: Option<Matrix>,
}

impl Check {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let mut found = Findings::default();
        match Settings::load(&self.file(context)) {
            Ok(settings) => self.look(context, &settings, &mut found).await?,
            Err(SettingsError::Problems(problems)) => {
                found.problems.extend(problems.iter().map(ToString::to_string));
            }
            Err(error) => return Err(error.into()),
        }
        if self.json {
            print_json(out, &found.json())?;
        } else {
            found.tell(context, out)?;
        }
        Ok(ExitCode::from(if found.problems.is_empty() { 0 } else { NO }))
    }

    fn file(&self, context: &Context) -> std::path::PathBuf {
        let named = context.common.config.clone();
        named.unwrap_or_else(|| super::context::DEFAULT_SETTINGS.into())
    }

    async fn look(
        &self,
        context: &Context,
        settings: &Settings,
        found: &mut Findings,
    ) -> Result<(), Failure> {
        found.look_at_files(settings);
        if !self.offline {
            found.look_at_log(context, settings).await?;
        }
        let mut tools = Vec::new();
        if !self.offline && !settings.upstreams.is_empty() {
            let discovered = discover(settings, context.directory(settings)?).await?;
            for (name, shown) in &discovered.upstreams {
                if let Err(why) = shown {
                    found.problems.push(format!("`upstream.{name}`: {why}"));
                }
            }
            found.upstreams = discovered.upstreams;
            tools = discovered.tools;
        }
        let source = match policy_source(settings, tools.clone()) {
            Ok(source) => source,
            Err(error) => {
                found.problems.push(super::failure::chain(&error));
                return Ok(());
            }
        };
        match Policy::compile(&source, 0) {
            Ok((policy, warnings)) => {
                found.warnings.extend(warnings.iter().map(ToString::to_string));
                let now = haechi_assembly::SystemClock.now();
                found.matrix = Some(Matrix::of(&policy, &roles_of(settings), &tools, now));
            }
            Err(problems) => found
                .problems
                .extend(problems.iter().map(|problem| format!("{problem}; {}", problem.help()))),
        }
        Ok(())
    }
}

impl Findings {
    /// What settings name must be there: certificates, folders, files of authorities.
    fn look_at_files(&mut self, settings: &Settings) {
        let mut missing = |key: String, path: &std::path::Path| {
            if !path.exists() {
                self.problems.push(format!("`{key}`: `{}` is not there", path.display()));
            }
        };
        if let Some(tls) = &settings.listen.tls {
            missing("listen.tls.certificate".to_owned(), &tls.certificate);
            missing("listen.tls.key".to_owned(), &tls.key);
            if let Some(haechi_assembly::settings::ClientCertificates::SignedBy(file)) =
                &tls.clients
            {
                missing("listen.tls.client_authorities".to_owned(), file);
            }
        }
        if let Some(authorities) = &settings.outbound.authorities {
            missing("outbound.authorities".to_owned(), authorities);
        }
        for upstream in &settings.upstreams {
            if let haechi_assembly::settings::Carrier::Program(program) = &upstream.carrier
                && let Some(folder) = &program.folder
            {
                missing(format!("upstream.{}.folder", upstream.name), folder);
            }
        }
        if settings.upstreams.is_empty() {
            self.warnings.push("there is no `[[upstream]]`: nothing is guarded".to_owned());
        }
        let anonymous = settings.roles.iter().any(|role| role.name == "anonymous");
        if anonymous && !settings.listen.anonymous {
            self.warnings.push(
                "the role `anonymous` is held by nobody without \
                 `listen.dangerous_allow_anonymous = true`"
                    .to_owned(),
            );
        }
        if settings.listen.anonymous && !anonymous {
            self.warnings.push(
                "callers without credentials come in, and no rule lets them do anything".to_owned(),
            );
        }
    }

    /// A log that lost entries would refuse every call. One that a gateway writes now was looked at
    /// when that started.
    async fn look_at_log(&mut self, context: &Context, settings: &Settings) -> Result<(), Failure> {
        let directory = context.directory(settings)?;
        if !directory.audit().exists() {
            return Ok(());
        }
        let rooms = Rooms::open(settings, directory).await?;
        match rooms.examine_log(settings, &Log::Gateway, Extent::Opening).await {
            Ok(None) | Err(RepairError::Open(OpenError::Locked { .. })) => {}
            Ok(Some(loss)) => {
                let wrong = super::audit::repair::wrong(context, &loss.problem);
                self.problems.push(format!("{wrong}; `haechi audit repair`"));
            }
            Err(error) => self.problems.push(super::failure::chain(&error)),
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let upstream = |(name, shown): &(UpstreamName, Result<usize, String>)| match shown {
            Ok(tools) => json!({ "name": name, "tools": tools }),
            Err(why) => json!({ "name": name, "error": why }),
        };
        let upstreams: Vec<Value> = self.upstreams.iter().map(upstream).collect();
        json!({
            "ok": self.problems.is_empty(),
            "problems": self.problems,
            "warnings": self.warnings,
            "upstreams": upstreams,
            "matrix": self.matrix,
        })
    }

    fn tell(&self, context: &Context, out: &mut dyn Write) -> Result<(), Failure> {
        let (problem, warning) = (context.say("problem", "문제"), context.say("warning", "경고"));
        for (word, texts) in [(&problem, &self.problems), (&warning, &self.warnings)] {
            for text in texts {
                let lines: Vec<String> = text.lines().map(visible).collect();
                writeln!(out, "{word}: {}", lines.join("\n  "))?;
            }
        }
        for (name, shown) in &self.upstreams {
            if let Ok(tools) = shown {
                writeln!(out, "{name}: {tools} {}", context.say("tools", "개 도구"))?;
            }
        }
        if let Some(matrix) = self.matrix.as_ref().filter(|matrix| !matrix.tools.is_empty()) {
            writeln!(out, "\n{matrix}")?;
        }
        if self.problems.is_empty() {
            writeln!(out, "{}", context.say("Nothing is wrong.", "문제가 없습니다."))?;
        }
        Ok(())
    }
}
