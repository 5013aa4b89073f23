//! Identity from outside: attacks, vectors, sign-in, keys, revocation.

mod administration;
mod api_keys;
mod assertion;
mod attacks;
mod foreign;
mod jwk;
mod own_tokens;
mod properties;
mod revocation;
mod sign_in;
mod support;
mod vectors;
