//! The strict reader of compact JSON Web Signatures (RFC 7515, RFC 7519, RFC 8725).
//!
//! There is no encryption, no JSON serialisation, no unencoded payload and no key that a token
//! brings along. Public because vectors and other readers are held against it.

mod algorithm;
mod error;

pub use algorithm::Algorithm;
pub use error::{Flaw, TokenError};

/// Longer tokens are refused before anything of them is read.
pub const MAX_TOKEN_BYTES: usize = 8 << 10;
