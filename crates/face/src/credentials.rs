//! `Authorization` (RFC 9110 §11.6.2, RFC 6750 §2.1): the one place where credentials may stand.

use haechi_core::{Credentials, Secret};
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::problem::TransportError;

/// The longest value that is looked at, in bytes: room for the longest token and its scheme.
const MAX_AUTHORIZATION_BYTES: usize = 8 * 1024 + 16;

/// What the request presents. A token in the address is never read; one that stands there beside
/// the header is refused, because it has been in a log by now.
///
/// # Errors
///
/// [`TransportError::BadAuthorization`] for two headers or a malformed one,
/// [`TransportError::QueryToken`].
pub fn read(head: &Parts) -> Result<Credentials, TransportError> {
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
    bearer(text)
}

fn bearer(text: &str) -> Result<Credentials, TransportError> {
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(TransportError::BadAuthorization("its scheme is not `Bearer`"));
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(TransportError::BadAuthorization("it holds no token"));
    }
    Ok(Credentials::Bearer(Secret::from(token.to_owned())))
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
    use http::Request;

    use super::*;

    fn credentials(target: &str, values: &[&str]) -> Result<Credentials, TransportError> {
        let mut request = Request::builder().uri(target);
        for value in values {
            request = request.header("authorization", *value);
        }
        read(&request.body(()).unwrap().into_parts().0)
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
    fn anything_but_one_bearer_token_is_malformed() {
        let long = format!("Bearer {}", "a".repeat(MAX_AUTHORIZATION_BYTES));
        let cases: [&[&str]; 8] = [
            &["Bearer a", "Bearer a"],
            &["Bearer a", "Basic Zm9v"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a,b"],
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
        let both = credentials("/mcp?x=1&access_token=abc", &["Bearer abc"]);
        assert!(matches!(both, Err(TransportError::QueryToken)));
        let other = credentials("/mcp?token=abc", &["Bearer abc"]);
        assert!(matches!(other, Ok(Credentials::Bearer(_))));
    }
}
