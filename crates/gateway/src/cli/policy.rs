//! `haechi policy`: who may do what, and why.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::settings::read_duration;
use haechi_assembly::{Rooms, Settings, compile_policy, read_expectations};
use haechi_core::{Action, Clock as _, Means, Origin, Principal, Resource, UpstreamName};
use haechi_policy::{
    Explanation, KnownTool, Matrix, Policy as Compiled, Question, RuleVerdict, Surroundings,
    VerdictKind, stand_in,
};
use serde_json::Value;

use super::context::Context;
use super::discover::discover;
use super::failure::{Failure, NO};
use super::table::{json as print_json, visible};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Say which rule decides a call
    #[command(
        after_long_help = "Example:\n  $ haechi policy explain --user kim --tool files:write_file --args '{\"path\": \"/etc/passwd\"}'\n\n\
        Exit status: 0 permitted, 1 denied."
    )]
    Explain(Explain),
    /// Print roles or people against tools
    #[command(after_long_help = "Example:\n  $ haechi policy matrix --people")]
    Matrix(MatrixOf),
    /// Run a file of expectations, for continuous integration
    #[command(after_long_help = "Example:\n  $ haechi policy test expectations.toml\n\n\
        Exit status: 0 all came out as expected, 1 some did not.")]
    Test(Test),
    /// Print what roles and files compile to, or the schema of Cedar files
    #[command(
        after_long_help = "Example:\n  $ haechi policy show\n  $ haechi policy show --schema"
    )]
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    what: What,
    /// The arguments, a JSON object
    #[arg(long, default_value = "{}", value_name = "JSON")]
    args: String,
    /// From which address
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// How long ago the caller signed in
    #[arg(long, default_value = "0s", value_name = "DURATION")]
    age: String,
    /// Ask the upstreams for their tools first, for rules that read annotations
    #[arg(long)]
    connect: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A user of this gateway
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Somebody with these roles, with `,` between them
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    roles: Option<Vec<String>>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// A tool, `upstream:tool`
    #[arg(long, value_name = "UPSTREAM:TOOL")]
    tool: Option<String>,
    /// A resource, `upstream:uri`
    #[arg(long, value_name = "UPSTREAM:URI")]
    resource: Option<String>,
    /// A prompt, `upstream:prompt`
    #[arg(long, value_name = "UPSTREAM:PROMPT")]
    prompt: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct MatrixOf {
    /// People and not roles
    #[arg(long)]
    people: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// A file of expectations, TOML or JSON
    file: PathBuf,
    /// Ask the upstreams for their tools first, for rules that read annotations
    #[arg(long)]
    connect: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The schema that Cedar files are validated against
    #[arg(long)]
    schema: bool,
}

impl Policy {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Explain(explain) => explain.run(context, out).await,
            Self::Matrix(matrix) => matrix.run(context, out).await,
            Self::Test(test) => test.run(context, out).await,
            Self::Show(show) => show.run(context, out),
        }
    }
}

/// Somebody with each role of the settings, and nobody's roles at all.
pub(super) fn roles_of(settings: &Settings) -> Vec<(String, Principal)> {
    let names = settings.roles.iter().map(|role| role.name.as_str()).filter(|name| *name != "*");
    let one = |name: &str| (name.to_owned(), stand_in([name.to_owned()].into()));
    let nobody = ("(none)".to_owned(), stand_in(BTreeSet::new()));
    names.map(one).chain([nobody]).collect()
}

/// Whether the policies compile at all, where nothing but they themselves is looked at.
fn compiled(settings: &Settings) -> Result<Compiled, Failure> {
    Ok(compile_policy(settings, Vec::new(), 0)?.0)
}

/// The principal a user of this gateway would be after signing in now.
async fn person(rooms: &Rooms, username: &str) -> Result<Principal, Failure> {
    let user = rooms.identity.user(username).await?;
    if !user.enabled {
        return Err(Failure::no(format!("the user `{}` is disabled", visible(username))));
    }
    let sid = rooms.identity.sid_of(&user.user_id).await.map_err(|error| Failure::of(&error))?;
    Ok(Principal {
        sid,
        issuer: rooms.identity.issuer().into(),
        subject: user.user_id.into(),
        username: Some(user.username.into()),
        name: user.display_name.map(Into::into),
        email: user.email.map(Into::into),
        means: Means::OwnToken,
        authenticated_at: Some(rooms.clock.now()),
        ..stand_in(user.roles)
    })
}

/// The policy of `settings`, with the tools of the upstreams when that is asked for.
async fn policy_and_tools(
    context: &Context,
    settings: &Settings,
    connect: bool,
) -> Result<(Compiled, Vec<KnownTool>), Failure> {
    if !connect {
        return Ok((compiled(settings)?, Vec::new()));
    }
    let discovered = discover(settings, context.directory(settings)?).await?;
    for (name, shown) in &discovered.upstreams {
        if let Err(why) = shown {
            let _unheard = writeln!(std::io::stderr(), "haechi: `{name}`: {}", visible(why));
        }
    }
    let (policy, _) = compile_policy(settings, discovered.tools.clone(), 0)?;
    Ok((policy, discovered.tools))
}

impl What {
    fn read(&self) -> Result<(Action, Resource), Failure> {
        let named = [
            (Action::CallTool, &self.tool),
            (Action::ReadResource, &self.resource),
            (Action::GetPrompt, &self.prompt),
        ];
        let (action, text) = named
            .into_iter()
            .find_map(|(action, text)| Some((action, text.as_deref()?)))
            .ok_or_else(|| Failure::unknown("nothing is named"))?;
        let form = || Failure::unknown(format!("`{}` is not `upstream:name`", visible(text)));
        let (upstream, name) = text.split_once(':').ok_or_else(form)?;
        let upstream = UpstreamName::parse(upstream).ok_or_else(form)?;
        Ok((action, Resource { upstream, name: name.into() }))
    }
}

impl Explain {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let settings = context.required_settings()?;
        let (action, resource) = self.what.read()?;
        let arguments: Value = serde_json::from_str(&self.args)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Failure::unknown("the arguments must be a JSON object"))?;
        let age = read_duration(&self.age).map_err(Failure::unknown)?;
        let (policy, tools) = policy_and_tools(context, &settings, self.connect).await?;
        let now = haechi_assembly::SystemClock.now();
        let mut principal = match (&self.who.user, self.who.roles) {
            (Some(user), _) => person(&context.rooms().await?, user).await?,
            (None, roles) => stand_in(roles.into_iter().flatten().collect()),
        };
        principal.authenticated_at = Some(now.before(age));
        let tool = tools.iter().find(|tool| {
            tool.upstream == resource.upstream.as_str() && tool.tool == *resource.name
        });
        let origin = Origin { address: self.address, ..Origin::default() };
        let question = Question {
            principal: &principal,
            action,
            resource: &resource,
            tool: tool.filter(|_| action == Action::CallTool),
            arguments: Some(&arguments),
            now,
            origin: &origin,
        };
        let explanation = policy.explain(&question);
        if self.json {
            print_json(out, &explanation)?;
        } else {
            tell(out, &explanation)?;
        }
        Ok(ExitCode::from(if explanation.permitted { 0 } else { NO }))
    }
}

fn tell(out: &mut dyn Write, explanation: &Explanation) -> Result<(), Failure> {
    writeln!(out, "{}", visible(&explanation.summary))?;
    if let Some(secs) = explanation.sensitive_max_age_secs {
        writeln!(out, "  sensitive: the sign-in may be {secs}s old")?;
    }
    for error in &explanation.errors {
        writeln!(out, "  error: {}", visible(error))?;
    }
    for rule in &explanation.considered {
        writeln!(out, "  {}", visible(&line(rule)))?;
    }
    Ok(())
}

fn line(rule: &RuleVerdict) -> String {
    let word = match (rule.verdict, rule.permits) {
        (VerdictKind::Applies, true) => "permits",
        (VerdictKind::Applies, false) => "forbids",
        (VerdictKind::CameClose, _) => "came close",
        (VerdictKind::Failed, _) => "failed",
    };
    if rule.because.is_empty() {
        return format!("{word}: {}", rule.rule);
    }
    format!("{word}: {} ({})", rule.rule, rule.because.join("; "))
}

impl MatrixOf {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let settings = context.required_settings()?;
        let (policy, tools) = policy_and_tools(context, &settings, true).await?;
        let who = if self.people {
            let rooms = context.rooms().await?;
            let mut people = Vec::new();
            for user in super::user::all(&rooms).await?.into_iter().filter(|user| user.enabled) {
                let principal = person(&rooms, &user.username).await?;
                people.push((user.username, principal));
            }
            people
        } else {
            roles_of(&settings)
        };
        let matrix = Matrix::of(&policy, &who, &tools, haechi_assembly::SystemClock.now());
        if self.json {
            print_json(out, &matrix)?;
        } else {
            writeln!(out, "{matrix}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Test {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let settings = context.required_settings()?;
        let expectations = read_expectations(&self.file).map_err(|error| Failure::of(&error))?;
        let (policy, tools) = policy_and_tools(context, &settings, self.connect).await?;
        let mut people = std::collections::HashMap::new();
        let named: BTreeSet<&String> =
            expectations.cases.iter().filter_map(|case| case.user.as_ref()).collect();
        if !named.is_empty() {
            let rooms = context.rooms().await?;
            for name in named {
                if let Ok(principal) = person(&rooms, name).await {
                    people.insert(name.clone(), principal);
                }
            }
        }
        let surroundings = Surroundings {
            user: &|name| people.get(name).cloned(),
            catalog: &tools,
            now: haechi_assembly::SystemClock.now(),
        };
        let report = expectations.run(&policy, &surroundings);
        let failures = report.failures();
        if self.json {
            print_json(out, &report)?;
        } else {
            for result in &report.results {
                let word = if result.passed { "ok" } else { "FAILED" };
                writeln!(out, "{word:7} {}: {}", visible(&result.name), visible(&result.outcome))?;
            }
            writeln!(out, "{} passed, {failures} failed", report.results.len() - failures)?;
        }
        Ok(ExitCode::from(if failures == 0 { 0 } else { NO }))
    }
}

impl Show {
    fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        if self.schema {
            writeln!(out, "{}", Compiled::schema_text())?;
            return Ok(ExitCode::SUCCESS);
        }
        let settings = context.required_settings()?;
        write!(out, "{}", compiled(&settings)?.cedar_text())?;
        Ok(ExitCode::SUCCESS)
    }
}
