//! Which client is asking, proved as it registered and in no other way.

use haechi_core::{Secret, SecretDigest};
use haechi_identity::sha256;
use http::HeaderMap;

use super::credentials::{ClientCredentials, ClientFields};
use super::error::ClientError;
use super::{Client, ClientMethod};
use crate::ensure::ensure;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    /// Proves which client sent a request: by the one way it registered, and by that way only.
    ///
    /// # Errors
    ///
    /// `invalid_client`, in the same words for most reasons; the word in it tells them apart.
    pub(crate) async fn authenticate_client(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Client, OAuthError> {
        let fields = ClientFields {
            client_id: form.one("client_id"),
            client_secret: form.one("client_secret"),
            client_assertion_type: form.one("client_assertion_type"),
            client_assertion: form.one("client_assertion"),
        };
        Ok(self.prove_client(&visit.head.headers, fields).await?)
    }

    async fn prove_client(
        &self,
        headers: &HeaderMap,
        fields: ClientFields<'_>,
    ) -> Result<Client, ClientError> {
        let (client, method) = match ClientCredentials::read(headers, fields)? {
            ClientCredentials::Named(client_id) => {
                (self.client(client_id).await?, ClientMethod::None)
            }
            ClientCredentials::Basic { client_id, secret } => {
                let client = self.client(&client_id).await?;
                check_secret(&client, &secret)?;
                (client, ClientMethod::SecretBasic)
            }
            ClientCredentials::Post { client_id, secret } => {
                let client = self.client(client_id).await?;
                check_secret(&client, &secret)?;
                (client, ClientMethod::SecretPost)
            }
            ClientCredentials::Assertion { client_id, assertion } => {
                (self.asserted_client(client_id, assertion).await?, ClientMethod::PrivateKeyJwt)
            }
        };
        ensure(client.method() == method, ClientError::WrongMethod)?;
        Ok(client)
    }
}

/// Secrets are random, so their digests give no guess away; they compare in constant time even so.
fn check_secret(client: &Client, presented: &Secret) -> Result<(), ClientError> {
    let known: SecretDigest = client.secret_sha256.ok_or(ClientError::WrongMethod)?;
    let presented = Secret::new(sha256(presented.expose()).to_vec());
    let same = Secret::new(known.to_vec()).matches(&presented);
    ensure(same, ClientError::WrongSecret)
}
