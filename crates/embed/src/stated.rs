//! What a guard is made of: settings, and what code adds to them.

use std::path::{Path, PathBuf};

use haechi_assembly::{Settings, SettingsError};
use haechi_core::UpstreamName;
use haechi_identity::GatewayCallers;
use haechi_policy::Role;

use crate::rules::role;

/// Where the settings are.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    #[default]
    None,
    File(PathBuf),
    Text(String),
}

/// What the settings are made of, so that they can be read again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stated {
    pub(crate) source: Source,
    pub(crate) roles: Vec<Role>,
    pub(crate) owner_roles: Vec<String>,
    pub(crate) anonymous: bool,
    pub(crate) gateway: Option<GatewayCallers>,
}

impl Stated {
    /// The file or text, with what code added.
    pub(crate) fn read(&self, name: &UpstreamName) -> Result<Settings, SettingsError> {
        let text = |text: &str| {
            Settings::embedded(name, text, Path::new(".")).map_err(SettingsError::Problems)
        };
        let mut settings = match &self.source {
            Source::None => text("")?,
            Source::File(path) => Settings::load_embedded(name, path)?,
            Source::Text(stated) => text(stated)?,
        };
        for stated in &self.roles {
            role(&mut settings, &stated.name).allow.extend(stated.allow.iter().cloned());
        }
        settings.owner_roles.extend(self.owner_roles.iter().cloned());
        settings.listen.anonymous |= self.anonymous;
        settings.gateway = self.gateway.clone().or(settings.gateway);
        Ok(settings)
    }
}
