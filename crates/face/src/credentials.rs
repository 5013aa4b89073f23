//! `Authorization` (RFC 9110 §11.6.2, RFC 6750 §2.1, RFC 9449 §7.1): the one place where credentials
//! may stand, and the proof that may come beside it.

use haechi_core::{Credentials, DpopCredentials, Secret, Thumbprint};
use haechi_identity::Identity;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response};

use crate::Resource;
use crate::intake;
use crate::problem::TransportError;

/// Where a proof of possession stands (RFC 9449 §4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Where this server gives a nonce for the next proof (RFC 9449 §8).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The longest value that is looked at, in bytes: room for the longest token and its scheme.
const MAX_AUTHORIZATION_BYTES: usize = 8 * 1024 + 16;
/// The longest proof that is looked at, in bytes: room for an RSA key of 8192 bits and a signature.
const MAX_PROOF_BYTES: usize = 8 * 1024;

/// The certificate of the connection's other end, which proved to have its key (RFC 8705): whoever
/// speaks TLS puts it into the extensions of each request. Who signed it is for them to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertificate(
    /// SHA-256 of the certificate in DER form.
    pub Thumbprint,
);

/// The scheme of an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Good for whoever has it, unless it is bound to a certificate (RFC 6750, RFC 8705).
    #[default]
    Bearer,
    /// With a proof (RFC 9449).
    Dpop,
}

impl Scheme {
    /// The scheme that `Authorization` names; `Bearer` where it names another, or none.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let stated = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        stated.and_then(|text| Self::read(split(text).0)).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// Names of schemes compare without case (RFC 9110 §11.1).
    fn read(stated: &str) -> Option<Self> {
        let is = |scheme: &Self| scheme.as_str().eq_ignore_ascii_case(stated);
        [Self::Bearer, Self::Dpop].into_iter().find(is)
    }
}

/// What the request presents to `resource`. A token in the address is never read; one that stands
/// there beside the header is refused, because it has been in a log by now.
///
/// # Errors
///
/// [`TransportError::BadAuthorization`] for two headers or a malformed one,
/// [`TransportError::BadHeader`] for a proof that is missing, malformed or stands twice where one
/// must stand, [`TransportError::QueryToken`].
pub fn read(head: &Parts, resource: &Resource<'_>) -> Result<Credentials, TransportError> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Credentials::Absent) };
    if values.next().is_some() {
        return Err(TransportError::BadAuthorization("it stands twice"));
    }
    if head.uri.query().is_some_and(has_token) {
        return Err(TransportError::QueryToken);
    }
    if value.len() > MAX_AUTHORIZATION_BYTES {
        return Err(TransportError::BadAuthorization("it is too long"));
    }
    let text = value.to_str().map_err(|_| TransportError::BadAuthorization("it is not ASCII"))?;
    let (scheme, token) = token(text)?;
    let certificate = head.extensions.get::<ClientCertificate>().map(|it| it.0);
    Ok(match (scheme, certificate) {
        (Scheme::Bearer, None) => Credentials::Bearer(token),
        (Scheme::Bearer, Some(certificate)) => {
            Credentials::BearerWithCertificate { token, certificate }
        }
        (Scheme::Dpop, certificate) => Credentials::Dpop(Box::new(DpopCredentials {
            token,
            proof: proof(&head.headers)?.ok_or(TransportError::BadHeader("DPoP"))?,
            method: head.method.as_str().to_owned(),
            urls: resource.urls(head.uri.path()),
            certificate,
        })),
    })
}

/// The proof of possession that comes with a request, where one does (RFC 9449 §4.1).
///
/// # Errors
///
/// [`TransportError::BadHeader`] where it stands twice, or cannot be one.
pub fn proof(headers: &HeaderMap) -> Result<Option<Secret>, TransportError> {
    let Some(text) = intake::sole(headers, &DPOP, "DPoP")? else { return Ok(None) };
    let is_proof = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > MAX_PROOF_BYTES || !text.bytes().all(is_proof) {
        return Err(TransportError::BadHeader("DPoP"));
    }
    Ok(Some(Secret::from(text.to_owned())))
}

/// Gives whoever came with a proof the nonce for the next one, where proofs need one (RFC 9449
/// §8.2): so nobody has to be refused first, once a minute.
pub fn renew_nonce<B>(response: &mut Response<B>, request: &HeaderMap, identity: &Identity) {
    if !identity.demands_dpop_nonce() || Scheme::of_headers(request) != Scheme::Dpop {
        return;
    }
    if let Ok(nonce) = HeaderValue::try_from(identity.dpop_nonce()) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn token(text: &str) -> Result<(Scheme, Secret), TransportError> {
    let (scheme, token) = split(text);
    let Some(scheme) = Scheme::read(scheme) else {
        return Err(TransportError::BadAuthorization("its scheme is not `Bearer` or `DPoP`"));
    };
    let token = token.trim_start_matches(' ');
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(TransportError::BadAuthorization("it holds no token"));
    }
    Ok((scheme, Secret::from(token.to_owned())))
}

/// The characters of RFC 6750 §2.1.
const fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
}

#[cfg(test)]
mod tests {
    use haechi_identity::Audience;
    use http::Request;

    use super::*;

    const PROOF: &str = "eyJh.eyJi.c2ln-_";

    fn presented(
        target: &str,
        headers: &[(&str, &str)],
        certificate: Option<ClientCertificate>,
    ) -> Result<Credentials, TransportError> {
        let mut request = Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        certificate.map(|certificate| head.extensions.insert(certificate));
        let audience = Audience::of("https://mcp.example/mcp");
        let resource =
            Resource { audience: &audience, path: "/mcp", scopes: &[], certificates: false };
        read(&head, &resource)
    }

    fn credentials(target: &str, values: &[&str]) -> Result<Credentials, TransportError> {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        presented(target, &headers, None)
    }

    #[test]
    fn one_bearer_token_is_read() {
        for value in ["Bearer abc.def-_~+/=", "bearer abc.def-_~+/=", "BEARER  abc.def-_~+/="] {
            let Ok(Credentials::Bearer(token)) = credentials("/mcp", &[value]) else {
                panic!("{value} was not read");
            };
            assert_eq!(token.expose(), b"abc.def-_~+/=");
        }
        assert!(matches!(credentials("/mcp", &[]), Ok(Credentials::Absent)));
    }

    #[test]
    fn a_token_with_a_proof_is_read_with_what_the_proof_is_about() {
        for scheme in ["DPoP", "dpop", "DPOP"] {
            let authorization = format!("{scheme} abc.def");
            let headers = [("authorization", &*authorization), ("dpop", PROOF)];
            let Ok(Credentials::Dpop(read)) = presented("/mcp?a=b", &headers, None) else {
                panic!("{scheme} was not read");
            };
            assert_eq!(
                (read.token.expose(), read.proof.expose()),
                (&b"abc.def"[..], PROOF.as_bytes())
            );
            assert_eq!(
                (&*read.method, read.urls),
                ("POST", vec!["https://mcp.example/mcp".to_owned()])
            );
            assert!(!format!("{:?}", read.proof).contains("eyJ"));
        }
    }

    #[test]
    fn the_certificate_of_the_connection_comes_along() {
        let certificate = ClientCertificate(Thumbprint([7; 32]));
        let bearer = presented("/mcp", &[("authorization", "Bearer abc")], Some(certificate));
        let Ok(Credentials::BearerWithCertificate { certificate: read, .. }) = bearer else {
            panic!("the certificate is not there");
        };
        assert_eq!(read, certificate.0);
        let headers = [("authorization", "DPoP abc"), ("dpop", PROOF)];
        let Ok(Credentials::Dpop(read)) = presented("/mcp", &headers, Some(certificate)) else {
            panic!("the proof is not there");
        };
        assert_eq!(read.certificate, Some(certificate.0));
        assert!(matches!(presented("/mcp", &[], Some(certificate)), Ok(Credentials::Absent)));
    }

    #[test]
    fn anything_but_one_proof_beside_the_token_is_malformed() {
        let long = "a".repeat(MAX_PROOF_BYTES + 1);
        let cases: [&[&str]; 8] = [
            &[],
            &[PROOF, PROOF],
            &[PROOF, "other.proof.here"],
            &[""],
            &["eyJh.eyJi.c2ln, eyJh.eyJi.c2ln"],
            &["eyJh eyJi"],
            &["eyJh.eyJi.c2ln="],
            &[&long],
        ];
        for proofs in cases {
            let mut headers = vec![("authorization", "DPoP abc")];
            headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
            let read = presented("/mcp", &headers, None);
            assert!(
                matches!(read, Err(TransportError::BadHeader("DPoP"))),
                "{} proofs were read",
                proofs.len()
            );
        }
    }

    #[test]
    fn a_proof_beside_a_bearer_token_proves_nothing() {
        let headers = [("authorization", "Bearer abc"), ("dpop", PROOF)];
        assert!(matches!(presented("/mcp", &headers, None), Ok(Credentials::Bearer(_))));
    }

    #[test]
    fn anything_but_one_token_is_malformed() {
        let long = format!("Bearer {}", "a".repeat(MAX_AUTHORIZATION_BYTES));
        let cases: [&[&str]; 11] = [
            &["Bearer a", "Bearer a"],
            &["Bearer a", "DPoP a"],
            &["Bearer a", "Basic Zm9v"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["DPoP "],
            &["DPoP a b"],
            &["Basic Zm9vOmJhcg=="],
            &[&long],
        ];
        for values in cases {
            assert!(
                matches!(credentials("/mcp", values), Err(TransportError::BadAuthorization(_))),
                "{} values were read",
                values.len()
            );
        }
    }

    #[test]
    fn a_token_in_the_address_is_no_credential() {
        let absent = credentials("/mcp?access_token=abc", &[]);
        assert!(matches!(absent, Ok(Credentials::Absent)));
        for scheme in ["Bearer", "DPoP"] {
            let value = format!("{scheme} abc");
            let headers = [("authorization", &*value), ("dpop", PROOF)];
            let both = presented("/mcp?x=1&access_token=abc", &headers, None);
            assert!(matches!(both, Err(TransportError::QueryToken)), "{scheme}");
        }
        let other = credentials("/mcp?token=abc", &["Bearer abc"]);
        assert!(matches!(other, Ok(Credentials::Bearer(_))));
    }
}
