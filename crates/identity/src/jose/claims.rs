//! What a token states (RFC 7519 §4), and what of it must hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Timestamp;
use haechi_core::json::{self, Kind, Limits, Text};

use super::{Algorithm, Compact, Flaw, TokenError, ensure};
use crate::TokenTypes;

/// 9999-12-31T23:59:59Z: later times are mistakes or attacks on arithmetic.
const MAX_NUMERIC_DATE: u64 = 253_402_300_799;
/// The longest `iss`, `jti`, audience or other name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// What must hold of the claims of one issuer's tokens.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRules<'a> {
    /// The only `iss`.
    pub issuer: &'a str,
    /// `aud` must hold one of these; none accepts nothing.
    pub audiences: &'a [String],
    /// Algorithms the issuer may use.
    pub algorithms: &'a BTreeSet<Algorithm>,
    /// Accepted values of `typ`.
    pub types: TokenTypes,
    /// What clocks may differ by.
    pub leeway: Duration,
    /// Accepts what marks an ID token.
    pub accept_id_tokens: bool,
    /// Demands `iat` and `jti`, as own tokens have them.
    pub complete: bool,
}

/// Claims whose token was proved genuine, in time and meant for this gateway.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `aud`.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `jti`.
    pub token_id: Option<String>,
    /// Everything the token states.
    pub all: Arc<serde_json::Value>,
}

/// Reads `iss` without proving anything: it only chooses whose rules and keys the token has to
/// stand up to.
pub(crate) fn claimed_issuer(payload: &[u8]) -> Result<String, TokenError> {
    let claims = object(payload)?;
    name(claims, "iss", Flaw::Issuer)?.ok_or(TokenError::Malformed(Flaw::Issuer))
}

impl Claims {
    /// Reads the claims of a token whose signature was verified, and checks them at `now`.
    pub(super) fn read(
        token: &Compact<'_>,
        rules: &ClaimRules<'_>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        let claims = object(&token.payload)?;
        let kind = token.header.kind.as_deref();
        ensure(is_accepted_type(kind, rules.types), TokenError::WrongType)?; // check: typ
        let issuer = name(claims, "iss", Flaw::Issuer)?;
        ensure(issuer.as_deref() == Some(rules.issuer), TokenError::WrongIssuer)?; // check: iss
        let audiences = audiences(claims)?;
        ensure(meets(&audiences, rules.audiences), TokenError::WrongAudience)?; // check: aud
        let expires_at = time(claims, "exp", Flaw::Expiry)?;
        let expires_at = expires_at.ok_or(TokenError::Malformed(Flaw::Expiry))?;
        check_expiry(expires_at, rules.leeway, now)?;
        let not_before = time(claims, "nbf", Flaw::Time)?;
        check_not_before(not_before, rules.leeway, now)?;
        let issued_at = time(claims, "iat", Flaw::Time)?;
        let future = issued_at.is_some_and(|at| at > now.after(rules.leeway));
        ensure(!future, TokenError::IssuedInFuture)?; // check: iat
        let id_token = ["nonce", "at_hash", "c_hash"].iter().any(|n| claims.member(n).is_some());
        ensure(!id_token || rules.accept_id_tokens, TokenError::IdToken)?; // check: no ID token
        let token_id = name(claims, "jti", Flaw::TokenId)?;
        let lax = !rules.complete;
        ensure(lax || issued_at.is_some(), TokenError::Malformed(Flaw::Time))?; // check: iat stands
        ensure(lax || token_id.is_some(), TokenError::Malformed(Flaw::TokenId))?; // check: jti stands
        let all = Arc::new(claims.to_value());
        Ok(Self { audiences, expires_at, not_before, issued_at, token_id, all })
    }
}

/// Checks the end of a token at `now`. The end is exclusive (RFC 7519 §4.1.4), `leeway` later.
pub(crate) fn check_expiry(
    expires_at: Timestamp,
    leeway: Duration,
    now: Timestamp,
) -> Result<(), TokenError> {
    let end = expires_at.after(leeway);
    ensure(now < end, TokenError::Expired(now.since(expires_at)))?; // check: exp
    Ok(())
}

/// Checks the start of a token at `now`: inclusive, `leeway` earlier.
pub(crate) fn check_not_before(
    not_before: Option<Timestamp>,
    leeway: Duration,
    now: Timestamp,
) -> Result<(), TokenError> {
    let start = not_before.unwrap_or_default();
    let begun = now.after(leeway) >= start;
    ensure(begun, TokenError::NotYetValid(start.since(now)))?; // check: nbf
    Ok(())
}

/// Whether a token for `stated` may be used where one of `accepted` is asked for; exact bytes.
pub(crate) fn meets(stated: &[String], accepted: &[String]) -> bool {
    stated.iter().any(|audience| accepted.contains(audience))
}

fn is_accepted_type(kind: Option<&str>, types: TokenTypes) -> bool {
    match kind {
        Some("at+jwt") => types.at_jwt,
        Some("jwt") => types.jwt,
        Some(_) => false,
        None => types.absent,
    }
}

pub(crate) fn object(payload: &[u8]) -> Result<Text<'_>, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Claims);
    let claims = json::check(payload, &Limits::TOKEN).map_err(|_| flaw)?;
    ensure(claims.kind() == Kind::Object, flaw)?; // check: claims are an object
    Ok(claims)
}

/// A claim that must be a string of reasonable length, and not empty, where it stands.
pub(crate) fn name(
    claims: Text<'_>,
    claim: &str,
    flaw: Flaw,
) -> Result<Option<String>, TokenError> {
    let Some(value) = claims.member(claim) else { return Ok(None) };
    let text = value.string().ok_or(TokenError::Malformed(flaw))?;
    let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES;
    ensure(fits, TokenError::Malformed(flaw))?; // check: length of names
    Ok(Some(text.into_owned()))
}

/// `aud`: a string, or an array of strings with at least one (RFC 7519 §4.1.3).
pub(crate) fn audiences(claims: Text<'_>) -> Result<Vec<String>, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Audience);
    let value = claims.member("aud").ok_or(flaw)?;
    let text = |value: Text<'_>| value.string().map(|text| text.into_owned()).ok_or(flaw);
    match value.kind() {
        Kind::Array => value.elements().map(text).collect(),
        Kind::String | Kind::Object | Kind::Number | Kind::Boolean | Kind::Null => {
            Ok(vec![text(value)?])
        }
    }
}

/// A NumericDate. RFC 7519 §2 would allow fractions; here only whole seconds from 1970 to 9999,
/// written without fraction or exponent, are read, so that no two readers can round differently.
pub(crate) fn time(
    claims: Text<'_>,
    claim: &str,
    flaw: Flaw,
) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.member(claim) else { return Ok(None) };
    let secs = value.unsigned().ok_or(TokenError::Malformed(flaw))?;
    ensure(secs <= MAX_NUMERIC_DATE, TokenError::Malformed(flaw))?; // check: times end in 9999
    Ok(Some(Timestamp::from_secs(secs)))
}
