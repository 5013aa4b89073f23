//! A gateway in front: it has proved who calls, and says so in an assertion for one server and one
//! call. The other side of `assertion.rs`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::json::Text;
use haechi_core::rpc::{RequestId, method};
use haechi_core::{Action, BoxFuture, Means, Principal, Timestamp};
use serde_json::Value;

use crate::cache::{Key, VerifiedCache};
use crate::issuer::{authenticated_at, names, text};
use crate::jose::{
    Algorithm, Compact, Flaw, TokenError, audiences, check_expiry, ensure, name, object, time,
    verify_signature,
};
use crate::key_source::KeySource;
use crate::principal::Proved;
use crate::standing::TokenNames;
use crate::username::is_role;
use crate::{AuthenticationError, CALLER_TYPE, GatewayCallers, Identity, MAX_ASSERTION_LIFETIME};

/// What the gateway's clock and ours may differ by.
const LEEWAY: Duration = Duration::from_secs(5);
/// An assertion is remembered for at least this long: its life, with leeway at both ends.
const REMEMBERED_FOR: Duration = Duration::from_secs(70);
/// Assertions that are remembered within that time; more are not accepted.
const MOST_REMEMBERED: usize = 500_000;

/// An assertion, and the call it came with.
#[derive(Clone, Copy)]
pub struct PresentedCaller<'a> {
    /// The assertion, as sent.
    pub assertion: &'a str,
    /// The call's JSON-RPC method.
    pub method: &'a str,
    /// The tool, prompt or resource that the call names, where it names one. A task's is not known
    /// here and not compared.
    pub tool: Option<&'a str>,
    /// The call's id.
    pub request_id: &'a RequestId,
}

impl std::fmt::Debug for PresentedCaller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresentedCaller").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Why a caller that a gateway vouches for was not accepted. No variant carries the assertion or
/// anything out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// No gateway is trusted here.
    #[error("this server accepts no callers of a gateway")]
    NoGateway,
    /// Its form, key, signature or times are wrong.
    #[error("the caller assertion is not accepted: {0}")]
    Token(TokenError),
    /// `typ` marks another kind of token.
    #[error("this is no caller assertion")]
    WrongType,
    /// `iss` names another gateway.
    #[error("the caller assertion is of another gateway")]
    WrongIssuer,
    /// `aud` names another server.
    #[error("the caller assertion is for another server")]
    WrongAudience,
    /// From `iat` to `exp` are no seconds, or more than [`MAX_ASSERTION_LIFETIME`].
    #[error("the caller assertion does not live for a minute at most")]
    WrongLifetime,
    /// `iat` lies before this server was started, which could not know what was used then.
    #[error("the caller assertion was made before this server started")]
    BeforeStart,
    /// `method` names another.
    #[error("the caller assertion is for another method")]
    WrongMethod,
    /// `tool` names another, or none where the call names one, or one where it names none.
    #[error("the caller assertion is for another tool")]
    WrongTool,
    /// `request_id` is that of another request.
    #[error("the caller assertion is for another request")]
    WrongRequest,
    /// It was used before.
    #[error("the caller assertion was used before")]
    Replayed,
    /// So many were used within a minute that no more can be remembered.
    #[error("too many caller assertions at once; try again in a minute")]
    TooMany,
    /// The gateway proved nobody, and this server admits no such callers.
    #[error("the gateway does not know this caller")]
    Anonymous,
}

impl CallerError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoGateway => "caller-no-gateway",
            Self::Token(error) => error.word(),
            Self::WrongType => "caller-type",
            Self::WrongIssuer => "caller-issuer",
            Self::WrongAudience => "caller-audience",
            Self::WrongLifetime => "caller-lifetime",
            Self::BeforeStart => "caller-before-start",
            Self::WrongMethod => "caller-method",
            Self::WrongTool => "caller-tool",
            Self::WrongRequest => "caller-request",
            Self::Replayed => "caller-replayed",
            Self::TooMany => "caller-too-many",
            Self::Anonymous => "caller-anonymous",
        }
    }
}

impl From<TokenError> for CallerError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// The trusted gateway, and what it said lately.
#[derive(Debug)]
pub(crate) struct Gateway {
    config: GatewayCallers,
    keys: KeySource,
    used: Mutex<Used>,
    started: Timestamp,
}

impl Gateway {
    pub(crate) fn new(config: GatewayCallers, now: Timestamp) -> Self {
        let keys = KeySource::new(config.keys.clone(), config.refresh);
        Self { config, keys, used: Mutex::default(), started: now }
    }

    /// Notes that `key` is used now.
    fn spend(&self, key: Key, now: Timestamp) -> Result<(), CallerError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.spend(key, now, MOST_REMEMBERED)
    }
}

/// Assertions that were used: those of now, and those of the time before.
#[derive(Debug, Default)]
struct Used {
    since: Timestamp,
    now: HashSet<Key>,
    before: HashSet<Key>,
}

impl Used {
    fn spend(&mut self, key: Key, now: Timestamp, most: usize) -> Result<(), CallerError> {
        if now >= self.since.after(REMEMBERED_FOR) {
            self.before = std::mem::take(&mut self.now);
            self.since = now;
        }
        ensure(!self.before.contains(&key), CallerError::Replayed)?; // check: not used a time before
        ensure(self.now.len() < most, CallerError::TooMany)?; // check: what is used can be remembered
        ensure(self.now.insert(key), CallerError::Replayed)?; // check: not used now
        Ok(())
    }
}

/// The subject of the gateway where it speaks for nobody.
const ITSELF: &str = "gateway";

/// What an assertion states of the caller, once it holds.
struct Vouched {
    issuer: String,
    subject: String,
    issued_at: Timestamp,
    key: Key,
    all: Value,
}

impl Identity {
    /// Whether the callers of a gateway in front are accepted.
    #[must_use]
    pub const fn has_gateway(&self) -> bool {
        self.gateway.is_some()
    }

    /// The gateway in front itself, as somebody of whom nothing else is known: for what is said to
    /// it and not to one of its callers.
    ///
    /// # Errors
    ///
    /// [`CallerError::NoGateway`], and `Unnamed`.
    pub async fn gateway_itself(&self) -> Result<Principal, AuthenticationError> {
        let gateway = self.config.gateway.as_ref().ok_or(CallerError::NoGateway)?;
        let issuer = gateway.issuer.as_deref().unwrap_or(ITSELF);
        let sid = self.surroundings.sealer.sid(issuer, ITSELF).await?;
        Ok(Proved::bare(sid, issuer, ITSELF, Means::Gateway).principal())
    }

    /// Proves who calls by the word of the gateway in front. An assertion holds for one call of one
    /// server, and once: ask once for each call.
    ///
    /// The gateway knows its users; what was revoked or stopped here holds besides. `sub_iss` is the
    /// principal's issuer. The memory of what was used is this process's own: what was signed before
    /// it started is refused.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError::Caller`] with its reason, `Unavailable` and `Unnamed`.
    pub fn authenticate_caller<'a>(
        &'a self,
        presented: &'a PresentedCaller<'a>,
    ) -> BoxFuture<'a, Result<Principal, AuthenticationError>> {
        Box::pin(async move {
            let gateway = self.gateway.as_ref().ok_or(CallerError::NoGateway)?;
            let vouched = self.vouched(gateway, presented).await?;
            let standing = self.standing().await?;
            let revoked = standing.check_not_revoked(&TokenNames {
                issuer: &vouched.issuer,
                subject: &vouched.subject,
                token_id: None,
                key_id: None,
                issued_at: Some(vouched.issued_at),
            });
            revoked.map_err(CallerError::Token)?;
            let sid = self.surroundings.sealer.sid(&vouched.issuer, &vouched.subject).await?;
            let bare = Proved::bare(sid, &vouched.issuer, &vouched.subject, Means::Gateway);
            let proved = vouched.proved(bare, self.now()).map_err(CallerError::Token)?;
            let admitted = proved.means != Means::Anonymous || self.config.anonymous.is_some();
            ensure(admitted, CallerError::Anonymous)?; // check: the gateway's strangers are strangers here
            gateway.spend(vouched.key, self.now())?;
            Ok(proved.principal())
        })
    }

    /// Everything but what the stores know, in this order: who cannot sign learns nothing of what
    /// would be accepted.
    async fn vouched(
        &self,
        gateway: &Gateway,
        presented: &PresentedCaller<'_>,
    ) -> Result<Vouched, CallerError> {
        let token = Compact::parse(presented.assertion)?;
        let allowed = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ed25519].into();
        let algorithm = token.header.algorithm;
        let usable = std::collections::BTreeSet::contains(&allowed, &algorithm);
        ensure(usable, TokenError::AlgorithmNotAccepted)?; // check: no keys are read for another alg
        let is_caller = token.header.kind.as_deref() == Some(CALLER_TYPE);
        ensure(is_caller, CallerError::WrongType)?; // check: typ
        let key_id = token.header.key_id.as_deref();
        ensure(key_id.is_some(), TokenError::Malformed(Flaw::KeyId))?; // check: kid stands
        let (clock, fetch) = (&*self.surroundings.clock, &*self.surroundings.fetch);
        let loaded = gateway.keys.keys_for(key_id, algorithm, clock, fetch).await?;
        verify_signature(&token, &loaded.keys, &allowed)?;
        Vouched::read(&token.payload, gateway, presented, self.now())
    }
}

impl Vouched {
    fn read(
        payload: &[u8],
        gateway: &Gateway,
        presented: &PresentedCaller<'_>,
        now: Timestamp,
    ) -> Result<Self, CallerError> {
        let claims = object(payload)?;
        let config = &gateway.config;
        let by = name(claims, "iss", Flaw::Issuer)?.ok_or(TokenError::Malformed(Flaw::Issuer))?;
        let trusted = config.issuer.as_ref().is_none_or(|issuer| *issuer == by);
        ensure(trusted, CallerError::WrongIssuer)?; // check: iss
        let ours = *audiences(claims)? == [config.audience.as_str()];
        ensure(ours, CallerError::WrongAudience)?; // check: aud
        let issued_at = check_times(claims, gateway.started, now)?;
        check_call(claims, presented)?;
        let token_id = name(claims, "jti", Flaw::TokenId)?;
        let token_id = token_id.ok_or(TokenError::Malformed(Flaw::TokenId))?;
        let (issuer, flaw) = ("sub_iss", TokenError::Malformed(Flaw::Subject));
        Ok(Self {
            issuer: name(claims, issuer, Flaw::Subject)?.ok_or(flaw)?,
            subject: name(claims, "sub", Flaw::Subject)?.ok_or(flaw)?,
            issued_at,
            key: VerifiedCache::key(format!("{by}\0{token_id}").as_bytes()),
            all: lasting(claims),
        })
    }

    /// Who it is. What belongs to the one call is left out, so that decisions can be remembered.
    fn proved(&self, bare: Proved, now: Timestamp) -> Result<Proved, TokenError> {
        let flaw = TokenError::Malformed(Flaw::Claim);
        let roles = names(self.all.get("roles"))?;
        let sound = roles.iter().all(|role| is_role(role));
        ensure(sound, flaw)?; // check: roles are words
        let proved_there = text(self.all.get("means"))?.ok_or(flaw)?;
        let anonymous = proved_there == Means::Anonymous.as_str();
        Ok(Proved {
            username: text(self.all.get("preferred_username"))?,
            name: text(self.all.get("name"))?,
            roles,
            means: if anonymous { Means::Anonymous } else { Means::Gateway },
            authenticated_at: authenticated_at(&self.all, now.after(LEEWAY))?,
            claims: Arc::new(self.all.clone()),
            ..bare
        })
    }
}

/// Checks the life of an assertion, and answers when it began.
fn check_times(
    claims: Text<'_>,
    started: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, CallerError> {
    let ends = time(claims, "exp", Flaw::Expiry)?.ok_or(TokenError::Malformed(Flaw::Expiry))?;
    let begins = time(claims, "iat", Flaw::Time)?.ok_or(TokenError::Malformed(Flaw::Time))?;
    let short = begins < ends && ends <= begins.after(MAX_ASSERTION_LIFETIME);
    ensure(short, CallerError::WrongLifetime)?; // check: life of an assertion
    check_expiry(ends, LEEWAY, now)?;
    ensure(begins <= now.after(LEEWAY), TokenError::IssuedInFuture)?; // check: iat
    ensure(begins.after(LEEWAY) >= started, CallerError::BeforeStart)?; // check: not before the start
    Ok(begins)
}

/// Checks that an assertion is for this call and no other.
fn check_call(claims: Text<'_>, presented: &PresentedCaller<'_>) -> Result<(), CallerError> {
    let stated = name(claims, "method", Flaw::Claim)?;
    let same = stated.as_deref() == Some(presented.method);
    ensure(same, CallerError::WrongMethod)?; // check: method
    let tool = claims.member("tool").and_then(Text::string);
    let stands = claims.member("tool").is_some();
    let same = tool.as_deref() == presented.tool && stands == presented.tool.is_some();
    let of_task = method::action(presented.method) == Some(Action::UseTask);
    ensure(same || of_task, CallerError::WrongTool)?; // check: tool
    let id = claims.member("request_id").and_then(|id| RequestId::read(id).ok());
    let same = id.is_some_and(|id| id == *presented.request_id);
    ensure(same, CallerError::WrongRequest)?; // check: request id
    Ok(())
}

/// The claims that say who calls and not what.
fn lasting(claims: Text<'_>) -> Value {
    const OF_THE_CALL: [&str; 6] = ["exp", "jti", "aud", "method", "tool", "request_id"];
    let mut all = claims.to_value();
    if let Some(members) = all.as_object_mut() {
        members.retain(|name, _| !OF_THE_CALL.contains(&name.as_str()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_remembered_for_its_life_and_within_a_bound() {
        let mut used = Used::default();
        let key = |n: u8| [n; 32];
        let start = Timestamp(1_000_000);
        assert_eq!(used.spend(key(1), start, 2), Ok(()));
        for seconds in [0, 1, 69, 70, 139] {
            let later = start.after(Duration::from_secs(seconds));
            assert_eq!(used.spend(key(1), later, 2), Err(CallerError::Replayed), "{seconds}");
        }
        let later = start.after(Duration::from_secs(139));
        assert_eq!(used.spend(key(2), later, 2), Ok(()));
        assert_eq!(used.spend(key(3), later, 2), Ok(()));
        assert_eq!(used.spend(key(4), later, 2), Err(CallerError::TooMany));
        let over = start.after(Duration::from_secs(140));
        assert_eq!(used.spend(key(1), over, 2), Ok(()), "its life is long over");
    }
}
