//! The thumbprint of a JSON Web Key (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::Thumbprint;
use haechi_core::json::{Text, quote};

use crate::jose::KeyError;

/// SHA-256 over the members that make the key what it is, in the order of their names, without
/// white space (RFC 7638 §3.2, RFC 8037 §2).
pub(super) fn thumbprint(jwk: Text<'_>) -> Result<Thumbprint, KeyError> {
    let kind = jwk.member("kty").and_then(Text::string).ok_or(KeyError::Malformed)?;
    let members: &[&str] = match &*kind {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        "OKP" => &["crv", "kty", "x"],
        _ => return Err(KeyError::Unsupported),
    };
    let mut canonical = Vec::with_capacity(members.len());
    for member in members {
        let value = jwk.member(member).and_then(Text::string).ok_or(KeyError::Malformed)?;
        canonical.push(format!("{}:{}", quote(member), quote(&value)));
    }
    let canonical = format!("{{{}}}", canonical.join(","));
    let hash = digest(&SHA256, canonical.as_bytes());
    hash.as_ref().try_into().map(Thumbprint).map_err(|_| KeyError::Malformed)
}

#[cfg(test)]
mod tests {
    use haechi_core::json::{Limits, check};

    use super::*;

    fn of(jwk: &str) -> Result<String, KeyError> {
        let text = check(jwk.as_bytes(), &Limits::TOKEN).unwrap();
        thumbprint(text).map(|thumbprint| thumbprint.to_string())
    }

    /// RFC 7638 §3.1, RFC 8037 §A.3, RFC 9449 §6.1 with the key of §4.2.
    #[test]
    fn the_keys_of_the_standards_have_the_thumbprints_of_the_standards() {
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        assert_eq!(of(rsa).as_deref(), Ok("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        let edwards =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(of(edwards).as_deref(), Ok("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        let curve = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        assert_eq!(of(curve).as_deref(), Ok("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
    }

    #[test]
    fn a_key_without_what_makes_it_one_has_no_thumbprint() {
        for jwk in [r#"{"kty":"EC","crv":"P-256","x":"AA"}"#, r#"{"x":"AA"}"#, r#"{"kty":1}"#] {
            assert_eq!(of(jwk), Err(KeyError::Malformed), "{jwk}");
        }
        assert_eq!(of(r#"{"kty":"oct","k":"AA"}"#), Err(KeyError::Unsupported));
    }
}
