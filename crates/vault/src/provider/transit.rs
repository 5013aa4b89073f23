//! The transit engine of HashiCorp Vault and OpenBao.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use haechi_core::{Answered, Entropy, Exchange, Post, Secret};
use serde::{Deserialize, Serialize};
use url::Url;

use super::service::{Decoded, address, body, encoded, json};
use super::{ProviderError, RootWrapper, Wrapped};

const NAME: &str = "transit";

/// Where the engine is, and which of its keys wraps the root.
#[derive(Clone, Debug)]
pub struct TransitConfig {
    /// The address of the server, such as `https://vault.example:8200`.
    pub address: String,
    /// Where the engine is mounted, `transit` unless the operator chose another.
    pub mount: String,
    /// The name of the key, of a type that encrypts (`aes256-gcm96` and its like).
    pub key: String,
    /// The namespace, where there are several.
    pub namespace: Option<String>,
    /// The context of a key made with `derived=true`. Whoever changes it cannot open the root.
    pub context: Option<String>,
}

/// Wraps the root under a key of the transit engine, by `datakey`, `encrypt` and `decrypt`.
///
/// The token needs `update` on these three paths. It must not have `create`: with it, a mistyped name
/// makes the server make a new key.
#[derive(Debug)]
pub struct TransitWrapper {
    base: Url,
    config: TransitConfig,
    token: Secret,
    exchange: Arc<dyn Exchange>,
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<u16>,
}

#[derive(Deserialize)]
struct Reply {
    data: Texts,
}

#[derive(Deserialize)]
struct Texts {
    plaintext: Option<Decoded>,
    ciphertext: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    errors: Vec<String>,
}

impl TransitWrapper {
    /// Asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Address`], and [`ProviderError::NoKey`] for a name that cannot be one.
    pub fn new(
        config: TransitConfig,
        token: &Secret,
        exchange: Arc<dyn Exchange>,
    ) -> Result<Self, ProviderError> {
        let base = address(&config.address, NAME)?;
        if !is_name(&config.key) || !config.mount.split('/').all(is_name) {
            return Err(ProviderError::NoKey { provider: NAME, key: key_id(&config) });
        }
        Ok(Self {
            base,
            config,
            token: Secret::new(token.expose().trim_ascii().to_vec()),
            exchange,
        })
    }

    async fn ask(&self, action: &str, question: Question<'_>) -> Result<Texts, ProviderError> {
        let context = self.config.context.as_ref();
        let context = context.map(|context| BASE64_STANDARD.encode(context));
        let body = body(&Question { context, ..question });
        let body = body.ok_or_else(|| self.not_understood(0))?;
        let post = Post { url: self.url(action), headers: self.headers(), body };
        let answered = self.exchange.post(post).await;
        let answered =
            answered.map_err(|source| ProviderError::Unreachable { provider: NAME, source })?;
        if answered.status != 200 {
            return Err(self.refusal(&answered));
        }
        let reply: Option<Reply> = json(&answered.body);
        reply.map(|reply| reply.data).ok_or_else(|| self.not_understood(answered.status))
    }

    fn url(&self, action: &str) -> String {
        let TransitConfig { mount, key, .. } = &self.config;
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}/v1/{mount}/{action}/{key}")
    }

    fn headers(&self) -> Vec<(&'static str, Secret)> {
        let text = |text: &str| Secret::from(text.to_owned());
        let mut headers = vec![
            ("content-type", text("application/json")),
            ("x-vault-request", text("true")),
            ("x-vault-token", self.token.clone()),
        ];
        headers.extend(self.config.namespace.as_deref().map(|it| ("x-vault-namespace", text(it))));
        headers
    }

    const fn not_understood(&self, status: u16) -> ProviderError {
        ProviderError::NotUnderstood { provider: NAME, status }
    }

    /// What a status and the engine's words mean. The words themselves are not repeated.
    fn refusal(&self, answered: &Answered) -> ProviderError {
        let complaint: Option<Complaint> = json(&answered.body);
        let words = complaint.map(|it| it.errors.join(" ").to_lowercase()).unwrap_or_default();
        let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
        let (provider, key) = (NAME, key_id(&self.config));
        // Some releases say 500 where a ciphertext or its context was altered.
        if says(&["message authentication failed", "invalid ciphertext"]) {
            return ProviderError::NotGenuine { provider, key };
        }
        match answered.status {
            403 if says(&["invalid token", "bad token", "token is expired"]) => {
                ProviderError::NotAccepted(NAME)
            }
            401 => ProviderError::NotAccepted(NAME),
            403 => ProviderError::NotPermitted { provider, key },
            404 => ProviderError::NoKey { provider, key },
            400 if says(&["key not found"]) => ProviderError::NoKey { provider, key },
            400 => ProviderError::NotUsable { provider, key },
            status @ (412 | 429 | 472 | 473 | 500..=599) => {
                ProviderError::NotReady { provider, status }
            }
            status => self.not_understood(status),
        }
    }

    fn wrapped(&self, ciphertext: Option<String>) -> Option<Wrapped> {
        let ciphertext = ciphertext.filter(|text| text.starts_with("vault:v"))?;
        Some(Wrapped { key_id: key_id(&self.config), ciphertext })
    }
}

/// A segment of a path that needs no escaping.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain)
}

/// The key as the file of the root names it.
fn key_id(config: &TransitConfig) -> String {
    let namespace = config.namespace.as_ref().map(|it| format!("{it}:")).unwrap_or_default();
    format!("{namespace}{}/{}", config.mount, config.key)
}

const NOTHING: Question<'_> =
    Question { plaintext: None, ciphertext: None, context: None, bits: None };

#[async_trait]
impl RootWrapper for TransitWrapper {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn generate(&self, _: &dyn Entropy) -> Result<(Secret, Wrapped), ProviderError> {
        let texts = self.ask("datakey/plaintext", Question { bits: Some(256), ..NOTHING }).await?;
        let root = texts.plaintext.map(|it| it.0);
        root.zip(self.wrapped(texts.ciphertext)).ok_or_else(|| self.not_understood(200))
    }

    async fn wrap(&self, root: &Secret) -> Result<Wrapped, ProviderError> {
        let plaintext = encoded(root);
        let question = Question { plaintext: Some(plaintext.as_str()), ..NOTHING };
        let texts = self.ask("encrypt", question).await?;
        self.wrapped(texts.ciphertext).ok_or_else(|| self.not_understood(200))
    }

    async fn unwrap(&self, wrapped: &Wrapped) -> Result<Secret, ProviderError> {
        let expected = key_id(&self.config);
        if wrapped.key_id != expected {
            return Err(ProviderError::OtherKey { found: wrapped.key_id.clone(), expected });
        }
        let question = Question { ciphertext: Some(&wrapped.ciphertext), ..NOTHING };
        let texts = self.ask("decrypt", question).await?;
        texts.plaintext.map(|it| it.0).ok_or_else(|| self.not_understood(200))
    }
}
