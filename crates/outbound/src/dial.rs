//! Connections that carry something else than HTTP, to addresses the operator chose.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Something that can be written to and read from.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes such connections. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Dialer {
    pub(crate) fn new(tls: &Arc<rustls::ClientConfig>, timeout: Duration) -> Self {
        Self { tls: Arc::clone(tls), timeout }
    }

    /// The same, proving to servers who this is by the certificates in `certificate` and the key in
    /// `key`, both PEM. Blocks while it reads them.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when they cannot be read, or do not belong together.
    pub fn proving(&self, certificate: &Path, key: &Path) -> io::Result<Self> {
        let chain = CertificateDer::pem_file_iter(certificate).map_err(io::Error::other)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
        let proof = CertifiedKey::from_der(chain, key, self.tls.crypto_provider());
        let proof = SingleCertAndKey::from(proof.map_err(io::Error::other)?);
        let mut tls = rustls::ClientConfig::clone(&self.tls);
        tls.client_auth_cert_resolver = Arc::new(proof);
        // A session that began without this proof must not stand in for it.
        tls.resumption = Resumption::disabled();
        Ok(Self { tls: Arc::new(tls), timeout: self.timeout })
    }

    /// A connection by TLS, to a server that proves it is `host` by an authority that is trusted.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when there is none within the time for it.
    pub async fn tls(&self, host: &str, port: u16) -> io::Result<Box<dyn Duplex>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.within(async {
            let stream = tcp(host, port).await?;
            let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
        .await
    }

    /// A connection that anybody on the way can read and change.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when there is none within the time for it.
    pub async fn dangerous_plain(&self, host: &str, port: u16) -> io::Result<Box<dyn Duplex>> {
        self.within(async { Ok(Box::new(tcp(host, port).await?) as Box<dyn Duplex>) }).await
    }

    async fn within<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| Err(late()))
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
