//! What a client presents at an endpoint to say which it is (RFC 6749 §2.3, RFC 7523 §2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::error::ClientError;
use crate::ensure::ensure;

/// The longest header `Authorization` of a client, in bytes.
const MAX_BASIC_BYTES: usize = 8 << 10;
/// The longest `client_id`, in bytes: an address of a metadata document.
pub(crate) const MAX_CLIENT_ID_BYTES: usize = 2048;
/// The longest secret, in bytes; own ones are shorter.
const MAX_SECRET_BYTES: usize = 512;
/// The one `client_assertion_type`.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What stands in the body of a request, each at most once.
#[derive(Clone, Copy, Default)]
pub(crate) struct ClientFields<'a> {
    /// `client_id`.
    pub(crate) client_id: Option<&'a str>,
    /// `client_secret`.
    pub(crate) client_secret: Option<&'a str>,
    /// `client_assertion_type`.
    pub(crate) client_assertion_type: Option<&'a str>,
    /// `client_assertion`.
    pub(crate) client_assertion: Option<&'a str>,
}

impl std::fmt::Debug for ClientFields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFields").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What a client presents; nothing is proved. There is exactly one of each kind.
#[derive(Debug)]
pub(crate) enum ClientCredentials<'a> {
    /// Its name only.
    Named(&'a str),
    /// A secret in the header.
    Basic { client_id: String, secret: Secret },
    /// A secret in the body.
    Post { client_id: &'a str, secret: Secret },
    /// A signed assertion, with the name in the body where it stands there too.
    Assertion { client_id: Option<&'a str>, assertion: &'a str },
}

impl<'a> ClientCredentials<'a> {
    /// Reads what was presented.
    ///
    /// # Errors
    ///
    /// [`ClientError::Missing`], [`ClientError::Several`], [`ClientError::Malformed`].
    pub(crate) fn read(headers: &HeaderMap, fields: ClientFields<'a>) -> Result<Self, ClientError> {
        let basic = basic(headers)?;
        let signed = fields.client_assertion.is_some() || fields.client_assertion_type.is_some();
        let ways = [basic.is_some(), fields.client_secret.is_some(), signed];
        ensure(ways.into_iter().filter(|way| *way).count() <= 1, ClientError::Several)?;
        if let Some((client_id, secret)) = basic {
            let same = fields.client_id.is_none_or(|other| other == client_id);
            ensure(same, ClientError::Several)?;
            return Ok(Self::Basic { client_id, secret });
        }
        if signed {
            let known = fields.client_assertion_type == Some(ASSERTION_TYPE);
            ensure(known, ClientError::Malformed)?;
            let assertion = fields.client_assertion.ok_or(ClientError::Malformed)?;
            let client_id = fields.client_id.map(checked_id).transpose()?;
            return Ok(Self::Assertion { client_id, assertion });
        }
        let client_id = checked_id(fields.client_id.ok_or(ClientError::Missing)?)?;
        match fields.client_secret {
            Some(secret) => {
                let secret = Secret::from(secret.to_owned());
                ensure(fits(&secret), ClientError::Malformed)?;
                Ok(Self::Post { client_id, secret })
            }
            None => Ok(Self::Named(client_id)),
        }
    }
}

fn checked_id(client_id: &str) -> Result<&str, ClientError> {
    ensure(is_client_id(client_id), ClientError::Malformed)?;
    Ok(client_id)
}

/// Visible ASCII and spaces (RFC 6749 appendix A.1), of reasonable length.
pub(crate) fn is_client_id(client_id: &str) -> bool {
    let visible = client_id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    !client_id.is_empty() && client_id.len() <= MAX_CLIENT_ID_BYTES && visible
}

fn fits(secret: &Secret) -> bool {
    !secret.is_empty() && secret.len() <= MAX_SECRET_BYTES
}

/// The header `Authorization` with the scheme Basic: name and secret, each encoded as in a form
/// (RFC 6749 §2.3.1), then joined (RFC 7617 §2). Other schemes prove no client.
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, ClientError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = all.next() else { return Ok(None) };
    ensure(all.next().is_none(), ClientError::Several)?;
    read_basic(header.as_bytes()).map(Some).ok_or(ClientError::Malformed)
}

fn read_basic(header: &[u8]) -> Option<(String, Secret)> {
    if header.len() > MAX_BASIC_BYTES {
        return None;
    }
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (client_id, rest) = decoded.split_at_checked(colon)?;
    let mut client_id = form_decoded(client_id)?;
    let client_id = String::from_utf8(std::mem::take(&mut *client_id)).ok()?;
    let mut secret = form_decoded(rest.get(1..)?)?;
    let secret = Secret::new(std::mem::take(&mut *secret));
    (is_client_id(&client_id) && fits(&secret)).then_some((client_id, secret))
}

/// Decodes one value of `application/x-www-form-urlencoded`; half an escape is none.
fn form_decoded(encoded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // Never grown, so that no copy of a secret stays behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(*bytes.next()?)? << 4 | hexadecimal(*bytes.next()?)?,
            other => *other,
        });
    }
    Some(decoded)
}

const fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
