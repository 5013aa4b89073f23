//! AWS Key Management Service, by its JSON protocol (`TrentService`), without an SDK.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use haechi_core::{Answered, Clock, Entropy, Exchange, Post, Secret};
use serde::{Deserialize, Serialize};
use url::Url;

use super::service::{Decoded, address, body, encoded, json};
use super::sigv4::{Request, Signer, amz_date};
use super::{ProviderError, RootWrapper, Wrapped};

const NAME: &str = "aws-kms";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Which key wraps the root, and where it is.
#[derive(Clone, Debug)]
pub struct KmsConfig {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The key's ARN, id or alias (`alias/haechi`). Symmetric, for encryption and decryption.
    pub key: String,
    /// Another address than the region's own: a private or FIPS endpoint.
    pub endpoint: Option<String>,
    /// More of the encryption context, besides `haechi:purpose`. It is no secret, AWS logs it, and
    /// whoever changes it cannot open the root.
    pub context: BTreeMap<String, String>,
}

/// The credentials of an IAM user or a session.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    /// `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The token of a session, where the credentials are temporary.
    pub session_token: Option<Secret>,
}

/// Wraps the root under a key of AWS KMS, by `GenerateDataKey`, `Encrypt` and `Decrypt`.
///
/// The encryption context binds the ciphertext to this use, and shows in CloudTrail.
#[derive(Debug)]
pub struct KmsWrapper {
    endpoint: Url,
    config: KmsConfig,
    credentials: AwsCredentials,
    exchange: Arc<dyn Exchange>,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question<'a> {
    key_id: &'a str,
    encryption_context: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_spec: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    key_id: Option<String>,
    plaintext: Option<Decoded>,
    ciphertext_blob: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(rename = "__type")]
    kind: String,
}

impl KmsWrapper {
    /// Asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Address`] for an endpoint or a region that cannot be one.
    pub fn new(
        mut config: KmsConfig,
        credentials: AwsCredentials,
        exchange: Arc<dyn Exchange>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let region = &config.region;
        if region.is_empty() || !region.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
            return Err(ProviderError::Address(NAME));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = format!("https://kms.{region}.{domain}/");
        let endpoint = address(config.endpoint.as_deref().unwrap_or(&own), NAME)?;
        config.context.insert("haechi:purpose".to_owned(), "root-key".to_owned());
        Ok(Self { endpoint, config, credentials, exchange, clock })
    }

    fn question(&self) -> Question<'_> {
        Question {
            key_id: &self.config.key,
            encryption_context: &self.config.context,
            plaintext: None,
            ciphertext_blob: None,
            key_spec: None,
        }
    }

    async fn ask(&self, action: &str, question: &Question<'_>) -> Result<Reply, ProviderError> {
        let body = body(question).ok_or_else(|| self.not_understood(0))?;
        let headers = self.headers(&format!("TrentService.{action}"), &body)?;
        let answered = self.exchange.post(Post { url: self.endpoint.to_string(), headers, body });
        let answered = answered
            .await
            .map_err(|source| ProviderError::Unreachable { provider: NAME, source })?;
        if answered.status != 200 {
            return Err(self.refusal(&answered));
        }
        json(&answered.body).ok_or_else(|| self.not_understood(200))
    }

    /// The headers with their signature.
    fn headers(
        &self,
        target: &str,
        body: &Secret,
    ) -> Result<Vec<(&'static str, Secret)>, ProviderError> {
        let at = self.clock.now();
        let (date, host) = (amz_date(at), self.host());
        let AwsCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        let session = session_token.as_ref().map(|it| it.expose_str());
        let session = session.map(|it| it.ok_or(ProviderError::NotAccepted(NAME))).transpose()?;
        let mut sent = vec![
            ("content-type", CONTENT_TYPE),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", target),
        ];
        sent.extend(session.map(|token| ("x-amz-security-token", token)));
        // The client states the host itself; it is signed all the same.
        let signed: Vec<_> = sent.iter().copied().chain([("host", host.as_str())]).collect();
        let path = self.endpoint.path();
        let request =
            Request { method: "POST", path, query: &[], headers: &signed, body: body.expose() };
        let region = self.config.region.as_str();
        let signer = Signer { access_key_id, secret_access_key, region, service: "kms", at };
        let authorization = signer.authorization(&request);
        sent.push(("authorization", authorization.as_str()));
        Ok(sent.into_iter().map(|(name, value)| (name, value.to_owned().into())).collect())
    }

    /// `Host` as a client states it: without the port a scheme implies.
    fn host(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        self.endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    const fn not_understood(&self, status: u16) -> ProviderError {
        ProviderError::NotUnderstood { provider: NAME, status }
    }

    /// What a status and the name of an error mean. Its message is not repeated.
    fn refusal(&self, answered: &Answered) -> ProviderError {
        let complaint: Option<Complaint> = json(&answered.body);
        let kind = complaint.map(|it| it.kind).unwrap_or_default();
        // `com.amazonaws.kms#NotFoundException`, or without what precedes the name.
        let kind = kind.rsplit('#').next().unwrap_or_default();
        let kind = kind.strip_suffix("Exception").unwrap_or(kind);
        let (provider, key, status) = (NAME, self.config.key.clone(), answered.status);
        match kind {
            "NotFound" => ProviderError::NoKey { provider, key },
            "InvalidCiphertext" | "IncorrectKey" => ProviderError::NotGenuine { provider, key },
            "AccessDenied" => ProviderError::NotPermitted { provider, key },
            "Disabled" | "KMSInvalidState" | "InvalidKeyUsage" => {
                ProviderError::NotUsable { provider, key }
            }
            "UnrecognizedClient"
            | "InvalidSignature"
            | "ExpiredToken"
            | "InvalidClientTokenId"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch" => ProviderError::NotAccepted(NAME),
            "Throttling" | "KeyUnavailable" | "DependencyTimeout" | "KMSInternal"
            | "LimitExceeded" => ProviderError::NotReady { provider, status },
            // Whoever stands between may say so in words of its own.
            _ if status == 401 => ProviderError::NotAccepted(NAME),
            _ if status == 403 => ProviderError::NotPermitted { provider, key },
            _ if status >= 500 || status == 429 => ProviderError::NotReady { provider, status },
            _ => self.not_understood(status),
        }
    }

    fn wrapped(&self, reply: &Reply) -> Option<Wrapped> {
        let ciphertext = reply.ciphertext_blob.clone()?;
        BASE64_STANDARD.decode(&ciphertext).ok()?;
        Some(Wrapped { key_id: reply.key_id.clone()?, ciphertext })
    }

    /// Whether the key in settings may be the one with the ARN `found`. An alias may have been moved
    /// to another key since; what it wrapped before stays under the former one.
    fn may_be(&self, found: &str) -> bool {
        let named = self.config.key.as_str();
        let alias = named.starts_with("alias/") || named.contains(":alias/");
        alias || found == named || found.rsplit('/').next() == Some(named)
    }
}

#[async_trait]
impl RootWrapper for KmsWrapper {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn generate(&self, _: &dyn Entropy) -> Result<(Secret, Wrapped), ProviderError> {
        let question = Question { key_spec: Some("AES_256"), ..self.question() };
        let reply = self.ask("GenerateDataKey", &question).await?;
        let wrapped = self.wrapped(&reply);
        reply.plaintext.map(|it| it.0).zip(wrapped).ok_or_else(|| self.not_understood(200))
    }

    async fn wrap(&self, root: &Secret) -> Result<Wrapped, ProviderError> {
        let plaintext = encoded(root);
        let question = Question { plaintext: Some(plaintext.as_str()), ..self.question() };
        let reply = self.ask("Encrypt", &question).await?;
        self.wrapped(&reply).ok_or_else(|| self.not_understood(200))
    }

    async fn unwrap(&self, wrapped: &Wrapped) -> Result<Secret, ProviderError> {
        let Wrapped { key_id, ciphertext } = wrapped;
        if !self.may_be(key_id) {
            let expected = self.config.key.clone();
            return Err(ProviderError::OtherKey { found: key_id.clone(), expected });
        }
        // The key is stated, so that a ciphertext under any other key of the account is refused.
        let question = Question { key_id, ciphertext_blob: Some(ciphertext), ..self.question() };
        let reply = self.ask("Decrypt", &question).await?;
        reply.plaintext.map(|it| it.0).ok_or_else(|| self.not_understood(200))
    }
}
