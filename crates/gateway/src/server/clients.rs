//! Certificates that clients may show (RFC 8705): asked for, never demanded. Who comes without one
//! may hold a token that is bound to none.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use haechi_assembly::settings::ClientCertificates;
use haechi_core::Thumbprint;
use haechi_face::credentials::ClientCertificate;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::tls_error::TlsError;

/// Who judges what clients show.
pub(super) fn verifier(
    wanted: &ClientCertificates,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    match wanted {
        ClientCertificates::SignedBy(file) => signed_by(file),
        ClientCertificates::SelfSigned => {
            Ok(Arc::new(AnyKey(default_provider().signature_verification_algorithms)))
        }
    }
}

fn signed_by(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let broken = |error| TlsError::Certificate(file.into(), error);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(broken)? {
        roots.add(certificate.map_err(broken)?).map_err(TlsError::Mismatch)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(file.into()));
    }
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.allow_unauthenticated().build();
    verifier.map_err(|_| TlsError::NoCertificate(file.into()))
}

/// What goes along with each request of a connection.
pub(super) fn shown(chain: Option<&[CertificateDer<'_>]>) -> Option<ClientCertificate> {
    let leaf = chain?.first()?;
    let hash = digest(&SHA256, leaf);
    hash.as_ref().try_into().ok().map(Thumbprint).map(ClientCertificate)
}

/// Takes every certificate whose key the client proves to have: a token that is bound to one names
/// the very certificate, so nobody has to vouch for it (RFC 8705 §2.2, §7.2).
#[derive(Debug)]
struct AnyKey(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
