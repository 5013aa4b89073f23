//! Identity from outside: attacks, vectors, sign-in, keys, revocation.
#![cfg(test)]
#![expect(
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "tests cut ASCII texts and numbers they made themselves"
)]

mod administration;
mod api_keys;
mod assertion;
mod attacks;
mod dpop;
mod foreign;
mod form_attacks;
mod gateway;
mod grants;
mod id_token;
mod jwk;
mod key_turns;
mod opaque;
mod own_tokens;
mod passkeys;
mod properties;
mod revocation;
mod sign_in;
mod support;
mod vectors;
