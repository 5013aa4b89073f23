//! One proof, read and checked (RFC 9449 §4.3).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::json::{self, Limits, Text};
use haechi_core::{Thumbprint, Timestamp};

use super::thumbprint::thumbprint;
use super::{DpopError, DpopRequest, target};
use crate::jose::{
    Algorithm, Compact, Flaw, KeyError, MAX_NAME_BYTES, PublicKey, TokenError, check_expiry,
    check_not_before, ensure, name, object, time, verify_with,
};

/// `typ` of a proof.
const PROOF_TYPE: &str = "dpop+jwt";

/// Under what rules a proof stands.
pub(super) struct Rules {
    pub(super) max_age: Duration,
    pub(super) leeway: Duration,
    pub(super) now: Timestamp,
}

/// A proof that holds, as far as it says itself: whether it is the first use, whether its nonce is
/// ours, and whose token its key is for, is for others to ask.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Whose key it is.
    pub(crate) thumbprint: Thumbprint,
    /// SHA-256 of `jti`.
    pub(super) identifier: [u8; 32],
    pub(super) issued_at: Timestamp,
    pub(super) nonce: Option<String>,
}

impl Proof {
    /// The signature comes before the claims: who cannot sign learns nothing of what would be
    /// accepted.
    pub(super) fn read(
        request: &DpopRequest<'_>,
        token: Option<&[u8]>,
        rules: &Rules,
    ) -> Result<Self, DpopError> {
        let proof = Compact::parse(request.proof)?;
        let is_proof = proof.header.kind.as_deref() == Some(PROOF_TYPE);
        ensure(is_proof, DpopError::WrongType)?; // check: typ of a proof
        let asymmetric = proof.header.algorithm != Algorithm::Hs256;
        ensure(asymmetric, TokenError::AlgorithmNotAccepted)?; // check: a proof's alg is asymmetric
        let (key, thumbprint) = own_key(request.proof)?;
        verify_with(&proof, &key)?;
        let claims = object(&proof.payload)?;
        check_target(claims, request)?;
        let issued_at = check_times(claims, rules)?;
        check_token(claims, token)?;
        let identifier = identifier(claims)?;
        let nonce = name(claims, "nonce", Flaw::Claim)?;
        Ok(Self { thumbprint, identifier, issued_at, nonce })
    }
}

/// The public key in the header (RFC 9449 §4.2); no other place is ever looked into for one.
fn own_key(proof: &str) -> Result<(PublicKey, Thumbprint), DpopError> {
    let flaw = TokenError::Malformed(Flaw::Header);
    let (header, _) = proof.split_once('.').ok_or(TokenError::Malformed(Flaw::Parts))?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| flaw)?;
    let header = json::check(&header, &Limits::TOKEN).map_err(|_| flaw)?;
    let jwk = header.member("jwk").ok_or(KeyError::Malformed)?;
    Ok((PublicKey::from_jwk(jwk, false)?, thumbprint(jwk)?))
}

/// `htm` is compared with case (RFC 9110 §9.1); `htu` by what it means.
fn check_target(claims: Text<'_>, request: &DpopRequest<'_>) -> Result<(), DpopError> {
    let method = claims.member("htm").and_then(Text::string);
    let same = method.as_deref() == Some(request.method);
    ensure(same, DpopError::WrongMethod)?; // check: htm
    let url = claims.member("htu").and_then(Text::string);
    let same = url.is_some_and(|url| target::is_one_of(&url, request.urls));
    ensure(same, DpopError::WrongUrl)?; // check: htu
    Ok(())
}

/// `iat` must stand; what else limits the proof in time must hold where it stands.
fn check_times(claims: Text<'_>, rules: &Rules) -> Result<Timestamp, DpopError> {
    let Rules { max_age, leeway, now } = *rules;
    let issued_at = time(claims, "iat", Flaw::Time)?.ok_or(TokenError::Malformed(Flaw::Time))?;
    ensure(issued_at <= now.after(leeway), DpopError::FromFuture)?; // check: a proof's iat is not ahead
    let fresh = now <= issued_at.after(max_age).after(leeway);
    ensure(fresh, DpopError::TooOld)?; // check: a proof's iat is fresh
    if let Some(expires_at) = time(claims, "exp", Flaw::Expiry)? {
        check_expiry(expires_at, leeway, now)?;
    }
    check_not_before(time(claims, "nbf", Flaw::Time)?, leeway, now)?;
    Ok(issued_at)
}

/// `ath`: the hash of the token that comes along (RFC 9449 §4.2). Without a token it says nothing.
fn check_token(claims: Text<'_>, token: Option<&[u8]>) -> Result<(), DpopError> {
    let Some(token) = token else { return Ok(()) };
    let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, token));
    let stated = claims.member("ath").and_then(Text::string);
    let same = stated.as_deref() == Some(&*expected);
    ensure(same, DpopError::WrongToken)?; // check: ath
    Ok(())
}

/// `jti`, hashed: what a stranger chose is not kept.
fn identifier(claims: Text<'_>) -> Result<[u8; 32], DpopError> {
    let stated = claims.member("jti").and_then(Text::string);
    let stated = stated.filter(|id| !id.is_empty() && id.len() <= MAX_NAME_BYTES);
    let stated = stated.ok_or(DpopError::NoIdentifier)?;
    let hash = digest(&SHA256, stated.as_bytes());
    hash.as_ref().try_into().map_err(|_| DpopError::NoIdentifier)
}
