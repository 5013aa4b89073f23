//! The smallest client that keeps the contract of `Exchange`, and how a stand-in reads a request.

use async_trait::async_trait;
use haechi_core::{Answered, Exchange, FetchError, Post, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// One connection for one question, over plain HTTP.
#[derive(Debug)]
pub(super) struct Plain;

#[async_trait]
impl Exchange for Plain {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        let url = Url::parse(&post.url).unwrap();
        let host = url.host_str().unwrap().to_owned();
        let port = url.port_or_known_default().unwrap();
        let unreachable = |_| FetchError::Unreachable(host.clone());
        let mut stream = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
        let mut request = format!("POST {} HTTP/1.1\r\nhost: {host}:{port}\r\n", url.path());
        for (name, value) in &post.headers {
            request += &format!("{name}: {}\r\n", value.expose_str().unwrap());
        }
        let length = post.body.len();
        request += &format!("content-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(post.body.expose()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let (head, body) = split(&answer).unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answered { status, body: Secret::new(body.to_vec()) })
    }
}

/// The head and the body of a message.
fn split(message: &[u8]) -> Option<(String, &[u8])> {
    let end = message.windows(4).position(|it| it == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&message[..end]).into_owned(), &message[end + 4..]))
}

/// A request as a stand-in sees it: its head, and its body whole.
pub(super) async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some((head, body)) = split(&read) {
            let length = header(&head, "content-length").and_then(|it| it.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.clone(), body.to_vec()));
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// A header by its lower-case name.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
