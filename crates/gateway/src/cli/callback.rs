//! One page on this machine, to which a person's browser comes back with an answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::failure::Failure;

/// The longest request that is read, in bytes.
const MAX_HEAD_BYTES: u64 = 32 << 10;
/// How long a browser may take to ask.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
const PATH: &str = "/callback";

/// Listens on a port of this machine for one answer.
#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

impl Callback {
    pub(super) async fn listen() -> Result<Self, Failure> {
        let unusable = |error| Failure::unknown(format!("no port can be listened on: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        Ok(Self { listener, address })
    }

    /// Where the answer goes.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits until a browser brings an answer that is `ours`; others are turned away, and do not end
    /// the waiting.
    pub(super) async fn wait(
        &self,
        limit: Duration,
        ours: impl Fn(&str) -> bool,
        thanks: &str,
    ) -> Result<String, Failure> {
        let waiting = async {
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let visit = tokio::time::timeout(HEAD_LIMIT, self.visit(stream, &ours, thanks));
                if let Ok(Some(query)) = visit.await {
                    return query;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.map_err(|_| {
            Failure::no("nobody came back in time").help("begin anew with the same command")
        })
    }

    async fn visit(
        &self,
        mut stream: TcpStream,
        ours: &impl Fn(&str) -> bool,
        thanks: &str,
    ) -> Option<String> {
        let head = head(&mut stream).await?;
        let query = self.query(&head).filter(|query| ours(query));
        let (status, text) = match query {
            Some(_) => ("200 OK", thanks),
            None => ("404 Not Found", "Not found"),
        };
        let page = page(status, text);
        let written = stream.write_all(page.as_bytes()).await;
        let _gone = written.is_ok() && stream.shutdown().await.is_ok();
        query.map(str::to_owned)
    }

    /// The query of a request for our page, by our name.
    fn query<'h>(&self, head: &'h str) -> Option<&'h str> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let host = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim())
        });
        // Another name for this machine is another site to a browser (DNS rebinding).
        if method != "GET" || host != Some(self.address.to_string().as_str()) {
            return None;
        }
        let (path, query) = target.split_once('?')?;
        (path == PATH).then_some(query)
    }
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(chunk.get(..read)?);
        if bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            return String::from_utf8(bytes).ok();
        }
        if bytes.len() as u64 > MAX_HEAD_BYTES {
            return None;
        }
    }
}

/// Nothing may be loaded by it, kept of it, or told of its address to others.
fn page(status: &str, text: &str) -> String {
    let body = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Haechi</title><p>{text}</p>"
    );
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n\
         referrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
