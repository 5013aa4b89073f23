//! Whom a TLS connection trusts (RFC 8446).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// The file of extra authorities cannot be read, or is not PEM.
    #[error("`{}` cannot be read as certificates in PEM", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The file of extra authorities holds none.
    #[error("`{}` holds no certificate", .0.display())]
    NoAuthority(PathBuf),
    /// A certificate in it cannot be used, or the cryptography refuses its settings.
    #[error("the trusted authorities cannot be used")]
    Rejected(#[source] rustls::Error),
}

/// TLS 1.2 and newer, trusting the system's authorities and those in `extra`.
pub(crate) fn client_config(extra: Option<&Path>) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let extra = extra.map(authorities).transpose()?.unwrap_or_default();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Rejected)?;
    Ok(match verifier(extra, provider)? {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        None => builder.with_root_certificates(RootCertStore::empty()),
    }
    .with_no_client_auth())
}

/// The system's verifier; `None` where the system has no authorities: then nobody is trusted.
fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Verifier>, TlsSetupError> {
    let has_extra = !extra.is_empty();
    match Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => Ok(Some(verifier)),
        Err(error) if has_extra => Err(TlsSetupError::Rejected(error)),
        Err(error) => {
            tracing::warn!(%error, "no authority is trusted: https calls will fail");
            Ok(None)
        }
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let failed = |source| TlsSetupError::Authorities { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsSetupError::NoAuthority(path.to_owned()));
    }
    Ok(certificates)
}
