//! Keys ready for use, one form for each purpose.

use haechi_core::VaultPurpose;
use zeroize::Zeroizing;

use crate::aead::SealingKey;
use crate::derive::Refused;
use crate::deterministic::SivKey;
use crate::fernet::FernetKey;
use crate::format::FormatKey;
use crate::mac::MacKey;

/// A key ready for use.
#[derive(Debug)]
pub(crate) enum WorkingKey {
    /// Seals with a nonce.
    Sealing(SealingKey),
    /// Seals the same value to the same text.
    Siv(Box<SivKey>),
    /// Makes digests.
    Mac(MacKey),
    /// Makes values of the same form.
    Format(FormatKey),
    /// Reads Fernet tokens.
    Fernet(FernetKey),
}

impl WorkingKey {
    /// The key that `secret` gives for `purpose`; with `person`, one that needs that secret too.
    pub(crate) fn new(
        purpose: VaultPurpose,
        secret: &[u8],
        person: Option<&[u8]>,
    ) -> Result<Self, Refused> {
        let mut both = Zeroizing::new(secret.to_vec());
        both.extend_from_slice(person.unwrap_or_default());
        let label = purpose.as_str().as_bytes();
        Ok(match purpose {
            VaultPurpose::Wrap | VaultPurpose::Seal | VaultPurpose::Token => {
                Self::Sealing(SealingKey::new(&both, label)?)
            }
            VaultPurpose::SameToken => Self::Siv(Box::new(SivKey::new(&both)?)),
            VaultPurpose::Hash | VaultPurpose::Index => Self::Mac(MacKey::new(&both, label)?),
            VaultPurpose::Format => Self::Format(FormatKey::new(&both)?),
            // The key is as it was imported.
            VaultPurpose::Fernet => Self::Fernet(FernetKey::new(secret)?),
        })
    }

    pub(crate) const fn sealing(&self) -> Result<&SealingKey, Refused> {
        if let Self::Sealing(key) = self { Ok(key) } else { Err(Refused) }
    }

    pub(crate) fn siv(&self) -> Result<&SivKey, Refused> {
        if let Self::Siv(key) = self { Ok(key) } else { Err(Refused) }
    }

    pub(crate) const fn mac(&self) -> Result<&MacKey, Refused> {
        if let Self::Mac(key) = self { Ok(key) } else { Err(Refused) }
    }

    pub(crate) const fn format(&self) -> Result<&FormatKey, Refused> {
        if let Self::Format(key) = self { Ok(key) } else { Err(Refused) }
    }

    pub(crate) const fn fernet(&self) -> Result<&FernetKey, Refused> {
        if let Self::Fernet(key) = self { Ok(key) } else { Err(Refused) }
    }
}
