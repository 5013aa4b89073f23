//! Settings of a program that embeds the guard: one server, in this process, and nothing of what
//! only a gateway has.

use std::path::Path;

use haechi_core::UpstreamName;

use super::limits::LimitSettings;
use super::problem::{Problems, element};
use super::upstream::RawUpstream;
use super::{Settings, SettingsError, UpstreamSettings};

/// What only who listens itself has, below `listen`.
const OF_LISTENERS: [&str; 3] = ["address", "tls", "limits"];
/// Sections that only a gateway has.
const OF_GATEWAYS: [&str; 4] = ["authorization", "federation", "telemetry", "metrics"];

impl Settings {
    /// Checks the settings of a program that guards its own server `name`; paths in them are
    /// relative to `base`. An empty text is enough.
    ///
    /// They are the sections of the gateway's file. One `[[upstream]]` may say of this server what
    /// it is held to: limits, tools, breaker, scopes.
    ///
    /// # Errors
    ///
    /// Every problem at once: those of [`Settings::parse`], another server, and what only a gateway
    /// has.
    pub fn embedded(name: &UpstreamName, text: &str, base: &Path) -> Result<Self, Problems> {
        Self::parse_as(text, base, Some(name))
    }

    /// Reads such settings from a file. Paths in it are relative to its own folder.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]; every problem of the file at once.
    pub fn load_embedded(name: &UpstreamName, file: &Path) -> Result<Self, SettingsError> {
        Self::load_as(file, Some(name))
    }
}

/// What is said of the one server, or the defaults.
pub(super) fn server(
    raw: Vec<RawUpstream>,
    name: &UpstreamName,
    limits: &LimitSettings,
    problems: &mut Problems,
) -> UpstreamSettings {
    let mut checked = None;
    for (index, raw) in raw.into_iter().enumerate() {
        let key = element("upstream", index, raw.stated_name());
        if raw.stated_name() == Some(name.as_str()) && checked.is_some() {
            problems.add(&*key, "is there twice; write one");
        }
        checked = Some(raw.check_embedded(&key, name, &limits.calls, problems));
    }
    checked.unwrap_or_else(|| UpstreamSettings::embedded(name, &limits.calls))
}

/// Complains of what has no meaning here, rather than passing over it.
pub(super) fn refuse_foreign(document: &toml::Table, problems: &mut Problems) {
    for section in OF_GATEWAYS.iter().filter(|section| document.contains_key(**section)) {
        problems.add(*section, "is the gateway's; a program that embeds the guard has its own");
    }
    let listen = document.get("listen").and_then(toml::Value::as_table);
    for word in OF_LISTENERS {
        if listen.is_some_and(|listen| listen.contains_key(word)) {
            problems.add(format!("listen.{word}"), "is not ours: the program itself listens");
        }
    }
}
