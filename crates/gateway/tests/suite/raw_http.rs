//! HTTP/1.1 by hand, so that tests can also send what no client would.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here takes longer unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The head of an answer, and its body when it has a length.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The code of a JSON-RPC error; 0 when there is none.
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Sends exactly these bytes. A peer that closes meanwhile is no error here.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Closes the sending half.
    pub(crate) async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// One answer with its whole body; `None` when the peer closed without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head().await?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                answer.body.push_str(&chunk);
            }
        } else {
            let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
            answer.body = self.take(length).await?;
        }
        Some(answer)
    }

    /// The head of an answer.
    pub(crate) async fn head(&mut self) -> Option<Answer> {
        let end = loop {
            let found = self.read.windows(4).position(|window| window == b"\r\n\r\n");
            match found {
                Some(end) => break end + 4,
                None => self.more().await.then_some(())?,
            }
        };
        let head = self.take(end).await?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Some(Answer { status, headers: headers.collect(), body: String::new() })
    }

    /// The next chunk; `None` at the end, also an early one.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let end = loop {
            match self.read.windows(2).position(|window| window == b"\r\n") {
                Some(end) => break end,
                None => self.more().await.then_some(())?,
            }
        };
        let size = self.take(end + 2).await?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let chunk = self.take(size + 2).await?;
        chunk.strip_suffix("\r\n").filter(|_| size > 0).map(str::to_owned)
    }

    /// Reads chunks until one contains `text`, and gives everything that was read.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while let Some(chunk) = self.chunk().await {
            all.push_str(&chunk);
            if all.contains(text) {
                return all;
            }
        }
        panic!("`{text}` did not come in: {all}");
    }

    /// Whether the peer closed without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more().await
    }

    async fn take(&mut self, length: usize) -> Option<String> {
        while self.read.len() < length {
            self.more().await.then_some(())?;
        }
        let rest = self.read.split_off(length);
        let taken = std::mem::replace(&mut self.read, rest);
        // Tiles of the log are no text; whoever reads one as such finds other characters.
        Some(String::from_utf8_lossy(&taken).into_owned())
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        let read = timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("the peer hangs");
        let length = read.unwrap_or(0);
        self.read.extend_from_slice(&piece[..length]);
        length > 0
    }
}

/// One request with a body, on a connection of its own.
pub(crate) async fn once(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.send(&request(head, body)).await;
    connection.answer().await.expect("an answer")
}

/// Request line and headers, one a line, become a request with `Host` and `Content-Length`.
pub(crate) fn request(head: &str, body: &str) -> Vec<u8> {
    let mut text = head.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n");
    if !text.to_ascii_lowercase().contains("\r\nhost:") {
        text.push_str("\r\nHost: localhost");
    }
    if !text.to_ascii_lowercase().contains("\r\ncontent-length:")
        && !text.to_ascii_lowercase().contains("\r\ntransfer-encoding:")
    {
        text.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    format!("{text}\r\n\r\n{body}").into_bytes()
}
