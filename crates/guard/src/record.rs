//! What the audit log is told of a call: names in clear, persons sealed, values committed.

use std::sync::Arc;

use haechi_core::json::{Member, Text};
use haechi_core::{
    Action, Era, Intent, Means, Opening, OpeningKind, Origin, ParameterName, Principal, SealError,
    Sealed, Sealer, Sid, UpstreamName,
};

use crate::line::Line;
use crate::ticket::MAX_FINDINGS;
use crate::{Recording, Refusal};

/// Names of parameters that an entry holds at most.
const MAX_PARAMETERS: usize = 64;

/// Bytes of a stranger's name that an entry holds at most.
const MAX_NAME_BYTES: usize = 128;

impl Line<'_> {
    /// What the log is told of this call, with everything personal sealed or committed.
    pub(crate) fn intent(
        &self,
        decision: &str,
        rules: Vec<String>,
        stage: Option<String>,
        sensitive: bool,
    ) -> Result<Intent, Refusal> {
        let who = Who { principal: self.principal, sealer: &*self.guard.rooms().sealer };
        let origin = self.call.origin();
        let sealed = |error: SealError| Refusal::NotRecorded(Some(error.into()));
        Ok(Intent {
            sid: self.principal.sid.clone(),
            who: who.name().map_err(sealed)?,
            means: self.principal.means,
            credential: who
                .seal("credential", self.principal.credential_id.as_deref())
                .map_err(sealed)?,
            roles: self.principal.roles.iter().cloned().collect(),
            address: who.address(origin).map_err(sealed)?,
            client: who.seal("client", origin.client.as_deref()).map_err(sealed)?,
            client_id: self.principal.client_id.as_deref().map(str::to_owned),
            route: origin.route.as_deref().unwrap_or("stdio").to_owned(),
            era: self.call.era(),
            upstream: self.call.upstream().as_str().to_owned(),
            action: self.call.action(),
            method: self.call.method().to_string(),
            name: self.recorded_name(),
            sensitive,
            parameters: self.parameters(&who).map_err(sealed)?,
            decision: decision.to_owned(),
            rules,
            stage,
            findings: self.findings.iter().take(MAX_FINDINGS).cloned().collect(),
            policy_epoch: self.guard.policy().epoch(),
            request_bytes: u64::try_from(self.call.body().len()).unwrap_or(u64::MAX),
            trace_id: origin.trace_id.as_deref().map(str::to_owned),
        })
    }

    /// A resource's URI may hold anything: its scheme stands here, its commitment in the parameters.
    fn recorded_name(&self) -> String {
        let name = &*self.call.resource().name;
        let shown = match self.call.action() {
            Action::ReadResource | Action::Complete => {
                name.split_once(':').map_or(name, |(scheme, _)| scheme)
            }
            _ => name,
        };
        cut(shown, MAX_NAME_BYTES)
    }

    fn parameters(&self, who: &Who<'_>) -> Result<Vec<ParameterName>, SealError> {
        if self.recording() == Recording::NoNames {
            return Ok(Vec::new());
        }
        let given = self.call.arguments().or_else(|| self.call.params());
        let members =
            given.into_iter().flat_map(Text::members).filter(|member| member.key != "_meta");
        let commit = |member: Member<'_>| {
            let value = member.value.raw().as_bytes();
            let commitment = who.sealer.commit(&who.principal.sid, "parameter", value)?;
            Ok(ParameterName {
                name: cut(&member.key, MAX_NAME_BYTES),
                commitment: Some(commitment),
            })
        };
        members.take(MAX_PARAMETERS).map(commit).collect()
    }
}

/// What the log is told of something `principal` opened or closed.
pub(crate) fn opening(
    principal: &Principal,
    what: (OpeningKind, &UpstreamName, Era),
    origin: &Origin,
    sealer: &dyn Sealer,
) -> Result<Opening, SealError> {
    let who = Who { principal, sealer };
    Ok(Opening {
        address: who.address(origin)?,
        client: who.seal("client", origin.client.as_deref())?,
        ..bare_opening((&principal.sid, principal.means), what)
    })
}

/// The same without where from, where nobody asked for it: a session that was idle for too long.
pub(crate) fn bare_opening(
    (sid, means): (&Sid, Means),
    (kind, upstream, era): (OpeningKind, &UpstreamName, Era),
) -> Opening {
    let upstream = Arc::clone(&upstream.0);
    Opening { kind, upstream, sid: sid.clone(), means, era, address: None, client: None }
}

/// Seals what an entry says of a person.
struct Who<'a> {
    principal: &'a Principal,
    sealer: &'a dyn Sealer,
}

impl Who<'_> {
    fn seal(&self, purpose: &str, text: Option<&str>) -> Result<Option<Sealed>, SealError> {
        let seal = |text: &str| self.sealer.seal(&self.principal.sid, purpose, text.as_bytes());
        text.map(seal).transpose()
    }

    fn address(&self, origin: &Origin) -> Result<Option<Sealed>, SealError> {
        self.seal("address", origin.address.map(|address| address.to_string()).as_deref())
    }

    fn name(&self) -> Result<Option<Sealed>, SealError> {
        let principal = self.principal;
        if principal.username.is_none() && principal.name.is_none() && principal.email.is_none() {
            return Ok(None);
        }
        let who = serde_json::json!({
            "username": principal.username,
            "name": principal.name,
            "email": principal.email,
        });
        self.seal("who", Some(&who.to_string()))
    }
}

/// At most `bytes` bytes of `text`, cut between characters.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
