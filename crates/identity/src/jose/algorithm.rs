//! Signature algorithms of JSON Web Signature.

use std::fmt;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
    Ps512,
    /// ECDSA on P-256 with SHA-256, signature as `r ‖ s`.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519 under its older, general name.
    EdDsa,
    /// Ed25519 under its full name (RFC 9864).
    Ed25519,
    /// HMAC with SHA-256: for own tokens only.
    Hs256,
}

impl Algorithm {
    /// Every algorithm a foreign issuer may use.
    pub const ASYMMETRIC: [Self; 11] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
    ];

    /// The algorithm whose registered name is exactly `name`, in exactly this case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let known = |algorithm: &Self| algorithm.as_str() == name;
        Self::ASYMMETRIC.into_iter().chain([Self::Hs256]).find(known)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Hs256 => "HS256",
        }
    }

    /// Whether own tokens may be signed with it.
    #[must_use]
    pub const fn is_for_own_tokens(self) -> bool {
        matches!(self, Self::Es256 | Self::EdDsa | Self::Hs256)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_has_one_spelling() {
        for algorithm in Algorithm::ASYMMETRIC {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for bad in ["none", "None", "NONE", "", "hs256", "RS1", "HS512", "ES256K", "EdDSA "] {
            assert_eq!(Algorithm::parse(bad), None, "{bad}");
        }
    }
}
