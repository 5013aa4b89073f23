//! Whether whoever sends a token may send it: the key or certificate that it is bound to
//! (RFC 7800, RFC 8705, RFC 9449), and what a route or an issuer demands.

use haechi_core::{Credentials, DpopCredentials, Secret, Thumbprint};
use serde_json::{Map, Value};

use crate::cache::Verified;
use crate::jose::{Flaw, TokenError, ensure};
use crate::{Audience, DpopError, DpopRequest, Identity};

/// `cnf` of a token bound to a key (RFC 9449 §6.1).
const KEY: &str = "jkt";
/// `cnf` of a token bound to a certificate (RFC 8705 §3.1).
const CERTIFICATE: &str = "x5t#S256";

/// What a token is bound to: `cnf` (RFC 7800 §3.1). Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// The key that proofs must be made with: `jkt`.
    pub key: Option<Thumbprint>,
    /// The certificate that the sender must prove itself with: `x5t#S256`.
    pub certificate: Option<Thumbprint>,
}

impl Confirmation {
    /// The value of `cnf`, for a token that is issued or spoken about; `None` when it is bound to
    /// nothing.
    #[must_use]
    pub fn claim(&self) -> Option<Value> {
        let bound = [(KEY, self.key), (CERTIFICATE, self.certificate)];
        let stated = |(member, bound): (&str, Option<Thumbprint>)| {
            bound.map(|it| (member.to_owned(), Value::String(it.to_string())))
        };
        let members: Map<String, Value> = bound.into_iter().filter_map(stated).collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }

    /// Reads `cnf` where it stands. Whatever in it is not known here must not be passed over: it
    /// was put there so that a thief cannot use the token.
    pub(crate) fn read(claims: &Value) -> Result<Self, SenderError> {
        const UNKNOWN: SenderError = SenderError::UnknownConfirmation;
        let Some(stated) = claims.get("cnf") else { return Ok(Self::default()) };
        let members = stated.as_object().ok_or(UNKNOWN)?;
        ensure(!members.is_empty(), UNKNOWN)?; // check: cnf says something
        let mut bound = Self::default();
        for (member, value) in members {
            let thumbprint = value.as_str().and_then(Thumbprint::parse).ok_or(UNKNOWN)?;
            match member.as_str() {
                KEY => bound.key = Some(thumbprint),
                CERTIFICATE => bound.certificate = Some(thumbprint),
                _ => return Err(UNKNOWN),
            }
        }
        Ok(bound)
    }
}

/// What a route or an issuer demands of tokens. Whatever it is: a token that is bound to something
/// is only taken from a sender who proves to have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderConstraint {
    /// Nothing: a token may be bound to its sender, or good for whoever has it.
    #[default]
    Optional,
    /// Tokens are bound to a key (DPoP, RFC 9449).
    Dpop,
    /// Tokens are bound to a certificate (mutual TLS, RFC 8705).
    Mtls,
    /// Tokens are bound to one or the other.
    Either,
    /// Tokens are bound to both.
    Both,
}

impl SenderConstraint {
    /// What meets this one and the other.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Optional, it) | (it, Self::Optional) => it,
            (Self::Either, it) | (it, Self::Either) => it,
            (Self::Dpop, Self::Dpop) => Self::Dpop,
            (Self::Mtls, Self::Mtls) => Self::Mtls,
            (Self::Both | Self::Dpop | Self::Mtls, Self::Both | Self::Dpop | Self::Mtls) => {
                Self::Both
            }
        }
    }

    /// Whether a token may come as `Bearer` (RFC 6750): where a key is demanded it may not.
    #[must_use]
    pub const fn admits_bearer(self) -> bool {
        !matches!(self, Self::Dpop | Self::Both)
    }

    /// Whether a token may come as `DPoP`.
    #[must_use]
    pub const fn admits_dpop(self) -> bool {
        !matches!(self, Self::Mtls)
    }

    const fn is_met_by(self, bound: &Confirmation) -> bool {
        let (key, certificate) = (bound.key.is_some(), bound.certificate.is_some());
        match self {
            Self::Optional => true,
            Self::Dpop => key,
            Self::Mtls => certificate,
            Self::Either => key || certificate,
            Self::Both => key && certificate,
        }
    }
}

/// Why a genuine token was not accepted from whoever sent it. No variant carries the token, the
/// proof, or anything out of them.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// `cnf` is malformed, or binds the token to something that cannot be checked here.
    #[error("the token is bound to its sender in a way that is not known here")]
    UnknownConfirmation,
    /// The token is bound to a key and came as `Bearer` (RFC 9449 §7.2).
    #[error("the token is bound to a key and came without a proof of it")]
    ProofMissing,
    /// The token is bound to no key and came as `DPoP` (RFC 9449 §7.1).
    #[error("the token is bound to no key, so it cannot come as `DPoP`")]
    NotBound,
    /// The proof is of another key than the token's.
    #[error("the token is bound to another key than the proof's")]
    WrongKey,
    /// The token is bound to a certificate, and the connection came without one (RFC 8705 §3).
    #[error("the token is bound to a certificate and came without it")]
    CertificateMissing,
    /// The connection's certificate is another than the token's.
    #[error("the token is bound to another certificate than the connection's")]
    WrongCertificate,
    /// The route, or the token's issuer, takes only tokens that are bound as it says.
    #[error("the token is not bound to its sender as this address demands")]
    Demanded(SenderConstraint),
    /// The proof itself was not accepted.
    #[error(transparent)]
    Proof(#[from] DpopError),
}

impl SenderError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownConfirmation => "sender-unknown-confirmation",
            Self::ProofMissing => "sender-proof-missing",
            Self::NotBound => "sender-not-bound",
            Self::WrongKey => "sender-key",
            Self::CertificateMissing => "sender-certificate-missing",
            Self::WrongCertificate => "sender-certificate",
            Self::Demanded(_) => "sender-demanded",
            Self::Proof(error) => error.word(),
        }
    }
}

/// A token, and what its sender shows beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a Secret,
    dpop: Option<&'a DpopCredentials>,
    certificate: Option<Thumbprint>,
}

impl<'a> Presented<'a> {
    /// `None` for credentials that are no token.
    pub(crate) fn of(credentials: &'a Credentials) -> Option<Self> {
        match credentials {
            Credentials::Bearer(token) => Some(Self { token, dpop: None, certificate: None }),
            Credentials::BearerWithCertificate { token, certificate } => {
                Some(Self { token, dpop: None, certificate: Some(*certificate) })
            }
            Credentials::Dpop(it) => {
                Some(Self { token: &it.token, dpop: Some(&**it), certificate: it.certificate })
            }
            _ => None,
        }
    }
}

impl Identity {
    /// Checks that whoever sent a genuine token may use it. Nothing of it is ever remembered: each
    /// request proves itself.
    pub(crate) async fn check_sender(
        &self,
        verified: &Verified,
        presented: Presented<'_>,
        audience: &Audience,
    ) -> Result<(), SenderError> {
        let bound = &verified.confirmation;
        let issuer = verified.source.issuer().and_then(|issuer| self.issuers.get(issuer));
        let by_issuer = issuer.map(|issuer| issuer.config.sender).unwrap_or_default();
        let demanded = audience.sender.and(by_issuer);
        ensure(demanded.is_met_by(bound), SenderError::Demanded(demanded))?; // check: tokens are bound as demanded
        check_certificate(bound, presented.certificate)?;
        match (bound.key, presented.dpop) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(SenderError::ProofMissing),
            (None, Some(_)) => Err(SenderError::NotBound),
            (Some(key), Some(dpop)) => self.check_possession(key, dpop).await,
        }
    }

    /// Checks a proof that comes with a token bound to `key`; it is used up when everything holds.
    async fn check_possession(
        &self,
        key: Thumbprint,
        presented: &DpopCredentials,
    ) -> Result<(), SenderError> {
        let flaw = DpopError::Token(TokenError::Malformed(Flaw::Base64));
        let proof = presented.proof.expose_str().ok_or(flaw)?;
        let request = DpopRequest { proof, method: &presented.method, urls: &presented.urls };
        let now = self.now();
        let proof = self.dpop.check(&request, Some(presented.token.expose()), now)?;
        ensure(proof.thumbprint == key, SenderError::WrongKey)?; // check: the proof's key is the token's
        Ok(self.dpop.spend(&proof, now).await?)
    }
}

fn check_certificate(
    bound: &Confirmation,
    certificate: Option<Thumbprint>,
) -> Result<(), SenderError> {
    let Some(expected) = bound.certificate else { return Ok(()) };
    let shown = certificate.ok_or(SenderError::CertificateMissing)?;
    ensure(shown == expected, SenderError::WrongCertificate)?; // check: the connection's certificate is the token's
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    fn bound(key: bool, certificate: bool) -> Confirmation {
        let thumbprint = |wanted: bool| Thumbprint::parse(TEXT).filter(|_| wanted);
        Confirmation { key: thumbprint(key), certificate: thumbprint(certificate) }
    }

    #[test]
    fn a_confirmation_is_read_as_it_is_written() {
        for it in [bound(false, false), bound(true, false), bound(false, true), bound(true, true)] {
            let claims = it.claim().map_or(json!({}), |cnf| json!({ "cnf": cnf }));
            assert_eq!(Confirmation::read(&claims).unwrap(), it, "{claims}");
        }
        assert_eq!(bound(true, false).claim(), Some(json!({ "jkt": TEXT })));
    }

    #[test]
    fn a_confirmation_of_which_anything_is_unknown_is_none_for_us() {
        for cnf in [
            json!(null),
            json!({}),
            json!([]),
            json!(TEXT),
            json!({ "jkt": 1 }),
            json!({ "jkt": "short" }),
            json!({ "jkt": [TEXT] }),
            json!({ "JKT": TEXT }),
            json!({ "x5t": TEXT }),
            json!({ "kid": "k1" }),
            json!({ "jwk": { "kty": "EC" } }),
            json!({ "jkt": TEXT, "kid": "k1" }),
            json!({ "x5t#S256": format!("{TEXT}=") }),
        ] {
            let read = Confirmation::read(&json!({ "cnf": cnf }));
            assert!(matches!(read, Err(SenderError::UnknownConfirmation)), "{cnf}");
        }
    }

    #[test]
    fn what_meets_two_demands_meets_each_of_them() {
        use SenderConstraint::{Both, Dpop, Either, Mtls, Optional};
        let all = [Optional, Dpop, Mtls, Either, Both];
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            for it in
                [bound(false, false), bound(true, false), bound(false, true), bound(true, true)]
            {
                let each = one.is_met_by(&it) && other.is_met_by(&it);
                assert_eq!(one.and(*other).is_met_by(&it), each, "{one:?} and {other:?}: {it:?}");
            }
        }
    }
}
