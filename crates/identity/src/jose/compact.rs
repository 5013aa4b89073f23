//! The form of a token: three parts, and a header that asks for nothing unusual.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::json::{self, Kind, Limits, Text};

use super::{Algorithm, Flaw, TokenError, ensure};

/// Longer tokens are refused before anything of them is read.
pub const MAX_TOKEN_BYTES: usize = 8 << 10;
/// The longest `kid`, in bytes.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;

/// A token taken apart. Its form is right; nothing of it is proved.
#[derive(Clone, Debug)]
pub struct Compact<'a> {
    /// What the header says.
    pub header: Header,
    /// The second part, decoded.
    pub payload: Vec<u8>,
    /// The first two parts as sent: what the signature is over (RFC 7515 §5.2).
    pub(super) signing_input: &'a [u8],
    /// The third part, decoded.
    pub(super) signature: Vec<u8>,
}

/// The parameters of a header that are read. `jwk`, `jku`, `x5u`, `x5c` and all others are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub key_id: Option<String>,
    /// `typ`, in lower case and without `application/` (RFC 7515 §4.1.9).
    pub kind: Option<String>,
}

impl<'a> Compact<'a> {
    /// Takes `token` apart (RFC 7515 §5.2, steps 1 to 7).
    ///
    /// # Errors
    ///
    /// [`TokenError`] for everything that is not the one accepted form.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        ensure(token.len() <= MAX_TOKEN_BYTES, TokenError::TooLong)?; // check: length of the token
        let flaw = TokenError::Malformed(Flaw::Parts);
        let (signing_input, signature) = token.rsplit_once('.').ok_or(flaw)?;
        let (header, payload) = signing_input.split_once('.').ok_or(flaw)?;
        ensure(!payload.contains('.'), flaw)?; // check: three parts
        Ok(Self {
            header: Header::read(&decode(header)?)?,
            payload: decode(payload)?,
            signing_input: signing_input.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

/// Decodes base64url without padding, white space or stray trailing bits (RFC 7515 §2).
pub(super) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed(Flaw::Base64))
}

impl Header {
    /// Reads the header's JSON; duplicate names at any depth are refused by the strict scanner.
    fn read(bytes: &[u8]) -> Result<Self, TokenError> {
        let flaw = TokenError::Malformed(Flaw::Header);
        let header = json::check(bytes, &Limits::TOKEN).map_err(|_| flaw)?;
        ensure(header.kind() == Kind::Object, flaw)?; // check: header is an object
        let wants = |name| header.member(name).is_some();
        ensure(!wants("crit"), TokenError::CriticalExtension)?; // check: no critical extension
        ensure(!wants("b64"), TokenError::CriticalExtension)?; // check: no unencoded payload
        ensure(!wants("enc"), TokenError::Wrapped)?; // check: not encrypted
        ensure(!wants("zip"), TokenError::Wrapped)?; // check: not compressed
        ensure(!wants("cty"), TokenError::Wrapped)?; // check: no token within
        let algorithm = parameter(header, "alg")?;
        let algorithm = algorithm.ok_or(TokenError::Malformed(Flaw::Parameter))?;
        let algorithm = Algorithm::parse(&algorithm).ok_or(TokenError::AlgorithmNotAccepted)?;
        let key_id = parameter(header, "kid")?;
        let plain = key_id.as_deref().is_none_or(is_key_id);
        ensure(plain, TokenError::Malformed(Flaw::KeyId))?; // check: form of kid
        Ok(Self {
            algorithm,
            key_id,
            kind: parameter(header, "typ")?.map(|kind| plain_type(&kind)),
        })
    }
}

/// A parameter that must be a string where it stands.
fn parameter(header: Text<'_>, name: &str) -> Result<Option<String>, TokenError> {
    let Some(value) = header.member(name) else { return Ok(None) };
    let text = value.string().ok_or(TokenError::Malformed(Flaw::Parameter))?;
    Ok(Some(text.into_owned()))
}

/// Visible ASCII of reasonable length. A key id is only ever compared, never a path or address.
pub(super) fn is_key_id(key_id: &str) -> bool {
    let visible = key_id.bytes().all(|byte| byte.is_ascii_graphic());
    !key_id.is_empty() && key_id.len() <= MAX_KEY_ID_BYTES && visible
}

/// Media types compare without case, and `application/` may be left out.
fn plain_type(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)
}
