//! What the audit log is told: who gave what to which client. What cannot be recorded does not
//! happen.

use std::collections::BTreeSet;

use haechi_core::{Administration, Event, TokenAct, TokenActKind};

use crate::{AuthorizationServer, OAuthError};

/// Whom tokens speak for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// An own user, by `user_id`.
    User(&'a str),
    /// The client itself.
    Client,
}

/// Something that happened to tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    pub(crate) kind: TokenActKind,
    pub(crate) subject: Subject<'a>,
    pub(crate) client_id: &'a str,
    /// Empty where it was no request for tokens.
    pub(crate) grant_type: &'a str,
    pub(crate) scopes: &'a BTreeSet<String>,
    pub(crate) resources: &'a [String],
    /// A fixed word.
    pub(crate) reason: Option<&'static str>,
}

impl AuthorizationServer {
    /// Records an act.
    ///
    /// # Errors
    ///
    /// `temporarily_unavailable` when the log does not take it: then it must not happen.
    pub(crate) async fn record(&self, act: &Act<'_>) -> Result<(), OAuthError> {
        let rooms = self.rooms.guard.rooms();
        let sid = match act.subject {
            Subject::User(user_id) => rooms.identity.sid_of(user_id).await,
            Subject::Client => rooms.identity.sid_of(act.client_id).await,
        };
        let sid = sid.map_err(|_| OAuthError::unavailable("sealer-unavailable"))?;
        let event = Event::Token(TokenAct {
            sid,
            act: act.kind,
            client_id: act.client_id.to_owned(),
            grant_type: act.grant_type.to_owned(),
            scopes: act.scopes.iter().cloned().collect(),
            resources: act.resources.to_vec(),
            reason: act.reason.map(str::to_owned),
        });
        let noted = rooms.audit.note(event).await;
        noted.map(drop).map_err(|_| OAuthError::unavailable("not-recorded"))
    }

    /// Records what a person changed of its own account, or a client of itself, before or just after it
    /// happened. `object` and `detail` are words and ids, never personal data.
    ///
    /// # Errors
    ///
    /// As [`Self::record`].
    pub(crate) async fn record_change(
        &self,
        who: &str,
        act: &str,
        object: &str,
        detail: Vec<String>,
    ) -> Result<(), OAuthError> {
        let rooms = self.rooms.guard.rooms();
        let sid = rooms.identity.sid_of(who).await;
        let sid = sid.map_err(|_| OAuthError::unavailable("sealer-unavailable"))?;
        let detail = std::iter::once("self".to_owned()).chain(detail).collect();
        let entry = Administration { sid, act: act.to_owned(), object: object.to_owned(), detail };
        let noted = rooms.audit.note(Event::Administration(entry)).await;
        noted.map(drop).map_err(|_| OAuthError::unavailable("not-recorded"))
    }
}
