//! TLS 1.2 and 1.3 (RFC 5246, 8446) from files that may change while the gateway runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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

/// A certificate with its key, watched for changes.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    resolver: Arc<Resolver>,
    acceptor: TlsAcceptor,
}

struct Resolver(ArcSwap<CertifiedKey>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads both files: a chain, the server's own certificate first, and its key.
    ///
    /// # Errors
    ///
    /// Every [`TlsError`] but `Handshake`.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(read(certificate, key)?)));
        let versions = [&version::TLS13, &version::TLS12];
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&versions)
            .map_err(TlsError::Mismatch)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { certificate: certificate.into(), key: key.into(), resolver, acceptor })
    }

    /// Reads the files again; handshakes from now on use them.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]; the old certificate stays in force.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.resolver.0.store(Arc::new(read(&self.certificate, &self.key)?));
        Ok(())
    }

    /// Completes a handshake; says whether the peer chose HTTP/2.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, bool), TlsError> {
        let stream = self.acceptor.accept(stream).await.map_err(TlsError::Handshake)?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, http2))
    }

    /// Reloads on SIGHUP and when a file changes, until `stop`.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        let mut seen = self.changed_at();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                _ = ticks.tick() => false,
            };
            let now = self.changed_at();
            if !asked && now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => tracing::info!("certificate and key were read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays in force"),
            }
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let broken = |error| TlsError::Certificate(certificate.into(), error);
    let chain = CertificateDer::pem_file_iter(certificate)
        .map_err(broken)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(broken)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.into()));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key(key.into(), error))?;
    CertifiedKey::from_der(chain, secret, &default_provider()).map_err(TlsError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    }

    fn served(tls: &Tls) -> Vec<u8> {
        tls.resolver.0.load().cert.first().unwrap().to_vec()
    }

    #[test]
    fn a_new_pair_of_files_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write_pair(folder.path(), "one.example");
        let tls = Tls::load(&certificate, &key).unwrap();
        let first = served(&tls);

        write_pair(folder.path(), "two.example");
        tls.reload().unwrap();
        let second = served(&tls);
        assert_ne!(first, second);

        std::fs::write(&certificate, "not a certificate").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::NoCertificate(_))));
        assert_eq!(served(&tls), second, "the old certificate stays in force");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (certificate, _) = write_pair(one.path(), "one.example");
        let (_, key) = write_pair(two.path(), "two.example");
        assert!(matches!(Tls::load(&certificate, &key), Err(TlsError::Mismatch(_))));
    }
}
