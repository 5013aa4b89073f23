//! The guard of one server, with the rooms behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_assembly::settings::Listen;
use haechi_assembly::{Assembly, AssemblyError, Settings, SettingsError};
use haechi_audit::AuditLog;
use haechi_core::json::{Checked, Limits};
use haechi_core::{Action, Credentials, Origin, Resource, UpstreamName};
use haechi_face::Language;
use haechi_guard::{Guard, Refusal, SessionLimits};
use haechi_identity::{Audience, Identity};
use haechi_policy::Policy;
use haechi_privacy::Privacy;
use haechi_vault::Vault;
use rmcp::model::{ListToolsResult, Tool};

use crate::rules::{self, RuleProblem};
use crate::stated::Stated;
use crate::{Caller, ToolSecurity};

/// Why the rules of tools are not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// What a tool says cannot be; every problem.
    #[error("{}", rules::lines(.0))]
    Tools(Vec<RuleProblem>),
    /// The settings cannot be read again.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Together with the settings they cannot be in force.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
}

/// The guard of one server, with the rooms behind it: who is calling, may they, what must stay
/// unseen, what happened. Clones share everything.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::Haechi;
///
/// let haechi = Haechi::builder("weather").settings_file("haechi.toml").build().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Haechi(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) name: UpstreamName,
    pub(crate) assembly: Assembly,
    pub(crate) stated: Stated,
    pub(crate) in_force: Mutex<InForce>,
    pub(crate) audience: Audience,
    pub(crate) language: Language,
}

/// What every call is held to.
#[derive(Debug)]
pub(crate) struct InForce {
    /// As stated, without the rules of tools.
    pub(crate) settings: Settings,
    /// What the tools themselves say, by name.
    pub(crate) tools: BTreeMap<String, ToolSecurity>,
}

impl Haechi {
    /// The server's name in rules, limits and audit entries.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Who is calling: users, sign-in, tokens, keys, revocation. See [`crate::rooms::identity`].
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.0.assembly.rooms.identity
    }

    /// May they: the policy in force at this moment. See [`crate::rooms::policy`].
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.guard().policy()
    }

    /// What must stay unseen; `None` where neither the settings nor a tool ask for it. See [`crate::rooms::privacy`].
    #[must_use]
    pub fn privacy(&self) -> Option<Arc<Privacy>> {
        self.0.assembly.rooms.unseen.load_full()
    }

    /// What is kept sealed: keys, envelopes and tokens. See [`crate::rooms::vault`].
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.0.assembly.rooms.safe.vault
    }

    /// What happened. See [`crate::rooms::audit`].
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.0.assembly.audit
    }

    /// The line that every call walks, for entrances of one's own.
    #[must_use]
    pub fn guard(&self) -> &Arc<Guard> {
        &self.0.assembly.guard
    }

    /// Everything that was put together, for administration.
    #[must_use]
    pub fn assembly(&self) -> &Assembly {
        &self.0.assembly
    }

    /// Proves who presents `credentials`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthenticated`], or [`Refusal::Unavailable`] when nothing can be decided.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<Caller, Refusal> {
        let proved = self.guard().authenticate(credentials, &self.0.audience, origin).await;
        proved.map(Caller::new)
    }

    /// Whether `caller` may call `tool` with at least some arguments.
    #[must_use]
    pub fn may_call(&self, caller: &Caller, tool: &str) -> bool {
        let resource = Resource { upstream: self.0.name.clone(), name: tool.into() };
        self.guard().foresees(caller.principal(), Action::CallTool, &resource)
    }

    /// What is known of tools before the first list: conditions are held to their input schemas, and
    /// what is put in the place of personal data to their output schemas.
    pub(crate) fn learn(&self, tools: Vec<Tool>) {
        let list = serde_json::to_string(&ListToolsResult::with_all_items(tools));
        let list = list.ok().and_then(|list| Checked::new(list.into(), &Limits::RESULT).ok());
        if let Some(list) = list {
            self.guard().catalog().learn(&self.0.name, list.text());
        }
    }

    /// Adds the rules of `tools` to the settings and puts all of it in force. What the same tools said
    /// before is forgotten.
    ///
    /// # Errors
    ///
    /// [`RulesError`], every problem at once; then what was in force stays.
    pub fn enforce(&self, tools: &[(Cow<'static, str>, ToolSecurity)]) -> Result<(), RulesError> {
        let distinct =
            rules::distinct(tools).map_err(|problem| RulesError::Tools(vec![problem]))?;
        let mut in_force = self.in_force();
        let mut all = in_force.tools.clone();
        all.extend(distinct.into_iter().map(|(name, said)| (name.to_owned(), said.clone())));
        if all != in_force.tools {
            self.put_in_force(&in_force.settings, &all)?;
            in_force.tools = all;
        }
        Ok(())
    }

    /// Reads the settings again and puts them in force with the rules of tools, for calls from now
    /// on. What is read once, at the start (`data`, `token`, `issuer`, `vault`, …), stays.
    ///
    /// # Errors
    ///
    /// [`RulesError`], every problem at once; then what was in force stays.
    pub fn reload(&self) -> Result<(), RulesError> {
        let settings = self.0.stated.read(&self.0.name)?;
        let mut in_force = self.in_force();
        self.put_in_force(&settings, &in_force.tools)?;
        in_force.settings = settings;
        Ok(())
    }

    fn put_in_force(
        &self,
        settings: &Settings,
        tools: &BTreeMap<String, ToolSecurity>,
    ) -> Result<(), RulesError> {
        let mut settings = settings.clone();
        let add = |(tool, said): (&String, &ToolSecurity)| {
            rules::add(&mut settings, &self.0.name, (tool, said))
        };
        let problems: Vec<RuleProblem> = tools.iter().flat_map(add).collect();
        if !problems.is_empty() {
            return Err(RulesError::Tools(problems));
        }
        for warning in self.0.assembly.reload(&settings)? {
            tracing::warn!(%warning, "a rule of this server is odd");
        }
        Ok(())
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.0.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn listen(&self) -> (Listen, bool) {
        let in_force = self.in_force();
        (in_force.settings.listen.clone(), in_force.settings.policy.tell_denied)
    }

    pub(crate) fn session_limits(&self) -> SessionLimits {
        self.in_force().settings.limits.sessions
    }

    /// Where clients get tokens; none means that this server issues its own.
    pub(crate) fn authorization_servers(&self) -> Vec<String> {
        self.in_force().settings.issuers.iter().map(|issuer| issuer.issuer.clone()).collect()
    }

    /// Writes what is still to be written and gives the log to whoever wants it next.
    pub async fn close(&self) {
        self.0.assembly.close().await;
    }
}
