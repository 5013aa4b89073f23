//! Authorization codes (RFC 6749 §4.1.2): made when a person has agreed, good once, for a moment.

use std::collections::BTreeSet;

use bytes::Bytes;
use haechi_core::{TicketKind, Timestamp, TokenActKind};
use http::Response;
use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;
use crate::interaction::{Interaction, SignedIn};
use crate::record::{Act, Subject};
use crate::ticket::TakenTicket;
use crate::{AuthorizationServer, OAuthError, Visit};

/// What a code stands for: everything that the token endpoint holds against it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    /// The grant that follows; its family ends when the code comes a second time.
    pub(crate) grant_id: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) code_challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) dpop_thumbprint: Option<String>,
    pub(crate) user_id: String,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) methods: Vec<String>,
}

impl AuthorizationServer {
    /// Ends an interaction with a yes of `who` to all that was asked for: the browser takes a code to
    /// the client.
    pub(crate) async fn approve(
        &self,
        visit: &Visit<'_>,
        ticket: &str,
        interaction: &Interaction,
        who: &SignedIn,
    ) -> Response<Bytes> {
        match self.new_code(ticket, interaction, who).await {
            Ok(code) => {
                let state = interaction.state.as_deref();
                let mut parameters = vec![("code", code.as_str())];
                self.send_back(visit, &interaction.redirect_uri, state, &mut parameters)
            }
            Err(error) => self.error_page(visit, &error),
        }
    }

    /// Takes the ticket, so that one interaction gives one code.
    async fn new_code(
        &self,
        ticket: &str,
        interaction: &Interaction,
        who: &SignedIn,
    ) -> Result<String, OAuthError> {
        let taken = self.take_ticket::<Interaction>(TicketKind::Interaction, ticket).await?;
        let over = || {
            let text =
                "this request was answered already or took too long; start again at the client";
            OAuthError::new(ErrorCode::InvalidRequest, "interaction-over", text)
        };
        let TakenTicket::Now(asked) = taken else { return Err(over()) };
        if asked != *interaction {
            return Err(over());
        }
        let code = Code {
            grant_id: self.random_text()?,
            client_id: asked.client_id,
            redirect_uri: asked.redirect_uri,
            scopes: asked.scopes,
            resources: asked.resources,
            code_challenge: asked.code_challenge,
            nonce: asked.nonce,
            dpop_thumbprint: asked.dpop_thumbprint,
            user_id: who.user_id.clone(),
            authenticated_at: who.authenticated_at,
            methods: who.methods.clone(),
        };
        self.record(&Act {
            kind: TokenActKind::Approved,
            subject: Subject::User(&code.user_id),
            client_id: &code.client_id,
            grant_type: "",
            scopes: &code.scopes,
            resources: &code.resources,
            reason: None,
        })
        .await?;
        self.add_ticket(TicketKind::Code, &code, self.config.code_lifetime).await
    }
}
