//! TLS 1.2 and 1.3 (RFC 5246, 8446) from files that may change while the gateway runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use haechi_assembly::settings::{ClientCertificates, TlsFiles};
use haechi_face::credentials::ClientCertificate;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::clients;
use super::tls_error::TlsError;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A certificate with its key, and whom clients must be vouched for by, watched for changes.
pub(crate) struct Tls {
    files: TlsFiles,
    resolver: Arc<Resolver>,
    acceptor: ArcSwap<TlsAcceptor>,
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
    /// Reads the files: a chain, the server's own certificate first, its key, and those who sign
    /// certificates of clients, where clients are asked for any.
    ///
    /// # Errors
    ///
    /// Every [`TlsError`] but `Handshake`.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let pair = read(&files.certificate, &files.key)?;
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(pair)));
        let acceptor = ArcSwap::from_pointee(acceptor(files, &resolver)?);
        Ok(Self { files: files.clone(), resolver, acceptor })
    }

    /// Reads the files again; handshakes from now on use them.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]; what was read before stays in force.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let pair = read(&self.files.certificate, &self.files.key)?;
        let acceptor = acceptor(&self.files, &self.resolver)?;
        self.resolver.0.store(Arc::new(pair));
        self.acceptor.store(Arc::new(acceptor));
        Ok(())
    }

    /// Completes a handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Accepted, TlsError> {
        let acceptor = self.acceptor.load_full();
        let stream = acceptor.accept(stream).await.map_err(TlsError::Handshake)?;
        let connection = stream.get_ref().1;
        let http2 = connection.alpn_protocol() == Some(b"h2");
        let certificate = clients::shown(connection.peer_certificates());
        Ok(Accepted { stream, http2, certificate })
    }

    /// Reloads on SIGHUP and when a file changes, until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
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
                Ok(()) => tracing::info!("certificates and key were read again"),
                Err(error) => tracing::error!(%error, "the old certificates stay in force"),
            }
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 3] {
        let authorities = match &self.files.clients {
            Some(ClientCertificates::SignedBy(file)) => Some(file),
            Some(ClientCertificates::SelfSigned) | None => None,
        };
        [Some(&self.files.certificate), Some(&self.files.key), authorities].map(|path| {
            path.and_then(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
        })
    }
}

/// A connection whose handshake is complete.
pub(crate) struct Accepted {
    pub(crate) stream: TlsStream<TcpStream>,
    /// Whether the peer chose HTTP/2.
    pub(crate) http2: bool,
    /// What it proved to have the key of.
    pub(crate) certificate: Option<ClientCertificate>,
}

fn acceptor(files: &TlsFiles, resolver: &Arc<Resolver>) -> Result<TlsAcceptor, TlsError> {
    let versions = [&version::TLS13, &version::TLS12];
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&versions)
        .map_err(TlsError::Mismatch)?;
    let config = match &files.clients {
        Some(clients) => config.with_client_cert_verifier(clients::verifier(clients)?),
        None => config.with_no_client_auth(),
    };
    let resolver = Arc::clone(resolver) as Arc<dyn ResolvesServerCert>;
    let mut config = config.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if files.clients.is_some() {
        // A session that is taken up again brings its certificate along unchecked.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
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

    fn write_pair(folder: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        TlsFiles { certificate, key, clients: None }
    }

    fn served(tls: &Tls) -> Vec<u8> {
        tls.resolver.0.load().cert.first().unwrap().to_vec()
    }

    #[test]
    fn a_new_pair_of_files_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path(), "one.example");
        let tls = Tls::load(&files).unwrap();
        let first = served(&tls);

        write_pair(folder.path(), "two.example");
        tls.reload().unwrap();
        let second = served(&tls);
        assert_ne!(first, second);

        std::fs::write(&files.certificate, "not a certificate").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::NoCertificate(_))));
        assert_eq!(served(&tls), second, "the old certificate stays in force");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = write_pair(one.path(), "one.example");
        let key = write_pair(two.path(), "two.example").key;
        assert!(matches!(Tls::load(&TlsFiles { key, ..files }), Err(TlsError::Mismatch(_))));
    }

    #[test]
    fn a_file_without_authorities_is_refused_and_leaves_the_old_ones_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path(), "one.example");
        let authorities = folder.path().join("clients.pem");
        let clients = Some(ClientCertificates::SignedBy(authorities.clone()));
        let files = TlsFiles { clients, ..files };
        assert!(matches!(Tls::load(&files), Err(TlsError::Certificate(..))), "there is no file");
        std::fs::copy(&files.certificate, &authorities).unwrap();
        let tls = Tls::load(&files).unwrap();
        let before = tls.acceptor.load_full();
        std::fs::write(&authorities, "").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::NoCertificate(_))));
        assert!(Arc::ptr_eq(&before, &tls.acceptor.load_full()));
    }
}
