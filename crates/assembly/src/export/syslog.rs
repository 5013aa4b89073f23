//! A receiver of syslog: TLS (RFC 5425), and by the operator's word TCP and UDP.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use haechi_audit::export::{Line, Receipt, Sink, SinkError};
use haechi_outbound::{Dialer, Duplex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use crate::settings::{SyslogDestination, SyslogTransport};

/// How long a receiver may take to read everything and close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends messages to a receiver of syslog.
///
/// Syslog has no confirmation of its own: what was written may still be lost in the buffers of two
/// machines. So each batch has a connection of its own, which is closed when everything is written
/// (RFC 5425 §4.4): a receiver that answers by closing has read all of it. A connection that breaks
/// otherwise confirms nothing. By UDP there is no confirmation at all.
#[derive(Debug)]
pub(super) struct SyslogSink {
    to: SyslogDestination,
    dialer: Dialer,
}

impl SyslogSink {
    pub(super) fn new(to: &SyslogDestination, dialer: Dialer) -> Self {
        Self { to: to.clone(), dialer }
    }

    /// Certificate and key are read each time: whoever renews them needs to do nothing here.
    async fn dialer(&self) -> io::Result<Dialer> {
        let dialer = self.dialer.clone();
        let Some((certificate, key)) = self.to.proof.clone() else { return Ok(dialer) };
        let proving = tokio::task::spawn_blocking(move || dialer.proving(&certificate, &key));
        proving.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

#[async_trait]
impl Sink for SyslogSink {
    async fn send(&mut self, lines: &[Line]) -> Result<Receipt, SinkError> {
        let (host, port) = (&*self.to.host, self.to.port);
        let unreachable = |error: io::Error| SinkError::Unreachable(error.into());
        let stream = match self.to.transport {
            SyslogTransport::Tls => match self.dialer().await {
                Ok(dialer) => dialer.tls(host, port).await,
                Err(error) => Err(error),
            },
            SyslogTransport::DangerousTcp => self.dialer.dangerous_plain(host, port).await,
            SyslogTransport::DangerousUdp => return datagrams(host, port, lines).await,
        };
        let stream = stream.map_err(unreachable)?;
        let delivered = tokio::time::timeout(CLOSE_TIMEOUT, deliver(stream, &frames(lines))).await;
        delivered
            .map_err(|_| SinkError::TimedOut(CLOSE_TIMEOUT))?
            .map_err(|error| SinkError::Broken(error.into()))?;
        Ok(Receipt::default())
    }
}

/// Octet counting (RFC 5425 §4.3, RFC 6587 §3.4.1): a message may hold anything.
fn frames(lines: &[Line]) -> Vec<u8> {
    let mut frames = Vec::new();
    for line in lines {
        frames.extend_from_slice(line.text.len().to_string().as_bytes());
        frames.push(b' ');
        frames.extend_from_slice(line.text.as_bytes());
    }
    frames
}

/// Writes everything, closes, and waits until the other side has closed.
///
/// By TLS its end must be a `close_notify`: a connection that merely ends may have been refused, as
/// when the receiver wanted a certificate (in TLS 1.3 it says so after everything was written). With
/// something unread the system resets a connection in place of ending it.
async fn deliver(mut stream: Box<dyn Duplex>, frames: &[u8]) -> io::Result<()> {
    stream.write_all(frames).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    let mut ignored = [0; 4096];
    loop {
        match stream.read(&mut ignored).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// One message each (RFC 5426). What is too large for a datagram is refused for good.
async fn datagrams(host: &str, port: u16, lines: &[Line]) -> Result<Receipt, SinkError> {
    let unreachable = |error: io::Error| SinkError::Unreachable(error.into());
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(unreachable)?;
    let missing = || SinkError::Unreachable("the name has no address".into());
    let address = found.next().ok_or_else(missing)?;
    let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
    socket.connect(address).await.map_err(unreachable)?;
    let mut refused = 0;
    for line in lines {
        match socket.send(line.text.as_bytes()).await {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(EMSGSIZE) => refused += 1,
            Err(error) => return Err(SinkError::Broken(error.into())),
        }
    }
    Ok(Receipt { refused })
}

/// The message is too long, on every system that this runs on.
#[cfg(target_os = "linux")]
const EMSGSIZE: i32 = 90;
#[cfg(not(target_os = "linux"))]
const EMSGSIZE: i32 = 40;

#[cfg(test)]
mod tests {
    use haechi_core::Timestamp;
    use haechi_outbound::{Outbound, OutboundConfig};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn sink(transport: SyslogTransport, port: u16) -> SyslogSink {
        let to = SyslogDestination { transport, host: "127.0.0.1".to_owned(), port, proof: None };
        SyslogSink::new(&to, Outbound::new(OutboundConfig::default()).unwrap().dialer())
    }

    fn lines(count: usize, size: usize) -> Vec<Line> {
        vec![Line { text: format!("<110>1 {}\u{d574}", "x".repeat(size)), at: Timestamp(1) }; count]
    }

    async fn receiver() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    async fn read_all(mut stream: TcpStream) -> Vec<u8> {
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn a_receiver_that_read_everything_and_closed_has_confirmed() {
        let (listener, port) = receiver().await;
        let receiving =
            tokio::spawn(async move { read_all(listener.accept().await.unwrap().0).await });
        let lines = lines(3, 5);
        sink(SyslogTransport::DangerousTcp, port).send(&lines).await.unwrap();
        let expected = format!("15 {0}15 {0}15 {0}", lines[0].text);
        assert_eq!(receiving.await.unwrap(), expected.as_bytes());
    }

    #[tokio::test]
    async fn a_receiver_that_went_away_with_something_unread_has_not() {
        let (listener, port) = receiver().await;
        let receiving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 10]).await.unwrap();
            // Time for more to come, which nobody reads.
            tokio::time::sleep(Duration::from_millis(50)).await;
        });
        let sent = sink(SyslogTransport::DangerousTcp, port).send(&lines(3, 2000)).await;
        assert!(matches!(sent, Err(SinkError::Broken(_))), "{sent:?}");
        receiving.await.unwrap();
        let gone = sink(SyslogTransport::DangerousTcp, port).send(&lines(1, 5)).await;
        assert!(matches!(gone, Err(SinkError::Unreachable(_))), "{gone:?}");
    }

    #[tokio::test]
    async fn a_receiver_without_tls_gets_nothing_in_clear() {
        let (listener, port) = receiver().await;
        let receiving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 512];
            let length = stream.read(&mut read).await.unwrap();
            stream.write_all(b"220 hello\r\n").await.unwrap();
            read.truncate(length);
            read
        });
        let sent = sink(SyslogTransport::Tls, port).send(&lines(1, 5)).await;
        assert!(matches!(sent, Err(SinkError::Unreachable(_))), "{sent:?}");
        let read = receiving.await.unwrap();
        assert!(!read.windows(4).any(|window| window == b"xxxx"));
    }

    #[tokio::test]
    async fn datagrams_leave_one_by_one_and_what_fits_none_is_refused() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = receiver.local_addr().unwrap().port();
        let mut all = lines(2, 5);
        all.extend(lines(1, 70_000));
        let receipt = sink(SyslogTransport::DangerousUdp, port).send(&all).await.unwrap();
        assert_eq!(receipt.refused, 1);
        let mut read = vec![0; 100];
        let length = receiver.recv(&mut read).await.unwrap();
        assert_eq!(&read[..length], all[0].text.as_bytes());
    }
}
