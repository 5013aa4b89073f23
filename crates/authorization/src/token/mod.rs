//! `/oauth/token`: what a client gets tokens for (RFC 6749 §3.2).

mod answer;
mod assertion;
mod client_credentials;
mod code;
mod exchange;
mod issue;
mod person;
mod refresh;

use bytes::Bytes;
use http::Response;

pub(crate) use answer::TokenAnswer;
pub(crate) use issue::TokenOrder;
pub(crate) use refresh::digest as refresh_digest;

use crate::clients::{Client, GrantType};
use crate::error::ErrorCode;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError, Visit};

/// A client, proved, that asks for tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRequest<'a> {
    pub(crate) visit: &'a Visit<'a>,
    pub(crate) form: &'a Form,
    pub(crate) client: &'a Client,
    pub(crate) grant: GrantType,
}

impl AuthorizationServer {
    /// Answers a request for tokens.
    pub(crate) async fn token(&self, visit: &Visit<'_>) -> Response<Bytes> {
        match self.tokens(visit).await {
            Ok(answer) => answer.response(&self.rooms.identity),
            Err(error) => self.problem(visit, &error),
        }
    }

    async fn tokens(&self, visit: &Visit<'_>) -> Result<TokenAnswer, OAuthError> {
        // What is in an address stands in logs.
        if visit.head.uri.query().is_some() {
            let text = "send the parameters in the body; none may stand in the address";
            return Err(OAuthError::request("token-query", text));
        }
        let form = Form::of_body(visit)?;
        let grant = GrantType::parse(form.required("grant_type")?).ok_or_else(|| {
            let text = "this grant type is not offered; see grant_types_supported";
            OAuthError::new(ErrorCode::UnsupportedGrantType, "grant-type-unknown", text)
        })?;
        let client = self.authenticate_client(visit, &form).await?;
        if !client.may(grant) {
            let text = "this client is not registered for this grant type";
            let code = ErrorCode::UnauthorizedClient;
            return Err(OAuthError::new(code, "grant-not-registered", text));
        }
        let request = TokenRequest { visit, form: &form, client: &client, grant };
        let answer = match grant {
            GrantType::AuthorizationCode => self.redeem(&request).await,
            GrantType::RefreshToken => self.refresh(&request).await,
            GrantType::ClientCredentials => self.client_token(&request).await,
            GrantType::TokenExchange => self.exchange(&request).await,
            GrantType::JwtBearer => self.assertion(&request).await,
        }?;
        self.note_use(&client).await?;
        Ok(answer)
    }
}
