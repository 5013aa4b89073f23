//! Where users, keys and revocations are kept.
