//! A client's request for authorization, from the moment it holds until it is answered.

use std::collections::BTreeSet;

use haechi_core::Timestamp;
use serde::{Deserialize, Serialize};

/// What a client asks a person for (RFC 6749 §4.1.1), checked. It waits as a ticket while the
/// person signs in and consents; the browser carries the ticket's secret only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interaction {
    /// The client.
    pub(crate) client_id: String,
    /// What it calls itself.
    pub(crate) client_name: String,
    /// How it is known.
    pub(crate) client_kind: ClientKind,
    /// Where the answer goes: one of the client's own, exactly (but for a loopback port).
    pub(crate) redirect_uri: String,
    /// Handed back as it came.
    pub(crate) state: Option<String>,
    /// What for.
    pub(crate) scopes: BTreeSet<String>,
    /// Where (RFC 8707); at least one.
    pub(crate) resources: Vec<String>,
    /// PKCE, S256 (RFC 7636 §4.2).
    pub(crate) code_challenge: String,
    /// For the ID token (OpenID Connect Core §3.1.2.1).
    pub(crate) nonce: Option<String>,
    /// What the person must be asked again.
    pub(crate) prompt: BTreeSet<Prompt>,
    /// How long ago the person may have signed in, in seconds.
    pub(crate) max_age: Option<u64>,
    /// The key its tokens will be bound to (RFC 9449 §10).
    pub(crate) dpop_thumbprint: Option<String>,
    /// Whom the client expects.
    pub(crate) login_hint: Option<String>,
    /// Unix seconds.
    pub(crate) asked_at: u64,
}

/// How a client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientKind {
    /// The operator entered it.
    Registered,
    /// By a metadata document at its own address.
    Document,
    /// It registered itself.
    Dynamic,
}

/// `prompt` (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prompt {
    /// Nothing may be shown.
    None,
    /// Sign in again.
    Login,
    /// Consent again.
    Consent,
    /// Choose who.
    SelectAccount,
}

/// Who sits before the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// An own user.
    pub(crate) user_id: String,
    /// When it proved itself last: to the millisecond, so that what ends all its tokens within the
    /// same second is told apart.
    pub(crate) authenticated_at: Timestamp,
    /// How (`amr`, RFC 8176).
    pub(crate) methods: Vec<String>,
}
