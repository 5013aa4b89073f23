//! Settings that are made and not written by hand: the demo's, a newcomer's, and those of
//! `haechi run` without a file.

use std::net::SocketAddr;
use std::path::Path;

use haechi_core::UpstreamName;
use haechi_guard::UpstreamRules;

use super::{Carrier, PrivacySettings, ProgramCarrier, Settings, UpstreamSettings};

/// What `haechi init` writes.
pub const INITIAL: &str = include_str!("initial.toml");

/// What the demo's settings depend on.
#[derive(Clone, Copy, Debug)]
pub struct DemoSettings<'a> {
    /// Where the demo listens; the port is a real one.
    pub address: SocketAddr,
    /// The program that is started for the sample server: this program itself.
    pub program: &'a Path,
    /// Where the sample server keeps its own users, keys and audit log.
    pub sample: &'a Path,
}

impl DemoSettings<'_> {
    /// The name of the demo's upstream.
    pub const UPSTREAM: &'static str = "sample";

    /// The settings as a file, to be read and changed by whoever tries the demo.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
        include_str!("demo.toml")
            .replace("@ADDRESS@", &self.address.to_string())
            .replace("\"@PROGRAM@\"", &quoted(self.program))
            .replace("\"@SAMPLE@\"", &quoted(self.sample))
    }
}

impl Settings {
    /// Settings of `haechi run` without a file: the operating-system user may do everything with
    /// this one program, and everything is recorded.
    #[must_use]
    pub fn owned(name: UpstreamName, command: Vec<String>) -> Self {
        let mut settings = Self::standard();
        settings.owner = true;
        settings.privacy = Some(PrivacySettings::owned());
        settings.upstreams = vec![program(name, command)];
        settings
    }

    /// The same settings with one upstream in force: the program `command`, or the program the
    /// settings name so. Rules may go on naming the others. `None` when the settings have no
    /// program of this name and `command` is empty.
    #[must_use]
    pub fn narrowed(mut self, name: UpstreamName, command: Vec<String>) -> Option<Self> {
        let mut names = self.upstreams.iter().map(|upstream| upstream.name.as_str().to_owned());
        self.other_upstreams = names.by_ref().filter(|other| other != name.as_str()).collect();
        drop(names);
        let known = self.upstreams.drain(..).find(|upstream| upstream.name == name);
        let mut upstream = known.unwrap_or_else(|| UpstreamSettings {
            rules: UpstreamRules {
                limits: haechi_guard::Limits {
                    default: self.limits.calls.clone(),
                    tools: Vec::new(),
                },
                ..UpstreamRules::default()
            },
            ..program(name, Vec::new())
        });
        match &mut upstream.carrier {
            Carrier::Program(carrier) if !command.is_empty() => carrier.command = command,
            Carrier::Program(carrier) if !carrier.command.is_empty() => {}
            other if !command.is_empty() => *other = Carrier::Program(ProgramCarrier::new(command)),
            _ => return None,
        }
        self.upstreams = vec![upstream];
        Some(self)
    }
}

fn program(name: UpstreamName, command: Vec<String>) -> UpstreamSettings {
    UpstreamSettings {
        name,
        carrier: Carrier::Program(ProgramCarrier::new(command)),
        rules: UpstreamRules::default(),
        scopes: Vec::new(),
        sender: haechi_identity::SenderConstraint::default(),
    }
}
