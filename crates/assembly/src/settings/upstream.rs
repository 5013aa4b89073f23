//! `[[upstream]]`: the servers behind the guard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Secret, UpstreamName};
use haechi_guard::{
    BreakerRule, CallLimits, CallerMode, Limits, Recording, Recordings, UpstreamRules,
};
use haechi_identity::SenderConstraint;
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::RawCallLimits;
use super::problem::Problems;
use super::sender::RawSenderConstraint;
use super::upstream_authorization::{RawUpstreamAuthorization, UpstreamAuthorization};
use super::value::{duration, http_url, is_loopback, named_secret, number, path, size};

/// One server behind the guard.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Its name, and its route: `/<name>/mcp`.
    pub name: UpstreamName,
    /// How it is reached.
    pub carrier: Carrier,
    /// What the guard holds calls to.
    pub rules: UpstreamRules,
    /// Scopes a newcomer should ask for.
    pub scopes: Vec<String>,
    /// What tokens must be bound to on its route.
    pub sender: SenderConstraint,
}

impl UpstreamSettings {
    /// The server in this process, held to `limits` and nothing else.
    pub(crate) fn embedded(name: &UpstreamName, limits: &CallLimits) -> Self {
        let limits = Limits { default: limits.clone(), tools: Vec::new() };
        Self {
            name: name.clone(),
            carrier: Carrier::Embedded,
            rules: UpstreamRules { limits, ..UpstreamRules::default() },
            scopes: Vec::new(),
            sender: SenderConstraint::default(),
        }
    }
}

/// How an upstream is reached.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// Streamable HTTP.
    Http(HttpCarrier),
    /// A child process.
    Program(ProgramCarrier),
    /// Not at all: the server is in this process, and a program that embeds the guard carries its
    /// calls.
    Embedded,
}

impl Carrier {
    /// Whether both reach the same server in the same way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Program(one), Self::Program(other)) => one == other,
            (Self::Http(one), Self::Http(other)) => {
                let same =
                    |((name, secret), (other, guess)): (&(String, Secret), &(String, Secret))| {
                        name == other && secret.matches(guess)
                    };
                let credentials = one.credentials.iter().zip(&other.credentials);
                let many = one.credentials.len() == other.credentials.len();
                let headers = many && credentials.into_iter().all(same);
                let ways =
                    UpstreamAuthorization::are_same(&one.authorization, &other.authorization);
                one.url == other.url && ways && headers
            }
            (Self::Embedded, Self::Embedded) => true,
            _ => false,
        }
    }
}

/// A server that is reached over HTTP.
#[derive(Clone, Debug)]
pub struct HttpCarrier {
    /// Its MCP endpoint.
    pub url: url::Url,
    /// Headers with this gateway's own credentials for the server, by lower-case name.
    pub credentials: Vec<(String, Secret)>,
    /// How tokens for it are had, where it wants them.
    pub authorization: Option<Arc<UpstreamAuthorization>>,
}

/// A server that is a program of this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct ProgramCarrier {
    /// The program and its arguments; at least the program.
    pub command: Vec<String>,
    /// Variables that are set for it; values may be secrets.
    pub environment: Vec<(String, String)>,
    /// Names of variables that are passed on from the gateway's own environment.
    pub inherit: Vec<String>,
    /// Where it runs.
    pub folder: Option<PathBuf>,
    /// Whether all persons share one child (modern era only).
    pub shared: bool,
    /// The most children at one time.
    pub max_children: usize,
    /// After how long without a call a child is stopped.
    pub idle_timeout: Duration,
    /// Limits of the operating system.
    pub rlimits: Rlimits,
}

/// Limits of the operating system on each process of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rlimits {
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Processes of the same operating-system user.
    pub processes: Option<u64>,
    /// Writable private memory in bytes.
    pub memory_bytes: Option<u64>,
}

/// Values of variables may be secrets.
impl std::fmt::Debug for ProgramCarrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProgramCarrier")
            .field("command", &self.command)
            .field("environment", &names)
            .field("shared", &self.shared)
            .field("rlimits", &self.rlimits)
            .finish_non_exhaustive()
    }
}

impl ProgramCarrier {
    /// The program with the defaults for everything else.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            environment: Vec::new(),
            inherit: Vec::new(),
            folder: None,
            shared: false,
            max_children: 64,
            idle_timeout: Duration::from_secs(600),
            rlimits: Rlimits::default(),
        }
    }
}

/// One server behind the guard: a `command` or a `url`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUpstream {
    /// `[a-z0-9][a-z0-9_-]*`, at most 32, without `__`. Its route is `/<name>/mcp`.
    name: Option<String>,
    /// The program and its arguments.
    command: Option<Vec<String>>,
    /// The MCP endpoint of a server that runs already.
    url: Option<String>,
    /// Headers with this gateway's own credentials for the server. Values are names of secrets:
    /// `file:…` or `env:…`.
    headers: BTreeMap<String, String>,
    /// By what this gateway proves itself to the server, where that is more than `headers`.
    authorization: Option<RawUpstreamAuthorization>,
    /// Variables that are set for the program. A value `file:…` or `env:…` names a secret.
    env: BTreeMap<String, String>,
    /// Names of variables that are passed on from the gateway's own environment.
    inherit_env: Vec<String>,
    /// Where the program runs.
    folder: Option<String>,
    /// Who shares a child: `person` (the default) or `shared`. Legacy sessions always have a child
    /// of their own.
    per: Option<Per>,
    /// The most children at one time; 64 by default.
    max_children: Option<usize>,
    /// After how long without a call a child is stopped; `10m` by default.
    idle_timeout: Option<String>,
    /// Limits of the operating system on each process of a child.
    rlimits: RawRlimits,
    /// What the server learns of the caller: `none` (the default) or `signed`.
    caller: Option<Caller>,
    /// How long the server may be silent on a call.
    timeout: Option<String>,
    /// Calls under way at once.
    concurrency: Option<u32>,
    /// Calls of one person within a minute.
    calls_per_minute: Option<u32>,
    /// The same within any time, such as `10/s`, `100/h` or `5/30s`.
    rate: Option<String>,
    /// What the audit log is told of its calls; `names` by default.
    audit: Option<RawRecording>,
    /// Limits of single tools, and what the log is told of them, by globs over their names.
    tools: BTreeMap<String, RawToolLimits>,
    /// When the server is left alone for a while.
    breaker: RawBreaker,
    /// Scopes a newcomer should ask for.
    scopes: Vec<String>,
    /// What tokens must be bound to on its route: `optional` (the default) takes every token, and
    /// one that is bound only from its sender; `dpop` takes those that are bound to a key (RFC
    /// 9449), `mtls` to a client certificate (RFC 8705), `either` to one of them, `both` to both.
    sender_constraint: RawSenderConstraint,
    /// Sends calls to another machine in clear.
    dangerous_allow_plain_http: bool,
}

/// Who shares a child.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Per {
    #[default]
    Person,
    Shared,
}

/// What the server learns of the caller.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Caller {
    None,
    Signed,
}

/// What the audit log is told of a call.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RawRecording {
    /// Names of parameters, and commitments to their values.
    Names,
    /// Nothing of parameters.
    None,
    /// Calls that are permitted leave no entry; refusals do.
    DangerouslyOff,
}

impl RawRecording {
    const fn check(self) -> Recording {
        match self {
            Self::Names => Recording::Names,
            Self::None => Recording::NoNames,
            Self::DangerouslyOff => Recording::Off,
        }
    }
}

/// Limits of the operating system on each process of a child.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawRlimits {
    /// Open files.
    open_files: Option<u64>,
    /// Processes of the same operating-system user, the gateway's included.
    processes: Option<u64>,
    /// Writable memory, such as `1 GiB`.
    memory: Option<String>,
}

/// Limits of the tools a glob names, and what the audit log is told of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawToolLimits {
    /// How long the server may be silent on a call.
    timeout: Option<String>,
    /// Calls under way at once.
    concurrency: Option<u32>,
    /// Calls of one person within a minute.
    calls_per_minute: Option<u32>,
    /// The same within any time, such as `10/s`, `100/h` or `5/30s`.
    rate: Option<String>,
    /// What the audit log is told of calls; what the upstream says by default.
    audit: Option<RawRecording>,
}

/// When the server is left alone for a while.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawBreaker {
    /// Failures in a row; 10 by default, 0 never.
    failures: Option<u32>,
    /// For how long; `10s` by default.
    pause: Option<String>,
}

impl RawUpstream {
    /// The name as stated, for the path of its keys.
    pub(crate) fn stated_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn check(
        mut self,
        key: &str,
        base: &Path,
        standard: &CallLimits,
        problems: &mut Problems,
    ) -> Option<UpstreamSettings> {
        let name = self.check_name(key, problems);
        let rules = self.check_rules(key, standard, problems);
        let scopes = std::mem::take(&mut self.scopes);
        let sender = self.sender_constraint.check();
        let carrier = self.check_carrier(key, base, problems);
        Some(UpstreamSettings { name: name?, carrier: carrier?, rules, scopes, sender })
    }

    /// Checks what is said of the server that is in this process, whose name is `name`.
    pub(crate) fn check_embedded(
        mut self,
        key: &str,
        name: &UpstreamName,
        standard: &CallLimits,
        problems: &mut Problems,
    ) -> UpstreamSettings {
        let stated = self.check_name(key, problems);
        if stated.is_some_and(|stated| stated != *name) {
            problems.add(key, format!("is another server; this program guards `{name}` alone"));
        }
        for word in self.words_of_carriers() {
            let what = "means nothing for a server in this process; leave it out";
            problems.add(format!("{key}.{word}"), what);
        }
        let rules = self.check_rules(key, standard, problems);
        UpstreamSettings {
            scopes: self.scopes,
            sender: self.sender_constraint.check(),
            rules,
            ..UpstreamSettings::embedded(name, standard)
        }
    }

    /// What is stated although only a server outside this process has it.
    fn words_of_carriers(&self) -> impl Iterator<Item = &'static str> + use<> {
        let rlimits = &self.rlimits;
        let limited =
            rlimits.open_files.is_some() || rlimits.processes.is_some() || rlimits.memory.is_some();
        let stated = [
            ("command", self.command.is_some()),
            ("url", self.url.is_some()),
            ("headers", !self.headers.is_empty()),
            ("authorization", self.authorization.is_some()),
            ("env", !self.env.is_empty()),
            ("inherit_env", !self.inherit_env.is_empty()),
            ("folder", self.folder.is_some()),
            ("per", self.per.is_some()),
            ("max_children", self.max_children.is_some()),
            ("idle_timeout", self.idle_timeout.is_some()),
            ("rlimits", limited),
            ("caller", self.caller.is_some()),
            ("dangerous_allow_plain_http", self.dangerous_allow_plain_http),
        ];
        stated.into_iter().filter(|(_, stated)| *stated).map(|(word, _)| word)
    }

    fn check_name(&mut self, key: &str, problems: &mut Problems) -> Option<UpstreamName> {
        const FORM: &str = "starts with a small letter or digit, goes on with those, `_` and `-`, \
                            has no `__` and at most 32 characters";
        let stated = self.name.take();
        let name = stated.as_deref().and_then(UpstreamName::parse);
        if name.is_none() {
            let what =
                stated.map_or("is needed".to_owned(), |_| format!("must be a name that {FORM}"));
            problems.add(format!("{key}.name"), what);
        }
        name
    }

    fn check_rules(
        &mut self,
        key: &str,
        standard: &CallLimits,
        problems: &mut Problems,
    ) -> UpstreamRules {
        let stated = RawCallLimits {
            timeout: self.timeout.take(),
            concurrency: self.concurrency,
            calls_per_minute: self.calls_per_minute,
            rate: self.rate.take(),
        };
        let default = stated.check(key, standard, problems);
        let mut recording = Recordings {
            default: self.audit.map_or_else(Recording::default, RawRecording::check),
            tools: Vec::new(),
        };
        let mut tools = Vec::new();
        for (glob, raw) in std::mem::take(&mut self.tools) {
            let stated = RawCallLimits {
                timeout: raw.timeout,
                concurrency: raw.concurrency,
                calls_per_minute: raw.calls_per_minute,
                rate: raw.rate,
            };
            let limits = stated.check(&format!("{key}.tools.{glob}"), &default, problems);
            let said = raw.audit.map_or(recording.default, RawRecording::check);
            recording.tools.push((glob.clone(), said));
            tools.push((glob, limits));
        }
        tools.sort_by_key(|(glob, _)| precision(glob));
        recording.tools.sort_by_key(|(glob, _)| precision(glob));
        let caller = match self.caller {
            Some(Caller::Signed) => CallerMode::Signed,
            Some(Caller::None) | None => CallerMode::None,
        };
        let breaker = std::mem::take(&mut self.breaker).check(key, problems);
        UpstreamRules { caller, limits: Limits { default, tools }, recording, breaker }
    }

    fn check_carrier(self, key: &str, base: &Path, problems: &mut Problems) -> Option<Carrier> {
        match (&self.command, &self.url) {
            (Some(_), None) => self.check_program(key, base, problems).map(Carrier::Program),
            (None, Some(_)) => self.check_url(key, base, problems).map(Carrier::Http),
            _ => {
                problems.add(key, "must have one of `command` and `url`");
                None
            }
        }
    }

    fn check_url(self, key: &str, base: &Path, problems: &mut Problems) -> Option<HttpCarrier> {
        let of_programs = [
            ("env", !self.env.is_empty()),
            ("inherit_env", !self.inherit_env.is_empty()),
            ("folder", self.folder.is_some()),
            ("per", self.per.is_some()),
            ("max_children", self.max_children.is_some()),
            ("idle_timeout", self.idle_timeout.is_some()),
        ];
        for (name, _) in of_programs.iter().filter(|(_, stated)| *stated) {
            problems.add(format!("{key}.{name}"), "is for programs; this upstream has a `url`");
        }
        let plain = self.dangerous_allow_plain_http;
        let url = problems.read(&format!("{key}.url"), self.url, None, |text| {
            let url = http_url(&text)?;
            if url.scheme() == "http" && !plain && !is_loopback(&url) {
                return Err("must start with `https://`, or stay on this machine \
                            (or `dangerous_allow_plain_http = true`)"
                    .to_owned());
            }
            Ok(Some(url))
        });
        let headers = !self.headers.is_empty();
        let authorization = self.authorization.and_then(|stated| {
            stated.check(&format!("{key}.authorization"), base, headers, problems)
        });
        let credentials = credentials(key, self.headers, base, problems);
        Some(HttpCarrier { url: url?, credentials, authorization: authorization.map(Arc::new) })
    }

    fn check_program(
        self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<ProgramCarrier> {
        let command = self.command.unwrap_or_default();
        if command.first().is_none_or(String::is_empty) {
            problems.add(format!("{key}.command"), "must name a program");
            return None;
        }
        if !self.headers.is_empty() {
            problems.add(format!("{key}.headers"), "is for a `url`; this upstream is a program");
        }
        if self.authorization.is_some() {
            let what = "is for a `url`; programs take credentials from `env`";
            problems.add(format!("{key}.authorization"), what);
        }
        let standard = ProgramCarrier::new(command);
        let folder = problems
            .read(&format!("{key}.folder"), self.folder, None, |text| path(base, &text).map(Some));
        let max_children = problems.read(
            &format!("{key}.max_children"),
            self.max_children,
            standard.max_children,
            |n| number(n, 1, 10_000),
        );
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600));
        let idle_timeout = problems.read(
            &format!("{key}.idle_timeout"),
            self.idle_timeout,
            standard.idle_timeout,
            |text| duration(&text, least, most),
        );
        Some(ProgramCarrier {
            environment: environment(key, self.env, base, problems),
            inherit: self.inherit_env,
            folder,
            shared: matches!(self.per, Some(Per::Shared)),
            max_children,
            idle_timeout,
            rlimits: self.rlimits.check(key, problems),
            ..standard
        })
    }
}

/// The most precise glob comes first: the first that matches holds.
fn precision(glob: &str) -> impl Ord + use<> {
    (glob.contains('*'), std::cmp::Reverse(glob.len()))
}

/// Headers that carry the gateway's own credentials; hop-by-hop and protocol headers are not among
/// them.
fn credentials(
    key: &str,
    stated: BTreeMap<String, String>,
    base: &Path,
    problems: &mut Problems,
) -> Vec<(String, Secret)> {
    const TAKEN: [&str; 7] =
        ["host", "content-length", "content-type", "accept", "connection", "cookie", "te"];
    let mut credentials = Vec::new();
    for (name, value) in stated {
        let key = format!("{key}.headers.{name}");
        let name = name.to_ascii_lowercase();
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty()
            || !name.chars().all(token)
            || TAKEN.contains(&&*name)
            || name.starts_with("mcp-")
            || name.starts_with("haechi-")
        {
            problems.add(key, "cannot carry credentials");
            continue;
        }
        match named_secret(base, &value) {
            None => problems.add(key, "must name a secret: `file:PATH` or `env:NAME`"),
            Some(Err(what)) => problems.add(key, what),
            Some(Ok(secret)) => credentials.push((name, secret)),
        }
    }
    credentials
}

fn environment(
    key: &str,
    stated: BTreeMap<String, String>,
    base: &Path,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    for (name, value) in stated {
        let key = format!("{key}.env.{name}");
        let value = match named_secret(base, &value) {
            None => Ok(value),
            Some(secret) => secret.and_then(|secret| {
                secret.expose_str().map(str::to_owned).ok_or("the secret is no text".to_owned())
            }),
        };
        match value {
            Ok(value) if !value.contains('\0') && !name.contains(['=', '\0']) => {
                environment.push((name, value));
            }
            Ok(_) => problems.add(key, "cannot stand in an environment"),
            Err(what) => problems.add(key, what),
        }
    }
    environment
}

impl RawRlimits {
    fn check(self, key: &str, problems: &mut Problems) -> Rlimits {
        let key = |name: &str| format!("{key}.rlimits.{name}");
        Rlimits {
            open_files: problems.read(&key("open_files"), self.open_files, None, |n| {
                number(n, 16, 1 << 30).map(Some)
            }),
            processes: problems
                .read(&key("processes"), self.processes, None, |n| number(n, 1, 1 << 30).map(Some)),
            memory_bytes: problems.read(&key("memory"), self.memory, None, |text| {
                size(&text, 16 << 20, 1 << 50).map(Some)
            }),
        }
    }
}

impl RawBreaker {
    fn check(self, key: &str, problems: &mut Problems) -> BreakerRule {
        let standard = BreakerRule::default();
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(3600));
        BreakerRule {
            failures: self.failures.unwrap_or(standard.failures),
            pause: problems.read(
                &format!("{key}.breaker.pause"),
                self.pause,
                standard.pause,
                |text| duration(&text, least, most),
            ),
        }
    }
}
