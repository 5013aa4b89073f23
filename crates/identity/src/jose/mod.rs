//! The strict reader of compact JSON Web Signatures (RFC 7515, RFC 7519, RFC 8725).
//!
//! There is no encryption, no JSON serialisation, no unencoded payload and no key that a token
//! brings along. Public because vectors and other readers are held against it.
//!
//! Every check is one statement on one line, `ensure(…)?;`, and names what holds: a test run may
//! delete any such line, and some test must then fail.

mod algorithm;
mod claims;
mod compact;
mod error;
mod jwk;
mod key_set;
mod roca;
mod sign;
mod verify;

pub use algorithm::Algorithm;
pub use claims::{ClaimRules, Claims};
pub(crate) use claims::{MAX_NAME_BYTES, claimed_issuer, meets};
pub(crate) use claims::{audiences, check_expiry, check_not_before, name, object, time};
pub use compact::{Compact, Header, MAX_TOKEN_BYTES};
pub use error::{Flaw, TokenError};
pub use jwk::{KeyError, PublicKey};
pub use key_set::{KeySet, KeySetError};
pub use sign::{SigningError, SigningKey};
pub(crate) use verify::verify_with;
pub use verify::{verify, verify_signature};

/// Goes on when `holds`, and refuses with `otherwise` when not.
pub(crate) fn ensure<E>(holds: bool, otherwise: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(otherwise) }
}
