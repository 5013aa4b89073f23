//! Parameters as strangers send them: in a query or a form, once each, within limits.

use std::fmt;

use http::header::CONTENT_TYPE;
use zeroize::Zeroize;

use crate::{OAuthError, Visit};

/// The most parameters of one request.
const MAX_PARAMETERS: usize = 64;
/// The longest value, in bytes: a signed assertion is the longest.
const MAX_VALUE_BYTES: usize = 16 << 10;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest query, in bytes.
const MAX_QUERY_BYTES: usize = 16 << 10;
/// What may stand several times (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];
/// The most of one of those.
const MAX_REPEATED: usize = 16;

/// Parameters of a request, decoded (`application/x-www-form-urlencoded`). A parameter without a
/// value is as one that was not sent (RFC 6749 §3.1). What is in it may be secret: it is wiped, and
/// shows names only.
pub(crate) struct Form(Vec<(String, String)>);

impl Drop for Form {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// The body of a POST.
    ///
    /// # Errors
    ///
    /// `invalid_request` when it is declared as something else, is no form, names a parameter twice
    /// or exceeds a limit.
    pub(crate) fn of_body(visit: &Visit<'_>) -> Result<Self, OAuthError> {
        let mut types = visit.head.headers.get_all(CONTENT_TYPE).iter();
        let stated = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = stated.split(';').next().unwrap_or_default().trim();
        let form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if !form || types.next().is_some() {
            return Err(OAuthError::request(
                "form-type",
                "the body must be application/x-www-form-urlencoded",
            ));
        }
        let text = std::str::from_utf8(visit.body).map_err(|_| malformed())?;
        Self::parse(text)
    }

    /// The query of the address.
    ///
    /// # Errors
    ///
    /// As [`Form::of_body`].
    pub(crate) fn of_query(visit: &Visit<'_>) -> Result<Self, OAuthError> {
        let query = visit.head.uri.query().unwrap_or_default();
        if query.len() > MAX_QUERY_BYTES {
            return Err(too_much());
        }
        Self::parse(query)
    }

    /// Reads `name=value&…`.
    ///
    /// # Errors
    ///
    /// As [`Form::of_body`].
    pub(crate) fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut form = Self(Vec::new());
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if form.0.len() >= MAX_PARAMETERS {
                return Err(too_much());
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES {
                return Err(too_much());
            }
            let before = form.0.iter().filter(|(known, _)| *known == name).count();
            let most = if REPEATABLE.contains(&name.as_str()) { MAX_REPEATED } else { 1 };
            form.0.push((name, value));
            if before >= most {
                return Err(OAuthError::request(
                    "parameter-repeated",
                    "a parameter stands more than once; send each once",
                ));
            }
        }
        Ok(form)
    }

    /// The value of a parameter that stands once; `None` when absent or empty.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// All values of a parameter, empty ones left out.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    ///
    /// `invalid_request`, which names the parameter: `name` is ours, never a stranger's.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        let missing = || format!("the parameter `{name}` is missing");
        self.one(name).ok_or_else(|| OAuthError::request("parameter-missing", missing()))
    }
}

fn malformed() -> OAuthError {
    OAuthError::request("form-malformed", "the parameters are not urlencoded UTF-8")
}

fn too_much() -> OAuthError {
    OAuthError::request("form-too-large", "there are too many parameters, or one is too long")
}

/// `+` is a space, `%xx` a byte; a lone `%`, a control character or what is no UTF-8 is refused.
fn decode(text: &str) -> Result<String, OAuthError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                u8::try_from(high * 16 + low).map_err(|_| malformed())?
            }
            other => other,
        });
    }
    let text = String::from_utf8(decoded).map_err(|_| malformed())?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(malformed());
    }
    Ok(text)
}

/// Encodes a value for a query (RFC 3986 §2.3: everything but the unreserved).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_twice_is_refused_but_for_what_may() {
        assert_eq!(Form::parse("a=1&b=2").unwrap().one("b"), Some("2"));
        assert!(Form::parse("a=1&a=1").is_err());
        assert!(Form::parse("a=1&%61=1").is_err(), "however it is written");
        let two = Form::parse("resource=x&resource=y").unwrap();
        assert_eq!(two.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        let many = "resource=x&".repeat(17);
        assert!(Form::parse(&many).is_err());
    }

    #[test]
    fn a_parameter_without_a_value_was_not_sent() {
        for text in ["a", "a=", "&&a=&"] {
            assert_eq!(Form::parse(text).unwrap().one("a"), None, "{text}");
        }
        assert!(Form::parse("a").unwrap().required("a").is_err());
    }

    #[test]
    fn what_a_form_holds_does_not_print() {
        let form = Form::parse("client_secret=hidden").unwrap();
        assert_eq!(format!("{form:?}"), r#"["client_secret"]"#);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(name in "[a-z_]{1,20}", value in "[^\\x00-\\x1f\\x7f-\\x9f]{1,200}") {
            let text = format!("{name}={}", encode(&value));
            let form = Form::parse(&text).unwrap();
            prop_assert_eq!(form.one(&name), Some(value.as_str()));
        }

        #[test]
        fn no_text_of_a_stranger_breaks_the_reader(text in ".{0,400}") {
            let _ = Form::parse(&text);
        }
    }
}
