//! A listener that answers each connection with fixed bytes, and notes what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Where it listens, and what it was asked.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers `answer` to every request, after `delay`, and closes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, notes) = (answer.into(), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, notes) = (answer.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    let mut request = vec![0; 65536];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    notes.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into());
                    tokio::time::sleep(delay).await;
                    let _closed_early = stream.write_all(&answer).await;
                });
            }
        });
        Self { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A well-formed answer.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: Application/JSON; charset=utf-8\r\n\
         cache-control: public, max-age=300\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
