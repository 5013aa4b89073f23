//! How a guard is put together: from settings, from code, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use haechi_assembly::{
    Assembly, AssemblyError, DataDirectory, DirectoryError, Extras, Log, SettingsError,
    default_data_directory,
};
use haechi_core::UpstreamName;
use haechi_face::Language;
use haechi_identity::jose::{KeySet, KeySetError};
use haechi_identity::{Audience, GatewayCallers, KeyLocation, KeyRefresh};
use haechi_policy::{Role, Rule, RuleKind};

use crate::haechi::{InForce, Inner};
use crate::interceptor::Around;
use crate::stated::{Source, Stated};
use crate::{Haechi, Interceptor};

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The server's name cannot be one.
    #[error("`{0}` cannot name a server: small letters, digits, `_` and `-`, no `__`, at most 32")]
    Name(String),
    /// The settings are not in force; every problem of them.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The public keys of the gateway in front are no JSON Web Key Set.
    #[error("the public keys of the gateway in front cannot be used")]
    GatewayKeys(#[source] KeySetError),
    /// No key in that set can verify an assertion.
    #[error("the public keys of the gateway in front hold none that verifies signatures")]
    NoGatewayKey,
    /// The rooms could not be opened.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
}

impl BuildError {
    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Directory(error) => Some(error.help()),
            Self::Assembly(error) => error.help(),
            Self::GatewayKeys(_) | Self::NoGatewayKey => {
                Some("give the set that the gateway serves at `/.well-known/jwks.json`")
            }
            Self::Name(_) | Self::Settings(_) => None,
        }
    }
}

/// A guard in the making. Nothing but the name is needed: SQLite, the root key and the audit log
/// are made in the data directory, and whatever no rule permits is refused.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    stated: Stated,
    directory: Option<PathBuf>,
    resources: Vec<String>,
    language: Language,
    extras: Extras,
}

impl Haechi {
    /// Begins a guard for the server `name`: small letters, digits, `_` and `-`, at most 32. Rules
    /// name its tools `name:tool`.
    #[must_use]
    pub fn builder(name: &str) -> Builder {
        Builder {
            name: name.to_owned(),
            stated: Stated::default(),
            directory: None,
            resources: Vec::new(),
            language: Language::English,
            extras: Extras::default(),
        }
    }
}

impl Builder {
    /// The settings file: the sections of the gateway's `haechi.toml`. Paths in it are relative to
    /// its own folder.
    #[must_use]
    pub fn settings_file(mut self, path: impl AsRef<Path>) -> Self {
        self.stated.source = Source::File(path.as_ref().to_owned());
        self
    }

    /// The settings as text, in the form of the file. Paths in them are relative to the present
    /// folder.
    #[must_use]
    pub fn settings(mut self, text: impl Into<String>) -> Self {
        self.stated.source = Source::Text(text.into());
        self
    }

    /// Where users, keys and the audit log are kept, made with mode 0700 when missing. By default
    /// what the settings name, else `HAECHI_DATA_DIR`, else `haechi` in the user's data folder:
    /// where `haechi user add` puts users too.
    #[must_use]
    pub fn data_directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Lets holders of `role` call the tools that a glob names, such as `get_*`. The role `*` is
    /// held by every caller who proved an identity.
    #[must_use]
    pub fn allow(self, role: &str, tools: &[&str]) -> Self {
        self.permit(RuleKind::Tools, role, tools)
    }

    /// Lets holders of `role` get the prompts that a glob names, and complete their arguments.
    #[must_use]
    pub fn allow_prompts(self, role: &str, prompts: &[&str]) -> Self {
        self.permit(RuleKind::Prompts, role, prompts)
    }

    /// Lets holders of `role` read the resources whose URI a glob names, and subscribe to them.
    #[must_use]
    pub fn allow_resources(self, role: &str, resources: &[&str]) -> Self {
        self.permit(RuleKind::Resources, role, resources)
    }

    fn permit(mut self, kind: RuleKind, role: &str, patterns: &[&str]) -> Self {
        let rule = |pattern: &&str| Rule::new(kind, &format!("{}:{pattern}", self.name));
        let allow = patterns.iter().map(rule).collect();
        self.stated.roles.push(Role { name: role.to_owned(), allow, ..Role::default() });
        self
    }

    /// Lets callers without credentials in, as the role `anonymous`. What that role may call is
    /// another matter: nothing, unless a rule says so.
    #[must_use]
    pub const fn dangerous_allow_anonymous(mut self) -> Self {
        self.stated.anonymous = true;
        self
    }

    /// The address that clients use for this server (RFC 8707): `https://example.com/mcp`. Tokens
    /// must be for it; there may be several.
    #[must_use]
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.resources.push(url.into());
        self
    }

    /// Roles of the operating-system user who starts the program over standard input and output,
    /// besides `owner`.
    #[must_use]
    pub fn owner_roles(mut self, roles: &[&str]) -> Self {
        self.stated.owner_roles.extend(roles.iter().map(|role| (*role).to_owned()));
        self
    }

    /// A gateway in front: it has proved who calls, and vouches for it in a short assertion with each
    /// governed request (`params._meta["haechi/caller"]`, or the header `Haechi-Caller`). Such a
    /// request's caller is whom the assertion names for this very request, and nobody else: without
    /// one it is refused, whoever started the program and whatever else it presents.
    ///
    /// `keys` is the gateway's JSON Web Key Set (RFC 7517) as text; a program that the gateway
    /// starts with `caller = "signed"` finds it in the environment variable `HAECHI_CALLER_JWKS`.
    /// `audience` is this server's name at the gateway. What the server says besides its answers,
    /// such as progress, belongs to no proved caller there and is kept back.
    #[must_use]
    pub fn gateway_callers(mut self, keys: impl Into<String>, audience: impl Into<String>) -> Self {
        self.stated.gateway = Some(GatewayCallers {
            issuer: None,
            audience: audience.into(),
            keys: KeyLocation::Given(keys.into()),
            refresh: KeyRefresh::default(),
        });
        self
    }

    /// A stage around every call; they come in the order in which they are added.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.extras.interceptors.push(Arc::new(Around(interceptor)));
        self
    }

    /// The language of refusals where a request says none; English by default.
    #[must_use]
    pub const fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Opens the rooms.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub async fn build(self) -> Result<Haechi, BuildError> {
        let name = UpstreamName::parse(&self.name).ok_or(BuildError::Name(self.name.clone()))?;
        check_keys(self.stated.gateway.as_ref())?;
        let settings = self.stated.read(&name)?;
        let named = self.directory.clone().or_else(|| settings.data.clone());
        let path = named.or_else(default_data_directory).ok_or(DirectoryError::Unnamed)?;
        let directory = DataDirectory::open(&path)?;
        let log = Log::Run(name.as_str().to_owned());
        let assembly = Assembly::open_with(&settings, directory, &log, self.extras).await?;
        let anonymous = settings.listen.anonymous;
        let sender = settings.upstream(name.as_str()).map(|it| it.sender).unwrap_or_default();
        let audience = Audience { resources: self.resources, anonymous, sender };
        let in_force = Mutex::new(InForce { settings, tools: BTreeMap::new() });
        let (stated, language) = (self.stated, self.language);
        Ok(Haechi(Arc::new(Inner { name, assembly, stated, in_force, audience, language })))
    }
}

/// A server that could verify nobody does not start.
fn check_keys(gateway: Option<&GatewayCallers>) -> Result<(), BuildError> {
    let Some(KeyLocation::Given(text)) = gateway.map(|gateway| &gateway.keys) else {
        return Ok(());
    };
    let set = KeySet::from_jwks(text.as_bytes(), false).map_err(BuildError::GatewayKeys)?;
    if set.is_empty() { Err(BuildError::NoGatewayKey) } else { Ok(()) }
}
