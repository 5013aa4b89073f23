//! From a token taken apart to claims that are proved.

use std::collections::BTreeSet;

use haechi_core::Timestamp;

use super::{Algorithm, ClaimRules, Claims, Compact, KeySet, PublicKey, TokenError, ensure};

/// Verifies the signature, then the claims, in this order: who cannot sign learns nothing of what
/// would be accepted.
///
/// # Errors
///
/// [`TokenError`]: the first check that does not hold.
pub fn verify(
    token: &Compact<'_>,
    keys: &KeySet,
    rules: &ClaimRules<'_>,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    verify_signature(token, keys, rules.algorithms)?;
    Claims::read(token, rules, now)
}

/// Verifies that one of `keys` signed the token with one of the `allowed` algorithms (RFC 7515
/// §5.2 step 8), and answers which.
///
/// The key is chosen by `kid`; without one, only a set with exactly one key for the algorithm
/// will do. The algorithm must be one the issuer may use *and* one this key is for: neither the
/// token nor the key alone decides (RFC 8725 §3.1).
///
/// # Errors
///
/// [`TokenError`] when there is no such key or the signature is not genuine.
pub fn verify_signature<'k>(
    token: &Compact<'_>,
    keys: &'k KeySet,
    allowed: &BTreeSet<Algorithm>,
) -> Result<&'k PublicKey, TokenError> {
    let algorithm = token.header.algorithm;
    ensure(allowed.contains(&algorithm), TokenError::AlgorithmNotAccepted)?; // check: issuer may use alg
    let key = keys.find(token.header.key_id.as_deref(), algorithm).ok_or(TokenError::UnknownKey)?;
    ensure(key.is_for(algorithm), TokenError::AlgorithmNotAccepted)?; // check: key is for alg
    let genuine = key.verifies(algorithm, token.signing_input, &token.signature);
    ensure(genuine, TokenError::BadSignature)?; // check: signature
    Ok(key)
}

/// Verifies that `key`, which came with the token, signed it. That the key is anybody's in
/// particular is for the caller to show.
pub(crate) fn verify_with(token: &Compact<'_>, key: &PublicKey) -> Result<(), TokenError> {
    let algorithm = token.header.algorithm;
    ensure(key.is_for(algorithm), TokenError::AlgorithmNotAccepted)?; // check: a token's own key is for alg
    let genuine = key.verifies(algorithm, token.signing_input, &token.signature);
    ensure(genuine, TokenError::BadSignature)?; // check: signature by a token's own key
    Ok(())
}
