//! What settings say about the authorization server, checked when they are read.

use std::time::Duration;

/// How the authorization server works.
#[derive(Clone, Debug)]
pub struct AuthorizationConfig {
    /// `issuer` (RFC 8414 §2): `scheme://host[:port]`, what identity puts in `iss`; its endpoints
    /// lie below it.
    pub issuer: String,
    /// What can be asked for, with what a person is told of it.
    pub scopes: Vec<Scope>,
    /// How long an access token is good.
    pub access_lifetime: Duration,
    /// How long a refresh token is good if it is not used.
    pub refresh_idle: Duration,
    /// How long a grant is good whatever is refreshed.
    pub grant_lifetime: Duration,
    /// How long a code is good (RFC 6749 §4.1.2: short; RFC 9700: once).
    pub code_lifetime: Duration,
    /// How long a replaced refresh token is still taken, for answers that were lost.
    pub refresh_grace: Duration,
    /// How long a person stays signed in, at the longest and without use.
    pub session_lifetime: Duration,
    /// The same, without use.
    pub session_idle: Duration,
    /// Whether clients may be known by the address of a metadata document (CIMD).
    pub metadata_documents: bool,
    /// Hosts whose metadata documents are taken; empty: all.
    pub document_hosts: Vec<String>,
    /// Whether metadata documents and key sets of clients may lie on this machine, over http too:
    /// for development and tests. What reads them must reach that far as well.
    pub dangerous_loopback_documents: bool,
    /// Who may register by itself (RFC 7591).
    pub dynamic_registration: Dynamic,
    /// Whether everybody needs a second factor, and is led to make one.
    pub second_factor_required: bool,
    /// Issuers whose identity assertions (ID-JAG) are taken for tokens, as `[[issuer]]` knows them.
    pub assertion_issuers: Vec<String>,
    /// Issuers whose access tokens are exchanged here (RFC 8693) for persons known by their sign-in
    /// there, as `[[issuer]]` knows them; own tokens always are.
    pub exchange_issuers: Vec<String>,
}

/// Who may register a client by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamic {
    /// Nobody: the endpoint is not there.
    Off,
    /// Whoever comes, bounded in number and age.
    Open,
}

/// What a token can be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedResource {
    /// Its addresses (RFC 8707 §2) by each of our names, the one to show first.
    pub uris: Vec<String>,
    /// What people call it: the upstream's name; empty for all of them together.
    pub name: String,
    /// The scopes a newcomer should ask for.
    pub scopes: Vec<String>,
}

/// One scope, and what a person is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name (RFC 6749 §3.3).
    pub name: String,
    /// For an English reader.
    pub english: Option<String>,
    /// For a Korean reader.
    pub korean: Option<String>,
}
