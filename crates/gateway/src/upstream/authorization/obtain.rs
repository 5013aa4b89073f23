//! Tokens that no person has to be asked for.

use std::sync::Arc;

use haechi_assembly::settings::{AuthorizationKind, DpopRule, SubjectToken, SubjectTokenKind};
use haechi_client::{
    Discovered, Exchanged, Grant, ProofKey, Registration, ServerMetadata, TokenKind, TokenRequest,
    TokenType, Tokens,
};
use haechi_core::{Means, Principal, Secret};
use haechi_identity::{CallerAssertion, MAX_ASSERTION_LIFETIME};

use super::{Authorization, CredentialError, Held};

/// No statement in a file is longer, in bytes.
const MAX_STATEMENT_BYTES: u64 = 32 << 10;

impl Authorization {
    /// A new token for `caller`, good for `more` scopes than the settings ask for.
    pub(super) async fn obtain(
        &self,
        caller: Option<&Principal>,
        more: &[String],
    ) -> Result<Held, CredentialError> {
        let found = self.discovered().await?;
        let server = &found.server;
        let registration = self.registration(self.settings.client.as_ref(), &server.issuer)?;
        let scopes = self.scopes(&found, more);
        let grant = match self.settings.kind {
            AuthorizationKind::ClientCredentials => Grant::ClientCredentials,
            AuthorizationKind::TokenExchange => Grant::TokenExchange(Exchanged {
                audience: self.settings.audience.clone(),
                wanted: Some(TokenKind::AccessToken),
                ..self.subject(caller, &server.issuer).await?
            }),
            AuthorizationKind::JwtBearer => {
                Grant::JwtBearer(self.subject(caller, &server.issuer).await?.subject)
            }
            AuthorizationKind::IdJag => {
                Grant::JwtBearer(self.id_jag(caller, &found, scopes.clone()).await?)
            }
            AuthorizationKind::None
            | AuthorizationKind::Static
            | AuthorizationKind::LinkedAccount => return Err(CredentialError::OtherToken),
        };
        let request =
            TokenRequest { grant, resource: Some(self.resource(&found)), scopes: scopes.clone() };
        let proof = self.binds(server, found.wants_bound_tokens)?.then_some(&*self.key);
        let tokens = self.ask(server, &registration, &request, proof).await?;
        Ok(Held::new(&tokens, scopes, Arc::clone(&self.key)))
    }

    /// Asks for a token that can be presented.
    pub(super) async fn ask(
        &self,
        server: &ServerMetadata,
        registration: &Registration,
        request: &TokenRequest,
        proof: Option<&ProofKey>,
    ) -> Result<Tokens, CredentialError> {
        let tokens = self.ways.client.token(server, registration, request, proof).await?;
        self.presentable(tokens)
    }

    pub(super) fn presentable(&self, tokens: Tokens) -> Result<Tokens, CredentialError> {
        match tokens.token_type {
            TokenType::NotApplicable => Err(CredentialError::OtherToken),
            TokenType::Bearer if self.settings.dpop == DpopRule::Required => {
                Err(CredentialError::NotBound)
            }
            TokenType::Bearer | TokenType::Dpop => Ok(tokens),
        }
    }

    /// Whether a token is to be bound to a key, where its reader `asked` for that or not.
    pub(super) fn binds(
        &self,
        server: &ServerMetadata,
        asked: bool,
    ) -> Result<bool, CredentialError> {
        let offered = server.dpop_signing_alg_values_supported.iter().any(|it| it == "ES256");
        match self.settings.dpop {
            DpopRule::Off => Ok(false),
            DpopRule::WhenAsked => Ok(asked && offered),
            DpopRule::Required if offered => Ok(true),
            DpopRule::Required => Err(CredentialError::NotBound),
        }
    }

    /// For which server a token is: as the settings say, or exactly as the server calls itself.
    pub(super) fn resource(&self, found: &Discovered) -> String {
        self.settings.resource.clone().unwrap_or_else(|| found.resource.resource.clone())
    }

    fn scopes(&self, found: &Discovered, more: &[String]) -> Vec<String> {
        let named = found.resource.scopes.as_deref().unwrap_or_default();
        let own = &self.settings.scopes;
        let mut scopes = if own.is_empty() && more.is_empty() { named } else { own }.to_vec();
        scopes.extend(more.iter().filter(|scope| !own.contains(scope)).cloned());
        scopes
    }

    /// Whom the token is about: never the token that the caller came with, but a statement about the
    /// caller that this gateway signs for `audience` alone.
    async fn subject(
        &self,
        caller: Option<&Principal>,
        audience: &str,
    ) -> Result<Exchanged, CredentialError> {
        let (subject, subject_kind) = match &self.settings.subject {
            SubjectToken::Signed => (self.statement(caller, audience)?, TokenKind::Jwt),
            SubjectToken::File(file, kind) => {
                let kind = match kind {
                    SubjectTokenKind::Jwt => TokenKind::Jwt,
                    SubjectTokenKind::IdToken => TokenKind::IdToken,
                    SubjectTokenKind::AccessToken => TokenKind::AccessToken,
                };
                (read(file).await?, kind)
            }
        };
        Ok(Exchanged { subject, subject_kind, actor: None, wanted: None, audience: None })
    }

    fn statement(
        &self,
        caller: Option<&Principal>,
        audience: &str,
    ) -> Result<Secret, CredentialError> {
        let known = caller.filter(|caller| caller.means != Means::Anonymous);
        let assertion = CallerAssertion {
            upstream: audience,
            method: "token-exchange",
            tool: None,
            request_id: "null",
            principal: known.ok_or(CredentialError::Nobody)?,
            lifetime: MAX_ASSERTION_LIFETIME,
        };
        Ok(self.ways.identity.sign_assertion(&assertion)?.into())
    }

    /// The grant of the company's identity provider, for the upstream's authorization server.
    async fn id_jag(
        &self,
        caller: Option<&Principal>,
        found: &Discovered,
        scopes: Vec<String>,
    ) -> Result<Secret, CredentialError> {
        let provider = self.settings.identity_provider.as_ref().ok_or(CredentialError::NoClient)?;
        let server = self.ways.client.server(&provider.issuer).await?;
        let registration = self.registration(Some(&provider.client), &provider.issuer)?;
        let exchanged = Exchanged {
            wanted: Some(TokenKind::IdJag),
            audience: Some(found.server.issuer.clone()),
            ..self.subject(caller, &provider.issuer).await?
        };
        let grant = Grant::TokenExchange(exchanged);
        let request = TokenRequest { grant, resource: Some(self.resource(found)), scopes };
        let tokens = self.ways.client.token(&server, &registration, &request, None).await?;
        let issued = tokens.issued_kind.as_deref() == Some(TokenKind::IdJag.as_str());
        if issued { Ok(tokens.access_token) } else { Err(CredentialError::OtherToken) }
    }
}

async fn read(file: &std::path::Path) -> Result<Secret, CredentialError> {
    let length = tokio::fs::metadata(file).await.map_err(CredentialError::Subject)?.len();
    if length > MAX_STATEMENT_BYTES {
        let large = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
        return Err(CredentialError::Subject(large));
    }
    let bytes = tokio::fs::read(file).await.map_err(CredentialError::Subject)?;
    Ok(Secret::new(bytes.trim_ascii().to_vec()))
}
