//! Issuers other than this gateway: which keys are theirs, and what their claims mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use haechi_core::{Means, Sid, Timestamp, glob};
use serde_json::Value;

use crate::ask::Asking;
use crate::jose::{Flaw, MAX_NAME_BYTES, TokenError, ensure};
use crate::key_source::KeySource;
use crate::principal::Proved;
use crate::username::is_role;
use crate::{ClaimMapping, ForeignIssuer, ScopeHierarchy};

/// A foreign issuer at work.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) config: ForeignIssuer,
    pub(crate) keys: KeySource,
    /// Where its tokens are asked about instead.
    pub(crate) asking: Option<Asking>,
    /// Scopes that hold others.
    hierarchy: ScopeHierarchy,
}

impl Issuer {
    pub(crate) fn new(config: ForeignIssuer, hierarchy: ScopeHierarchy) -> Self {
        let keys = KeySource::new(config.keys.clone(), config.refresh);
        let asking = Asking::new(&config);
        Self { config, keys, asking, hierarchy }
    }

    /// The stable name of the person behind `claims`.
    pub(crate) fn subject(&self, claims: &Value) -> Result<String, TokenError> {
        let flaw = TokenError::Malformed(Flaw::Subject);
        let subject = at_path(claims, &self.config.mapping.subject);
        let subject = subject.and_then(Value::as_str).ok_or(flaw)?;
        let fits = !subject.is_empty() && subject.len() <= MAX_NAME_BYTES;
        ensure(fits, flaw)?; // check: length of sub
        Ok(subject.to_owned())
    }

    /// Reads what the claims mean for the person called `sid` in the log. By which token, and until
    /// when, is for the caller to add.
    pub(crate) fn read(
        &self,
        claims: &Arc<Value>,
        subject: &str,
        sid: Sid,
        now: Timestamp,
    ) -> Result<Proved, TokenError> {
        let mapping = &self.config.mapping;
        let all = &**claims;
        let groups = names(at_path(all, &mapping.groups))?;
        let client_id = match text(all.get("client_id"))? {
            Some(client_id) => Some(client_id),
            None => text(all.get("azp"))?,
        };
        Ok(Proved {
            username: text(at_path(all, &mapping.username))?,
            name: text(at_path(all, &mapping.name))?,
            email: text(at_path(all, &mapping.email))?,
            roles: roles(mapping, all, &groups)?,
            groups,
            scopes: self.hierarchy.expand(scopes(all.get("scope"))?),
            tenant: text(at_path(all, &mapping.tenant))?,
            claims: Arc::clone(claims),
            client_id,
            authenticated_at: authenticated_at(all, now.after(self.config.leeway))?,
            ..Proved::bare(sid, &self.config.issuer, subject, Means::ForeignToken)
        })
    }
}

/// Roles the issuer states, where settings let it, and those its groups bring.
fn roles(
    mapping: &ClaimMapping,
    claims: &Value,
    groups: &BTreeSet<String>,
) -> Result<BTreeSet<String>, TokenError> {
    let mut roles = names(at_path(claims, &mapping.roles))?;
    let sound = roles.iter().all(|role| is_role(role));
    ensure(sound, TokenError::Malformed(Flaw::Claim))?; // check: roles are words
    for (pattern, brought) in &mapping.group_roles {
        if groups.iter().any(|group| glob::matches(pattern, group)) {
            roles.extend(brought.iter().cloned());
        }
    }
    Ok(roles)
}

/// The value a path leads to; an empty path leads nowhere.
fn at_path<'a>(claims: &'a Value, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, step| value.get(step))
}

/// A claim that must be a string of reasonable length where it stands.
pub(crate) fn text(value: Option<&Value>) -> Result<Option<String>, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Claim);
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().ok_or(flaw)?;
    ensure(text.len() <= MAX_NAME_BYTES, flaw)?; // check: length of claims
    Ok(Some(text.to_owned()))
}

/// A claim that must be one string, or an array of strings, where it stands.
pub(crate) fn names(value: Option<&Value>) -> Result<BTreeSet<String>, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Claim);
    let one = |value: &Value| value.as_str().map(str::to_owned).ok_or(flaw);
    match value {
        None => Ok(BTreeSet::new()),
        Some(Value::Array(values)) => values.iter().map(one).collect(),
        Some(value) => Ok(BTreeSet::from([one(value)?])),
    }
}

/// `scope`: words between single spaces (RFC 6749 §3.3, RFC 9068 §2.2.3).
pub(crate) fn scopes(value: Option<&Value>) -> Result<BTreeSet<String>, TokenError> {
    let Some(value) = value else { return Ok(BTreeSet::new()) };
    let scope = value.as_str().ok_or(TokenError::Malformed(Flaw::Claim))?;
    Ok(scope.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// `auth_time` (OpenID Connect Core §2), which must not lie after `latest`: it decides whether a
/// sign-in is fresh enough for sensitive tools.
pub(crate) fn authenticated_at(
    claims: &Value,
    latest: Timestamp,
) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get("auth_time") else { return Ok(None) };
    let secs = value.as_u64().ok_or(TokenError::Malformed(Flaw::Time))?;
    let at = Timestamp::from_secs(secs);
    ensure(at <= latest, TokenError::IssuedInFuture)?; // check: auth_time
    Ok(Some(at))
}
