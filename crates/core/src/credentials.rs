//! What a caller presents.

use crate::Secret;

/// What a caller presents to say who it is. Nothing here is proved yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing at all.
    Absent,
    /// `Authorization: Bearer …` (RFC 6750 §2.1): an access token or an API key.
    Bearer(Secret),
    /// Username and password, at the sign-in route and nowhere else.
    Password {
        /// As typed.
        username: String,
        /// As typed.
        password: Secret,
    },
    /// The operating-system user that owns this process (`haechi run`).
    OperatingSystemUser {
        /// The numeric user id.
        uid: u32,
        /// The login name, when the system knows one.
        username: Option<String>,
    },
}
