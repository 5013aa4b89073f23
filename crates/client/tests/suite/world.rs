//! Servers made of a table: what is answered where, and what was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use haechi_client::{Client, ServerMetadata, Surroundings};
use haechi_core::{
    Answered, Clock, Exchange, Fetch, FetchError, Fetched, ManualClock, Post, Secret,
    SeededEntropy, Timestamp,
};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const ISSUER: &str = "https://id.example";

/// One answer of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) nonce: Option<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    documents: Mutex<HashMap<String, Result<Fetched, FetchError>>>,
    replies: Mutex<Vec<Reply>>,
    pub(crate) read: Mutex<Vec<String>>,
    pub(crate) asked: Mutex<Vec<Post>>,
}

impl World {
    pub(crate) fn document(&self, url: &str, body: &serde_json::Value) {
        self.body(url, "application/json", body.to_string());
    }

    pub(crate) fn body(&self, url: &str, content_type: &str, body: String) {
        let fetched = Fetched {
            status: 200,
            content_type: content_type.to_owned(),
            body: body.into(),
            max_age_secs: None,
        };
        self.documents.lock().unwrap().insert(url.to_owned(), Ok(fetched));
    }

    pub(crate) fn fails(&self, url: &str, error: FetchError) {
        self.documents.lock().unwrap().insert(url.to_owned(), Err(error));
    }

    pub(crate) fn reply(&self, status: u16, body: impl Into<String>) {
        self.replies.lock().unwrap().push(Reply { status, body: body.into(), nonce: None });
    }

    pub(crate) fn reply_with_nonce(&self, status: u16, body: &str, nonce: &'static str) {
        let reply = Reply { status, body: body.to_owned(), nonce: Some(nonce) };
        self.replies.lock().unwrap().push(reply);
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        Client::new(Surroundings {
            fetch: Arc::clone(self) as Arc<dyn Fetch>,
            exchange: Arc::clone(self) as Arc<dyn Exchange>,
            clock: Arc::new(ManualClock::at(NOW)) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(7)),
        })
    }

    pub(crate) fn read(&self) -> Vec<String> {
        self.read.lock().unwrap().clone()
    }

    /// The form of the last question.
    pub(crate) fn form(&self) -> HashMap<String, String> {
        let asked = self.asked.lock().unwrap();
        let body = asked.last().unwrap().body.expose().to_vec();
        url::form_urlencoded::parse(&body).into_owned().collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let asked = self.asked.lock().unwrap();
        let headers = &asked.last().unwrap().headers;
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.expose_str().unwrap().to_owned())
    }
}

#[async_trait]
impl Fetch for World {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.read.lock().unwrap().push(url.to_owned());
        let found = self.documents.lock().unwrap().get(url).cloned();
        found.unwrap_or_else(|| Err(FetchError::Status { host: "x".to_owned(), status: 404 }))
    }
}

#[async_trait]
impl Exchange for World {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        Ok(self.post_for(post, &[]).await?.0)
    }

    async fn post_for(
        &self,
        post: Post,
        _: &'static [&'static str],
    ) -> Result<(Answered, Vec<(&'static str, Secret)>), FetchError> {
        self.asked.lock().unwrap().push(post);
        let reply = self.replies.lock().unwrap().remove(0);
        let nonce = reply.nonce.map(|nonce| ("dpop-nonce", Secret::from(nonce.to_owned())));
        let body = Secret::from(reply.body);
        Ok((Answered { status: reply.status, body }, nonce.into_iter().collect()))
    }
}

/// A server that can do everything.
pub(crate) fn server() -> ServerMetadata {
    ServerMetadata {
        issuer: ISSUER.to_owned(),
        authorization_endpoint: Some(format!("{ISSUER}/authorize?tenant=a")),
        token_endpoint: Some(format!("{ISSUER}/token")),
        registration_endpoint: Some(format!("{ISSUER}/register")),
        token_endpoint_auth_methods_supported: vec!["client_secret_basic".to_owned()],
        code_challenge_methods_supported: vec!["S256".to_owned()],
        response_names_issuer: true,
        ..ServerMetadata::default()
    }
}
