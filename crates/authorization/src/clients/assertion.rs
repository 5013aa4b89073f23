//! `private_key_jwt`: a client proves itself with an assertion it signed (RFC 7523 §3, OpenID
//! Connect Core §9).

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_core::json::{self, Kind, Limits, Text};
use haechi_core::{StoreError, Ticket, TicketKind, Timestamp};
use haechi_identity::jose::{Algorithm, Compact, Flaw, TokenError, verify_signature};
use haechi_identity::sha256;

use super::credentials::is_client_id;
use super::error::ClientError;
use super::{Client, ClientMethod};
use crate::AuthorizationServer;
use crate::ensure::ensure;

/// The longest an assertion may live from now on.
const MAX_LIFETIME: Duration = Duration::from_secs(300);
/// What clocks may differ by.
const LEEWAY: Duration = Duration::from_secs(30);
/// The longest `jti`, in bytes.
const MAX_TOKEN_ID_BYTES: usize = 512;
/// How many assertions are remembered at once.
const MAX_REMEMBERED: u64 = 100_000;
/// 9999-12-31T23:59:59Z.
const MAX_NUMERIC_DATE: u64 = 253_402_300_799;
/// What `typ` may say; older clients say nothing.
const TYPES: [&str; 2] = ["jwt", "client-authentication+jwt"];

/// What an assertion says; one of a kind is never taken for one of another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AssertionUse {
    /// Which client it is.
    Client,
    /// Who a person is.
    Identity,
}

impl AuthorizationServer {
    /// The client that signed `assertion`, as it registered to. `named` is what the body says.
    pub(super) async fn asserted_client(
        &self,
        named: Option<&str>,
        assertion: &str,
    ) -> Result<Client, ClientError> {
        let token = Compact::parse(assertion).map_err(ClientError::Assertion)?;
        let known_type = token.header.kind.as_deref().is_none_or(|kind| TYPES.contains(&kind));
        ensure(known_type, ClientError::Assertion(TokenError::WrongType))?;
        let claims = claims(&token.payload)?;
        let (issuer, subject) = (word(claims, "iss")?, word(claims, "sub")?);
        let same = issuer == subject && named.is_none_or(|named| named == subject);
        ensure(same && is_client_id(&subject), ClientError::WrongSubject)?;
        let client = self.client(&subject).await?;
        // Before keys are read: who registered another way must not cause a reading.
        ensure(client.method() == ClientMethod::PrivateKeyJwt, ClientError::WrongMethod)?;
        let algorithms = allowed(&client);
        let usable = algorithms.contains(&token.header.algorithm);
        ensure(usable, ClientError::Assertion(TokenError::AlgorithmNotAccepted))?;
        let key_id = token.header.key_id.as_deref();
        let keys = self.client_keys(&client, key_id, token.header.algorithm).await?;
        verify_signature(&token, &keys, &algorithms).map_err(ClientError::Assertion)?;
        self.check_audience(claims)?;
        let ends_at = check_times(claims, self.rooms.clock.now())?;
        let token_id = word(claims, "jti")?;
        self.spend_assertion(AssertionUse::Client, &subject, &token_id, ends_at).await?;
        Ok(client)
    }

    /// `aud` names this server and nobody else: an assertion for several could be passed on.
    fn check_audience(&self, claims: Text<'_>) -> Result<(), ClientError> {
        let flaw = ClientError::Assertion(TokenError::Malformed(Flaw::Audience));
        let Some(value) = claims.member("aud") else { return Err(flaw) };
        let only = match value.kind() {
            Kind::Array if value.len() == 1 => value.elements().next(),
            _ => Some(value),
        };
        let stated = only.and_then(Text::string);
        let own = [self.config.issuer.clone(), self.endpoint("token")];
        let ours = stated.is_some_and(|stated| own.iter().any(|own| *own == *stated));
        ensure(ours, ClientError::Assertion(TokenError::WrongAudience))
    }

    /// Remembers an assertion until it ends, and refuses one that came before.
    pub(crate) async fn spend_assertion(
        &self,
        usage: AssertionUse,
        issuer: &str,
        token_id: &str,
        ends_at: Timestamp,
    ) -> Result<(), ClientError> {
        let now = self.rooms.clock.now();
        let remembered = self.stores.tickets.count(TicketKind::Assertion, now).await?;
        ensure(remembered < MAX_REMEMBERED, ClientError::TooMany)?;
        let ticket = Ticket {
            kind: TicketKind::Assertion,
            sha256: sha256(format!("{usage:?}\0{}\0{issuer}\0{token_id}", issuer.len()).as_bytes()),
            body: Vec::new(),
            expires_at: ends_at.after(LEEWAY),
        };
        match self.stores.tickets.add(ticket).await {
            Err(StoreError::Exists(_)) => Err(ClientError::Replayed),
            other => Ok(other?),
        }
    }
}

/// What the client may sign with: what it registered, or any signature nobody can make for it.
fn allowed(client: &Client) -> BTreeSet<Algorithm> {
    match client.metadata.signing_algorithm {
        Some(only) => BTreeSet::from([only]),
        None => BTreeSet::from(Algorithm::ASYMMETRIC),
    }
}

fn claims(payload: &[u8]) -> Result<Text<'_>, ClientError> {
    let flaw = || ClientError::Assertion(TokenError::Malformed(Flaw::Claims));
    let claims = json::check(payload, &Limits::TOKEN).map_err(|_| flaw())?;
    ensure(claims.kind() == Kind::Object, flaw())?;
    Ok(claims)
}

/// A claim that must stand there as text.
fn word(claims: Text<'_>, name: &'static str) -> Result<String, ClientError> {
    let flaw = match name {
        "jti" => Flaw::TokenId,
        "sub" => Flaw::Subject,
        _ => Flaw::Issuer,
    };
    let most = if name == "jti" { MAX_TOKEN_ID_BYTES } else { usize::MAX };
    let text = claims.member(name).and_then(Text::string);
    let text = text.filter(|text| !text.is_empty() && text.len() <= most);
    let text = text.ok_or(ClientError::Assertion(TokenError::Malformed(flaw)))?;
    Ok(text.into_owned())
}

/// Checks `exp`, `nbf` and `iat` at `now`, and answers when it ends.
fn check_times(claims: Text<'_>, now: Timestamp) -> Result<Timestamp, ClientError> {
    let ends_at = time(claims, "exp", Flaw::Expiry)?;
    let ends_at = ends_at.ok_or(ClientError::Assertion(TokenError::Malformed(Flaw::Expiry)))?;
    let over = now >= ends_at.after(LEEWAY);
    ensure(!over, ClientError::Assertion(TokenError::Expired(now.since(ends_at))))?;
    let short = ends_at <= now.after(MAX_LIFETIME).after(LEEWAY);
    ensure(short, ClientError::LongLived)?;
    let begins = time(claims, "nbf", Flaw::Time)?.unwrap_or_default();
    let begun = begins <= now.after(LEEWAY);
    ensure(begun, ClientError::Assertion(TokenError::NotYetValid(begins.since(now))))?;
    let issued_at = time(claims, "iat", Flaw::Time)?.unwrap_or_default();
    let past = issued_at <= now.after(LEEWAY);
    ensure(past, ClientError::Assertion(TokenError::IssuedInFuture))?;
    Ok(ends_at)
}

fn time(claims: Text<'_>, name: &str, flaw: Flaw) -> Result<Option<Timestamp>, ClientError> {
    let Some(value) = claims.member(name) else { return Ok(None) };
    let secs = value.unsigned().filter(|secs| *secs <= MAX_NUMERIC_DATE);
    let secs = secs.ok_or(ClientError::Assertion(TokenError::Malformed(flaw)))?;
    Ok(Some(Timestamp::from_secs(secs)))
}
