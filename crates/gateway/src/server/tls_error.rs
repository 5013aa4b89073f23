//! Why certificates and keys cannot be used.

use std::path::PathBuf;

/// Why the certificate or its key cannot be used. The key's content is in no variant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate's file cannot be read as PEM.
    #[error("`{}` holds no certificates in PEM form", .0.display())]
    Certificate(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// The certificate's file is empty of certificates.
    #[error("`{}` holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key's file cannot be read as PEM.
    #[error("`{}` holds no private key in PEM form", .0.display())]
    Key(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// Key and certificate do not belong together, or are of a kind that is not supported.
    #[error("certificate and key do not fit")]
    Mismatch(#[source] rustls::Error),
    /// The handshake failed.
    #[error("the handshake failed")]
    Handshake(#[source] std::io::Error),
}
