//! A linked account as it is sealed: its tokens, and the client they were given to.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_client::{Authentication, ProofKey, Registration, TokenType, Tokens};
use haechi_core::json::{self, Limits, Text, quote};
use haechi_core::{Sealed, Secret, Sid, StoredAccount, Timestamp};

use super::{Authorization, CredentialError, Held, Ways, proof_key};

const LIMITS: Limits = Limits { max_bytes: 256 << 10, max_depth: 4, max_members: 64 };

/// A linked account, opened.
#[derive(Debug)]
pub(crate) struct Account {
    /// Whose client the tokens were given to.
    pub(crate) client: AccountClient,
    /// For which server they are.
    pub(crate) resource: String,
    /// What a bound token proves itself by (PKCS#8).
    pub(crate) key: Secret,
    pub(crate) access_token: Secret,
    pub(crate) token_type: TokenType,
    pub(crate) expires_at: Timestamp,
    pub(crate) refresh_token: Option<Secret>,
}

/// The client that tokens were given to.
#[derive(Clone, Debug)]
pub(crate) enum AccountClient {
    /// That of the settings.
    Settings,
    /// One that registered itself, or is known by its metadata document.
    Own(Registration),
}

impl Account {
    pub(crate) fn new(
        tokens: &Tokens,
        client: AccountClient,
        resource: String,
        key: Secret,
    ) -> Self {
        Self {
            client,
            resource,
            key,
            access_token: tokens.access_token.clone(),
            token_type: tokens.token_type,
            expires_at: tokens.expires_at,
            refresh_token: tokens.refresh_token.clone(),
        }
    }

    /// The same account with new tokens; a refresh token that is not replaced stays.
    pub(super) fn refreshed(self, tokens: &Tokens) -> Self {
        let refresh_token = tokens.refresh_token.clone().or(self.refresh_token);
        Self {
            access_token: tokens.access_token.clone(),
            token_type: tokens.token_type,
            expires_at: tokens.expires_at,
            refresh_token,
            ..self
        }
    }

    /// Seals it under the key of its person.
    pub(crate) fn seal(
        &self,
        ways: &Ways,
        sid: &Sid,
        upstream: &str,
    ) -> Result<Vec<u8>, CredentialError> {
        let text = self.text();
        let sealed = ways.sealer.seal(sid, &purpose(upstream), text.expose())?;
        Ok(sealed.0.into_bytes())
    }

    /// Opens what was sealed for this person and upstream.
    pub(super) async fn open(ways: &Ways, stored: &StoredAccount) -> Result<Self, CredentialError> {
        let text = String::from_utf8_lossy(&stored.sealed).into_owned();
        let purpose = purpose(&stored.upstream);
        let plain = ways.sealer.open(&stored.sid, &purpose, &Sealed(text)).await?;
        Self::read(plain.expose(), &stored.issuer).ok_or(CredentialError::OtherToken)
    }

    pub(super) fn held(&self, stored: &StoredAccount, key: Arc<ProofKey>) -> Held {
        Held {
            token: self.access_token.clone(),
            token_type: self.token_type,
            expires_at: self.expires_at,
            scopes: stored.scopes.iter().cloned().collect(),
            key,
            version: Some((stored.created_at, stored.revision)),
        }
    }

    pub(super) fn proof_key(&self, ways: &Ways) -> Result<Arc<ProofKey>, CredentialError> {
        Ok(Arc::new(proof_key(&self.key, ways)?))
    }

    fn text(&self) -> Secret {
        let shown = |secret: &Secret| quote(secret.expose_str().unwrap_or_default());
        let mut members = vec![
            ("resource", quote(&self.resource)),
            ("key", quote(&STANDARD.encode(self.key.expose()))),
            ("access_token", shown(&self.access_token)),
            ("bound", (self.token_type == TokenType::Dpop).to_string()),
            ("expires_at", self.expires_at.as_millis().to_string()),
        ];
        if let Some(token) = &self.refresh_token {
            members.push(("refresh_token", shown(token)));
        }
        if let AccountClient::Own(client) = &self.client {
            members.push(("client_id", quote(&client.client_id)));
            match &client.authentication {
                Authentication::SecretPost(secret) => {
                    members.push(("client_secret_post", shown(secret)));
                }
                Authentication::Secret(secret) | Authentication::SecretBasic(secret) => {
                    members.push(("client_secret_basic", shown(secret)));
                }
                Authentication::None | Authentication::PrivateKeyJwt(_) => {}
            }
        }
        let members = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into()
    }

    fn read(bytes: &[u8], issuer: &str) -> Option<Self> {
        let text = json::check(bytes, &LIMITS).ok()?;
        let secret = |name| Some(Secret::from(text.member(name)?.string()?.into_owned()));
        let bound = text.member("bound").and_then(Text::boolean)?;
        let key = text.member("key")?.string()?;
        Some(Self {
            client: client(text, issuer),
            resource: text.member("resource")?.string()?.into_owned(),
            key: Secret::new(STANDARD.decode(key.as_bytes()).ok()?),
            access_token: secret("access_token")?,
            token_type: if bound { TokenType::Dpop } else { TokenType::Bearer },
            expires_at: Timestamp(text.member("expires_at")?.unsigned()?),
            refresh_token: secret("refresh_token"),
        })
    }
}

fn client(text: Text<'_>, issuer: &str) -> AccountClient {
    let secret = |name| Some(Secret::from(text.member(name)?.string()?.into_owned()));
    let Some(id) = text.member("client_id").and_then(Text::string) else {
        return AccountClient::Settings;
    };
    let basic = || secret("client_secret_basic").map(Authentication::SecretBasic);
    let post = secret("client_secret_post").map(Authentication::SecretPost);
    AccountClient::Own(Registration {
        issuer: issuer.to_owned(),
        client_id: id.into_owned(),
        authentication: post.or_else(basic).unwrap_or(Authentication::None),
        expires_at: None,
    })
}

/// What is bound to the sealed text: it opens for no other upstream.
fn purpose(upstream: &str) -> String {
    format!("upstream-account:{upstream}")
}

impl Authorization {
    /// The account as it is kept.
    pub(crate) fn stored(
        &self,
        sid: &Sid,
        issuer: &str,
        account: &Account,
        scopes: Vec<String>,
    ) -> Result<StoredAccount, CredentialError> {
        Ok(StoredAccount {
            sid: sid.clone(),
            upstream: self.upstream.to_string(),
            issuer: issuer.to_owned(),
            sealed: account.seal(&self.ways, sid, self.upstream.as_str())?,
            scopes: scopes.into_iter().collect::<BTreeSet<_>>(),
            revision: 0,
            created_at: self.ways.clock.now(),
            refreshed_at: None,
        })
    }
}
