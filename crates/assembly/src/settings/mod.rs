//! The settings: one TOML file, every problem of it at once, and types that cannot be wrong.

mod audit;
mod authorization;
mod digest;
mod embedded;
mod federation;
mod gateway;
mod issuer;
mod limits;
mod listen;
mod made;
mod observability;
mod policy;
mod privacy;
mod problem;
mod roles;
mod scopes;
mod sender;
mod token;
mod upstream;
mod upstream_authorization;
mod value;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use haechi_core::UpstreamName;
use haechi_guard::GuardConfig;
use haechi_identity::{
    Anonymous, DpopRules, ForeignIssuer, GatewayCallers, IdentityConfig, Lockout, PasswordPolicy,
};
use haechi_policy::Role;
use schemars::JsonSchema;
use serde::Deserialize;

pub use audit::{
    AuditSettings, Destination, ExportSettings, FileDestination, HttpDestination, KeepSettings,
    Publish, SyslogDestination, SyslogTransport,
};
pub use authorization::AuthorizationSettings;
pub use federation::{FederationSettings, PeopleSettings, ProviderClaims};
pub use limits::LimitSettings;
pub use listen::{ClientCertificates, Listen, ListenLimits, TlsFiles};
pub use made::{DemoSettings, INITIAL};
pub use observability::{LogSettings, MetricsSettings, OutboundSettings};
pub use policy::PolicySettings;
pub use privacy::{DeepSettings, PrivacySettings};
pub use problem::{Problem, Problems};
pub use scopes::ScopeSettings;
pub use token::{ApiKeySettings, TokenSettings};
pub use upstream::{Carrier, HttpCarrier, ProgramCarrier, Rlimits, UpstreamSettings};
pub use upstream_authorization::{
    AuthorizationKind, ClientProof, ClientSettings, DpopRule, ProviderSettings, SubjectToken,
    SubjectTokenKind, UpstreamAuthorization,
};
pub use value::{read as read_duration, show as show_duration};
pub use vault::{RootSettings, VaultSettings};

pub(crate) use audit::is_node;

/// The largest settings file, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// The role of callers without credentials, where they are let in.
pub const ANONYMOUS_ROLE: &str = "anonymous";

/// Sections that are read once, at the start.
const READ_ONCE: [&str; 19] = [
    "data",
    "listen",
    "token",
    "issuer",
    "federation",
    "scopes",
    "dpop",
    "authorization",
    "gateway",
    "password",
    "lockout",
    "api_key",
    "audit",
    "storage",
    "vault",
    "log",
    "telemetry",
    "metrics",
    "outbound",
];

/// Everything the settings say, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file they were read from.
    pub file: Option<PathBuf>,
    /// The data directory, when the file names one.
    pub data: Option<PathBuf>,
    /// Where and how the gateway is reached over HTTP.
    pub listen: Listen,
    /// The servers behind the guard.
    pub upstreams: Vec<UpstreamSettings>,
    /// Names of upstreams that rules may name although they are not among `upstreams`.
    pub other_upstreams: Vec<String>,
    /// Who may do what, in plain words.
    pub roles: Vec<Role>,
    /// Whether the built-in owner's policy is in force.
    pub owner: bool,
    /// Roles of the operating-system user who started the program, besides `owner`; no file says
    /// them.
    pub owner_roles: BTreeSet<String>,
    /// Cedar files, and how much a refusal tells.
    pub policy: PolicySettings,
    /// What must stay unseen; nothing is looked at without.
    pub privacy: Option<PrivacySettings>,
    /// Where the root key comes from, and how long what is sealed is kept.
    pub vault: VaultSettings,
    /// Tokens this gateway issues.
    pub token: TokenSettings,
    /// Authorization servers of somebody else.
    pub issuers: Vec<ForeignIssuer>,
    /// OpenID providers at which people may sign in.
    pub federation: Vec<FederationSettings>,
    /// What scopes mean, by name.
    pub scopes: Vec<ScopeSettings>,
    /// How proofs of possession are judged.
    pub dpop: DpopRules,
    /// This gateway as an authorization server.
    pub authorization: AuthorizationSettings,
    /// The gateway in front of a program that embeds the guard, whose callers are accepted.
    pub gateway: Option<GatewayCallers>,
    /// How passwords are kept.
    pub password: PasswordPolicy,
    /// How failed sign-ins slow the next one down.
    pub lockout: Lockout,
    /// Keys for programs.
    pub api_key: ApiKeySettings,
    /// How much a caller may ask for.
    pub limits: LimitSettings,
    /// How the audit log is kept.
    pub audit: AuditSettings,
    /// Where entries of the audit log go besides.
    pub exports: Vec<ExportSettings>,
    /// The SQLite file, when it is not in the data directory.
    pub storage: Option<PathBuf>,
    /// What the program writes on standard error.
    pub log: LogSettings,
    /// Where traces go.
    pub telemetry: Option<url::Url>,
    /// Counters.
    pub metrics: MetricsSettings,
    /// How calls leave this program.
    pub outbound: OutboundSettings,
    /// The file as it was, to tell what changed.
    document: Document,
}

/// A settings file as it was written. It does not print: somebody may have written a secret there.
#[derive(Clone)]
struct Document(toml::Table);

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sections", self.0.len())
    }
}

/// Settings of Haechi.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawSettings {
    /// The data directory; `$XDG_DATA_HOME/haechi` by default.
    data: Option<String>,
    listen: listen::RawListen,
    /// The servers behind the guard.
    upstream: Vec<upstream::RawUpstream>,
    /// Who may do what. The role `*` is held by every caller who proved an identity.
    roles: BTreeMap<String, roles::RawRole>,
    policy: policy::RawPolicy,
    privacy: Option<privacy::RawPrivacy>,
    vault: vault::RawVault,
    token: token::RawToken,
    /// Authorization servers of somebody else, whose tokens are accepted.
    issuer: Vec<issuer::RawIssuer>,
    /// OpenID providers at which people may sign in.
    federation: Vec<federation::RawFederation>,
    /// What scopes mean: which hold others, and what people read of them.
    scopes: BTreeMap<String, scopes::RawScope>,
    dpop: sender::RawDpop,
    authorization: authorization::RawAuthorization,
    /// The gateway in front of a program that embeds the guard, whose callers are accepted. For such
    /// programs only.
    gateway: Option<gateway::RawGateway>,
    password: token::RawPassword,
    lockout: token::RawLockout,
    api_key: token::RawApiKey,
    limits: limits::RawLimits,
    audit: audit::RawAudit,
    storage: audit::RawStorage,
    log: observability::RawLog,
    telemetry: observability::RawTelemetry,
    metrics: observability::RawMetrics,
    outbound: observability::RawOutbound,
}

/// Why settings are not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings file `{}` cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Problems(Problems),
}

impl Settings {
    /// Reads and checks a settings file. Paths in it are relative to its own folder.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]; every problem of the file at once.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        Self::load_as(file, None)
    }

    fn load_as(file: &Path, embedded: Option<&UpstreamName>) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::File { path: file.to_owned(), source };
        let file = std::path::absolute(file).map_err(unreadable)?;
        if std::fs::metadata(&file).map_err(unreadable)?.len() > MAX_BYTES {
            let mut problems = Problems::default();
            problems.add("", "the settings file is larger than 4 MiB");
            return Err(SettingsError::Problems(problems));
        }
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        let base = file.parent().unwrap_or(Path::new("/"));
        let mut settings =
            Self::parse_as(&text, base, embedded).map_err(SettingsError::Problems)?;
        settings.file = Some(file);
        Ok(settings)
    }

    /// Checks settings given as text; paths in them are relative to `base`.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    pub fn parse(text: &str, base: &Path) -> Result<Self, Problems> {
        Self::parse_as(text, base, None)
    }

    fn parse_as(
        text: &str,
        base: &Path,
        embedded: Option<&UpstreamName>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let document: toml::Table = match text.parse() {
            Ok(document) => document,
            Err(error) => {
                problems.add("", syntax(text, &error));
                return Err(problems);
            }
        };
        let raw: RawSettings = problem::read_document(document.clone(), &mut problems);
        let settings = raw.check(document, (base, embedded), &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// The JSON Schema of the file, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(RawSettings).to_value()
    }

    /// The settings of a file that says nothing.
    #[must_use]
    pub fn standard() -> Self {
        let base = Path::new("/");
        RawSettings::default().check(toml::Table::new(), (base, None), &mut Problems::default())
    }

    /// Sections that differ from `newer` and are read at the start only.
    #[must_use]
    pub fn needs_restart_for(&self, newer: &Self) -> Vec<&'static str> {
        let differs =
            |section: &&str| self.document.0.get(*section) != newer.document.0.get(*section);
        let mut sections: Vec<_> = READ_ONCE.into_iter().filter(|s| differs(s)).collect();
        if self.policy.tell_denied != newer.policy.tell_denied {
            sections.push("policy.tell_denied");
        }
        sections
    }

    /// What the guard is told, without what must be made first: its privacy.
    #[must_use]
    pub fn guard(&self) -> GuardConfig {
        let rules = |upstream: &UpstreamSettings| (upstream.name.clone(), upstream.rules.clone());
        GuardConfig {
            upstreams: self.upstreams.iter().map(rules).collect(),
            sessions: self.limits.sessions,
            interceptors: Vec::new(),
            privacy: None,
            reveal: self.privacy.as_ref().map(|it| it.reveal.clone()).unwrap_or_default(),
        }
    }

    /// What identity is told.
    #[must_use]
    pub fn identity(&self) -> IdentityConfig {
        let anonymous = || Anonymous { roles: BTreeSet::from([ANONYMOUS_ROLE.to_owned()]) };
        IdentityConfig {
            issuer: self.token.issuer.clone(),
            own: self.token.own.clone(),
            issuers: self.issuers.clone(),
            passwords: self.password.clone(),
            lockout: self.lockout.clone(),
            cache_entries: self.limits.verified_tokens,
            anonymous: self.listen.anonymous.then(anonymous),
            owner_roles: self.owner_roles.clone(),
            gateway: self.gateway.clone(),
            scopes: scopes::hierarchy(&self.scopes),
            dpop: self.dpop,
        }
    }

    /// The upstream of this name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&UpstreamSettings> {
        self.upstreams.iter().find(|upstream| upstream.name.as_str() == name)
    }

    /// Every file the settings consist of, and those that would belong to them if they existed.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let folders = self.policy.patterns.iter().filter_map(|pattern| pattern.parent());
        let named = self.file.iter().chain(&self.policy.files).cloned();
        let patterns = self.privacy.iter().flat_map(|privacy| privacy.patterns.iter().cloned());
        named.chain(patterns).chain(folders.map(Path::to_owned)).collect()
    }
}

impl RawSettings {
    fn check(
        self,
        document: toml::Table,
        (base, embedded): (&Path, Option<&UpstreamName>),
        problems: &mut Problems,
    ) -> Settings {
        let data =
            problems.read("data", self.data, None, |text| value::path(base, &text).map(Some));
        let listen = self.listen.check(base, problems);
        let limits = self.limits.check(problems);
        let upstreams = match embedded {
            None => upstreams(self.upstream, base, &limits, problems),
            Some(name) => {
                embedded::refuse_foreign(&document, problems);
                vec![embedded::server(self.upstream, name, &limits, problems)]
            }
        };
        let issuers = issuers(self.issuer, base, problems);
        let federation = federation::check(self.federation, base, problems);
        if embedded.is_none() {
            check_constraints(&listen, &upstreams, &issuers, problems);
        }
        let roles = self.roles.into_iter();
        let mut audit = self.audit;
        let exports = audit.exports(base, problems);
        Settings {
            file: None,
            data,
            upstreams,
            other_upstreams: Vec::new(),
            roles: roles.map(|(name, raw)| raw.check(name, problems)).collect(),
            owner: false,
            owner_roles: BTreeSet::new(),
            policy: self.policy.check(base, problems),
            privacy: self.privacy.and_then(|raw| raw.check(base, problems)),
            vault: self.vault.check(base, problems),
            token: self.token.check(listen.public_url.as_deref(), problems),
            scopes: scopes::check(self.scopes, problems),
            authorization: self.authorization.check(base, &issuers, &federation, problems),
            issuers,
            federation,
            dpop: self.dpop.check(problems),
            gateway: self.gateway.and_then(|raw| raw.check(embedded, base, problems)),
            password: self.password.check(problems),
            lockout: self.lockout.check(problems),
            api_key: self.api_key.check(problems),
            exports,
            audit: audit.check(base, problems),
            storage: self.storage.check(base, problems),
            log: self.log.check(),
            telemetry: self.telemetry.check(problems),
            metrics: self.metrics.check(),
            outbound: self.outbound.check(base, problems),
            listen,
            limits,
            document: Document(document),
        }
    }
}

fn upstreams(
    raw: Vec<upstream::RawUpstream>,
    base: &Path,
    limits: &LimitSettings,
    problems: &mut Problems,
) -> Vec<UpstreamSettings> {
    let mut names = BTreeSet::new();
    let mut checked = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = problem::element("upstream", index, raw.stated_name());
        if let Some(name) = raw.stated_name()
            && !names.insert(name.to_owned())
        {
            problems.add(&*key, "is there twice; names must differ");
        }
        checked.extend(raw.check(&key, base, &limits.calls, problems));
    }
    checked
}

fn issuers(
    raw: Vec<issuer::RawIssuer>,
    base: &Path,
    problems: &mut Problems,
) -> Vec<ForeignIssuer> {
    let mut names = BTreeSet::new();
    let mut checked = Vec::new();
    if raw.iter().filter(|raw| raw.is_asked()).count() > 4 {
        problems.add("issuer", "must have at most four whose tokens are asked about");
    }
    for (index, raw) in raw.into_iter().enumerate() {
        let key = problem::element("issuer", index, raw.stated_issuer());
        if let Some(name) = raw.stated_issuer()
            && !names.insert(name.to_owned())
        {
            problems.add(&*key, "is there twice");
        }
        checked.extend(raw.check(&key, base, problems));
    }
    checked
}

/// Says where client certificates are demanded though nobody asks for any.
fn check_constraints(
    listen: &Listen,
    upstreams: &[UpstreamSettings],
    issuers: &[ForeignIssuer],
    problems: &mut Problems,
) {
    let asked_for = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let upstreams = upstreams.iter().map(|it| ("upstream", it.name.as_str(), it.sender));
    let issuers = issuers.iter().map(|it| ("issuer", it.issuer.as_str(), it.sender));
    for (section, name, demanded) in upstreams.chain(issuers) {
        let key = problem::element(section, 0, Some(name));
        sender::check_certificates(&key, demanded, asked_for, problems);
    }
}

/// What is wrong with a text that is no TOML, and where.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message().replace('\n', "; "))
}
