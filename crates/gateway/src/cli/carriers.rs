//! From settings to upstreams and routes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_assembly::settings::{Carrier, HttpCarrier, ProgramCarrier, UpstreamSettings};
use haechi_assembly::{Rooms, Settings, variables};
use haechi_core::UpstreamName;
use haechi_guard::{CallerMode, Upstream};
use http::Uri;

use super::failure::Failure;
use crate::gateway::Route;
use crate::upstream::authorization::{Authorization, Ways};
use crate::upstream::stdio::ResourceLimits;
use crate::upstream::stdio::environment::scrubbed;
use crate::upstream::{
    HttpUpstream, HttpUpstreamConfig, Share, StdioUpstream, StdioUpstreamConfig,
};

/// The variable by which a child learns the keys that sign its callers' assertions.
pub(super) const CALLER_KEYS: &str = "HAECHI_CALLER_JWKS";

/// The upstreams in force, so that those whose settings did not change go on as they are.
#[derive(Debug, Default)]
pub(super) struct Carriers(HashMap<UpstreamName, Carried>);

#[derive(Debug)]
struct Carried {
    settings: UpstreamSettings,
    upstream: Running,
}

#[derive(Clone, Debug)]
enum Running {
    Http(Arc<HttpUpstream>),
    Program(Arc<StdioUpstream>),
}

impl Running {
    fn upstream(&self) -> Arc<dyn Upstream> {
        match self {
            Self::Http(upstream) => Arc::clone(upstream) as _,
            Self::Program(upstream) => Arc::clone(upstream) as _,
        }
    }
}

impl Carried {
    /// Whether it is what `wanted` asks for: limits that only the guard looks at do not matter.
    fn serves(&self, wanted: &UpstreamSettings) -> bool {
        self.settings.carrier.is_same(&wanted.carrier)
            && self.settings.rules.caller == wanted.rules.caller
            && longest(&self.settings) == longest(wanted)
    }
}

impl Carriers {
    /// The upstreams of `settings`: those that did not change are the ones in force now. With
    /// `new_keys`, programs that verify our signature are made anew, because they learn the keys at
    /// their start. Nothing is in force before it takes the place of `self`.
    pub(super) fn next(
        &self,
        settings: &Settings,
        rooms: &Rooms,
        new_keys: bool,
    ) -> Result<Self, Failure> {
        let mut next = HashMap::new();
        for wanted in &settings.upstreams {
            let stale = new_keys && is_signed_program(wanted);
            let known = self.0.get(&wanted.name).filter(|known| !stale && known.serves(wanted));
            let upstream = match known {
                Some(known) => known.upstream.clone(),
                None => make(wanted, rooms)?,
            };
            next.insert(wanted.name.clone(), Carried { settings: wanted.clone(), upstream });
        }
        Ok(Self(next))
    }

    /// One route for each upstream.
    pub(super) fn routes(&self, anonymous: bool) -> Vec<(String, Route)> {
        let route = |(name, carried): (&UpstreamName, &Carried)| {
            let upstream = carried.upstream.upstream();
            let scopes = carried.settings.scopes.clone();
            (
                name.as_str().to_owned(),
                Route { upstream, anonymous, scopes, sender: carried.settings.sender },
            )
        };
        self.0.iter().map(route).collect()
    }

    /// Stops all children and waits until they are gone.
    pub(super) async fn stop(&self) {
        let programs = self.0.values().filter_map(|carried| match &carried.upstream {
            Running::Program(upstream) => Some(upstream.stop()),
            Running::Http(_) => None,
        });
        futures::future::join_all(programs).await;
    }
}

fn is_signed_program(upstream: &UpstreamSettings) -> bool {
    let program = matches!(upstream.carrier, Carrier::Program(_));
    program && upstream.rules.caller == CallerMode::Signed
}

fn make(settings: &UpstreamSettings, rooms: &Rooms) -> Result<Running, Failure> {
    Ok(match &settings.carrier {
        Carrier::Http(carrier) => Running::Http(Arc::new(http(settings, carrier, rooms)?)),
        Carrier::Program(carrier) => Running::Program(Arc::new(program(settings, carrier, rooms)?)),
        Carrier::Embedded => {
            return Err(Failure::unknown(format!("`{}` is in another program", settings.name)));
        }
    })
}

fn http(
    settings: &UpstreamSettings,
    carrier: &HttpCarrier,
    rooms: &Rooms,
) -> Result<HttpUpstream, Failure> {
    let mut url = carrier.url.clone();
    url.set_fragment(None);
    let uri: Uri = url.as_str().parse().map_err(|_| {
        Failure::unknown(format!("`upstream.{}.url` is not an address", settings.name))
    })?;
    let silence = longest(settings);
    let authorization = carrier.authorization.as_ref().map(|stated| {
        let name = settings.name.clone();
        let made = Authorization::new(name, url.to_string(), Arc::clone(stated), ways(rooms));
        made.map(Arc::new).map_err(|error| Failure::of(&error))
    });
    let config = HttpUpstreamConfig {
        credentials: carrier.credentials.clone(),
        authorization: authorization.transpose()?,
        answer_timeout: silence,
        silence_timeout: silence,
        ..HttpUpstreamConfig::new(uri)
    };
    Ok(HttpUpstream::new(settings.name.clone(), config, rooms.outbound.upstream_client()))
}

/// What having credentials for upstreams takes.
pub(super) fn ways(rooms: &Rooms) -> Ways {
    Ways {
        client: rooms.client.clone(),
        identity: Arc::clone(&rooms.identity),
        sealer: Arc::clone(&rooms.sealer),
        accounts: Arc::clone(&rooms.accounts),
        clock: Arc::clone(&rooms.clock),
        entropy: Arc::clone(&rooms.entropy),
    }
}

/// The guard's own limit on a call comes first; this one only frees what it has given up on.
fn longest(settings: &UpstreamSettings) -> Duration {
    let limits = &settings.rules.limits;
    let tools = limits.tools.iter().map(|(_, limits)| limits.timeout);
    tools.fold(limits.default.timeout, Duration::max) + Duration::from_secs(5)
}

/// The program behind one upstream.
pub(super) fn program(
    settings: &UpstreamSettings,
    carrier: &ProgramCarrier,
    rooms: &Rooms,
) -> Result<StdioUpstream, Failure> {
    let mut set = carrier.environment.clone();
    if settings.rules.caller == CallerMode::Signed {
        set.push((CALLER_KEYS.to_owned(), rooms.identity.jwks().to_string()));
    }
    let config = StdioUpstreamConfig {
        command: carrier.command.clone(),
        environment: scrubbed(variables(), &carrier.inherit, &set),
        folder: carrier.folder.clone(),
        launcher: this_program()?,
        share: if carrier.shared { Share::Everybody } else { Share::Person },
        max_children: carrier.max_children,
        idle_timeout: carrier.idle_timeout,
        limits: ResourceLimits {
            open_files: carrier.rlimits.open_files,
            processes: carrier.rlimits.processes,
            memory_bytes: carrier.rlimits.memory_bytes,
        },
        unseen: Arc::clone(&rooms.unseen),
        ..StdioUpstreamConfig::default()
    };
    Ok(StdioUpstream::new(settings.name.clone(), config))
}

/// The path of the running program, which starts children and is shown in commands to paste.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::unknown(format!("this program does not know its path: {error}")))
}

/// The name under which a command is known, for `haechi run` without `--name`: the package or
/// script that is run, not the program that runs it.
pub(super) fn name_of(command: &[OsString]) -> UpstreamName {
    const RUNNERS: [&str; 10] =
        ["npx", "bunx", "uvx", "pipx", "node", "deno", "python", "python3", "uv", "sh"];
    let words: Vec<String> =
        command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let base = |word: &str| word.rsplit('/').next().unwrap_or(word).to_lowercase();
    let program = words.first().map(|word| base(word)).unwrap_or_default();
    let argument = words
        .iter()
        .skip(1)
        .find(|word| !word.starts_with('-') && !matches!(word.as_str(), "run" | "exec" | "x"));
    let named = match argument {
        Some(argument) if RUNNERS.contains(&program.as_str()) => base(argument),
        _ => program,
    };
    let plain: String = named
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(32)
        .collect();
    UpstreamName::parse(plain.trim_matches('-')).unwrap_or_else(|| UpstreamName("server".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_what_it_runs() {
        let cases: [(&[&str], &str); 8] = [
            (
                &["npx", "-y", "@modelcontextprotocol/server-filesystem", "/srv"],
                "server-filesystem",
            ),
            (&["/usr/bin/python3", "tools/my_server.py"], "my-server-py"),
            (&["uv", "run", "weather"], "weather"),
            (&["/opt/Bin/GitHub-MCP", "stdio"], "github-mcp"),
            (&["node"], "node"),
            (&["서버"], "server"),
            (&["__"], "server"),
            (&[], "server"),
        ];
        for (command, expected) in cases {
            let command: Vec<OsString> = command.iter().map(OsString::from).collect();
            assert_eq!(name_of(&command).as_str(), expected, "{command:?}");
        }
    }
}
