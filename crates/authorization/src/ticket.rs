//! What is good once: kept sealed under a secret that only its holder has.

use std::time::Duration;

use haechi_core::{Secret, SecretDigest, Taken, Ticket, TicketKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ErrorCode;
use crate::{AuthorizationServer, OAuthError};

/// The most that wait of one kind: strangers can add some before anybody signed in.
const MAX_WAITING: u64 = 10_000;
/// The longest secret that is looked up, in bytes.
const MAX_SECRET_BYTES: usize = 128;

/// What came of taking a ticket.
#[derive(Debug)]
pub(crate) enum TakenTicket<T> {
    /// What it stands for; nobody gets it again.
    Now(T),
    /// It was taken before: what it stood for, so that what followed from it can be undone.
    Before(T),
    /// There is none, or it ended.
    Never,
}

impl AuthorizationServer {
    /// Keeps `body` for whoever presents the secret that comes back: 256 random bits, base64url.
    pub(crate) async fn add_ticket(
        &self,
        kind: TicketKind,
        body: &(impl Serialize + Sync),
        lifetime: Duration,
    ) -> Result<String, OAuthError> {
        let now = self.now();
        if self.stores.tickets.count(kind, now).await? >= MAX_WAITING {
            let text = "too much is under way at this moment; try again later";
            return Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "tickets-full", text));
        }
        let secret = self.random_text()?;
        let body = self.sealed(kind, &secret, body)?;
        let sha256 = haechi_identity::sha256(secret.as_bytes());
        let ticket = Ticket { kind, sha256, body, expires_at: now.after(lifetime) };
        self.stores.tickets.add(ticket).await?;
        Ok(secret)
    }

    /// What a ticket stands for; it stays. `None`: there is none, or it was taken or ended.
    pub(crate) async fn find_ticket<T: DeserializeOwned>(
        &self,
        kind: TicketKind,
        secret: &str,
    ) -> Result<Option<T>, OAuthError> {
        let Some(sha256) = digest(secret) else { return Ok(None) };
        let body = self.stores.tickets.find(kind, &sha256, self.now()).await?;
        body.map(|body| self.unsealed(kind, secret, &body)).transpose()
    }

    /// Takes a ticket: of all who try, one gets it.
    pub(crate) async fn take_ticket<T: DeserializeOwned>(
        &self,
        kind: TicketKind,
        secret: &str,
    ) -> Result<TakenTicket<T>, OAuthError> {
        let Some(sha256) = digest(secret) else { return Ok(TakenTicket::Never) };
        Ok(match self.stores.tickets.take(kind, &sha256, self.now()).await? {
            Taken::Now(body) => TakenTicket::Now(self.unsealed(kind, secret, &body)?),
            Taken::Before(body) => TakenTicket::Before(self.unsealed(kind, secret, &body)?),
            Taken::Never => TakenTicket::Never,
        })
    }

    /// 256 random bits as base64url.
    pub(crate) fn random_text(&self) -> Result<String, OAuthError> {
        use base64::Engine as _;
        let mut random = [0_u8; 32];
        self.rooms.entropy.fill(&mut random)?;
        Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random))
    }

    fn sealed(
        &self,
        kind: TicketKind,
        secret: &str,
        body: &impl Serialize,
    ) -> Result<Vec<u8>, OAuthError> {
        let text = serde_json::to_vec(body).map(Secret::new);
        let text = text.map_err(|_| OAuthError::failed("ticket"))?;
        let identity = &self.rooms.identity;
        let sealed = identity.seal_with_secret(purpose(kind), secret, &text);
        sealed.map_err(|_| OAuthError::failed("ticket"))
    }

    fn unsealed<T: DeserializeOwned>(
        &self,
        kind: TicketKind,
        secret: &str,
        body: &[u8],
    ) -> Result<T, OAuthError> {
        let identity = &self.rooms.identity;
        let text = identity.open_with_secret(purpose(kind), secret, body);
        let text = text.map_err(|_| OAuthError::failed("ticket"))?;
        serde_json::from_slice(text.expose()).map_err(|_| OAuthError::failed("ticket"))
    }
}

fn digest(secret: &str) -> Option<SecretDigest> {
    let fits = !secret.is_empty() && secret.len() <= MAX_SECRET_BYTES;
    fits.then(|| haechi_identity::sha256(secret.as_bytes()))
}

/// A body cannot be taken for one of another kind.
const fn purpose(kind: TicketKind) -> &'static str {
    match kind {
        TicketKind::Code => "haechi ticket code",
        TicketKind::Interaction => "haechi ticket interaction",
        TicketKind::Federation => "haechi ticket federation",
        TicketKind::Passkey => "haechi ticket passkey",
        TicketKind::Assertion => "haechi ticket assertion",
    }
}
