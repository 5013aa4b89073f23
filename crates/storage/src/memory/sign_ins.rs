//! What belongs to signing in, in memory: tickets, sessions of browsers, second factors, logins.

use std::collections::BTreeMap;

use async_trait::async_trait;
use haechi_core::{
    BrowserSessionStore, FactorKind, FactorStore, LoginStore, SecretDigest, StoreError,
    StoredBrowserSession, StoredFactor, StoredLogin, Taken, Ticket, TicketKind, TicketStore,
    Timestamp,
};

use super::{Memory, forgotten};
use crate::merge::TAKEN_TICKETS_STAY;
use crate::rule::{exists, named, object_or_nothing};
use crate::written::Written;

/// What belongs to signing in.
#[derive(Default)]
pub(super) struct SignIns {
    /// Beside each ticket, whether it was taken.
    tickets: BTreeMap<(TicketKind, SecretDigest), (Ticket, bool)>,
    sessions: BTreeMap<SecretDigest, StoredBrowserSession>,
    factors: BTreeMap<String, StoredFactor>,
    logins: BTreeMap<(String, String), StoredLogin>,
}

impl SignIns {
    /// Takes along what a user signs in with.
    pub(super) fn remove_user(&mut self, user_id: &str) {
        self.sessions.retain(|_, session| session.user_id != user_id);
        self.factors.retain(|_, factor| factor.user_id != user_id);
        self.logins.retain(|_, login| login.user_id != user_id);
    }

    fn is_taken(&self, factor: &StoredFactor) -> bool {
        let codes = |other: &StoredFactor| {
            other.kind == FactorKind::RecoveryCodes && other.user_id == factor.user_id
        };
        self.factors.contains_key(&factor.factor_id)
            || factor.kind == FactorKind::RecoveryCodes && self.factors.values().any(codes)
    }
}

#[async_trait]
impl TicketStore for Memory {
    async fn add(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.write(|state| {
            let place = (ticket.kind, ticket.sha256);
            if state.sign_ins.tickets.contains_key(&place) {
                return Err(exists("ticket"));
            }
            state.sign_ins.tickets.insert(place, (ticket, false));
            Ok(Written::Quiet(()))
        })
    }

    async fn find(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|state| {
            let found = state.sign_ins.tickets.get(&(kind, *sha256));
            let found = found.filter(|(ticket, taken)| !taken && ticket.expires_at > now);
            found.map(|(ticket, _)| ticket.body.clone())
        })
    }

    async fn take(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        self.write(|state| {
            let taken = match state.sign_ins.tickets.get_mut(&(kind, *sha256)) {
                Some((ticket, true)) => Taken::Before(ticket.body.clone()),
                Some((ticket, taken)) if ticket.expires_at > now => {
                    *taken = true;
                    Taken::Now(ticket.body.clone())
                }
                _ => Taken::Never,
            };
            Ok(Written::Quiet(taken))
        })
    }

    async fn count(&self, kind: TicketKind, now: Timestamp) -> Result<u64, StoreError> {
        self.read(|state| {
            let tickets = state.sign_ins.tickets.values().map(|(ticket, _)| ticket);
            let count = tickets.filter(|it| it.kind == kind && it.expires_at > now).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        })
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let tickets = &mut state.sign_ins.tickets;
            let before = tickets.len();
            let long_ago = now.before(TAKEN_TICKETS_STAY);
            tickets.retain(|_, (ticket, taken)| {
                ticket.expires_at > if *taken { long_ago } else { now }
            });
            Ok(Written::Quiet(forgotten(before, tickets.len())))
        })
    }
}

#[async_trait]
impl BrowserSessionStore for Memory {
    async fn add(&self, session: StoredBrowserSession) -> Result<(), StoreError> {
        object_or_nothing("details", &session.details)?;
        self.write(|state| {
            if state.sign_ins.sessions.contains_key(&session.sha256) {
                return Err(exists("session"));
            }
            state.is_user(&session.user_id)?;
            state.sign_ins.sessions.insert(session.sha256, session);
            Ok(Written::Quiet(()))
        })
    }

    async fn find(
        &self,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<StoredBrowserSession>, StoreError> {
        self.read(|state| {
            let session = state.sign_ins.sessions.get(sha256);
            session.filter(|session| session.expires_at > now).cloned()
        })
    }

    async fn touch(&self, sha256: &SecretDigest, at: Timestamp) -> Result<(), StoreError> {
        self.write(|state| {
            if let Some(session) = state.sign_ins.sessions.get_mut(sha256) {
                session.last_seen_at = session.last_seen_at.max(at);
            }
            Ok(Written::Quiet(()))
        })
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredBrowserSession>, StoreError> {
        self.read(|state| {
            let sessions = state.sign_ins.sessions.values();
            let mut sessions: Vec<_> =
                sessions.filter(|session| session.user_id == user_id).cloned().collect();
            sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
            sessions
        })
    }

    async fn remove(&self, sha256: &SecretDigest) -> Result<bool, StoreError> {
        self.write(|state| Ok(Written::Quiet(state.sign_ins.sessions.remove(sha256).is_some())))
    }

    async fn remove_all(&self, user_id: &str) -> Result<u64, StoreError> {
        self.write(|state| {
            let sessions = &mut state.sign_ins.sessions;
            let before = sessions.len();
            sessions.retain(|_, session| session.user_id != user_id);
            Ok(Written::Quiet(forgotten(before, sessions.len())))
        })
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let sessions = &mut state.sign_ins.sessions;
            let before = sessions.len();
            sessions.retain(|_, session| session.expires_at > now);
            Ok(Written::Quiet(forgotten(before, sessions.len())))
        })
    }
}

#[async_trait]
impl FactorStore for Memory {
    async fn add(&self, factor: StoredFactor) -> Result<(), StoreError> {
        named("factor_id", &factor.factor_id)?;
        self.write(|state| {
            if state.sign_ins.is_taken(&factor) {
                return Err(exists("factor"));
            }
            state.is_user(&factor.user_id)?;
            state.sign_ins.factors.insert(factor.factor_id.clone(), factor);
            Ok(Written::Raising(()))
        })
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredFactor>, StoreError> {
        self.read(|state| {
            let factors = state.sign_ins.factors.values();
            let mut factors: Vec<_> =
                factors.filter(|factor| factor.user_id == user_id).cloned().collect();
            factors.sort_by_key(|factor| factor.created_at);
            factors
        })
    }

    async fn advance(
        &self,
        factor_id: &str,
        counter: u64,
        sealed: Option<Vec<u8>>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|state| {
            let factor = state.sign_ins.factors.get_mut(factor_id);
            let Some(factor) = factor.filter(|factor| factor.counter < counter) else {
                return Ok(Written::Quiet(false));
            };
            factor.counter = counter;
            factor.last_used_at = Some(at);
            if let Some(sealed) = sealed {
                factor.sealed = sealed;
            }
            Ok(Written::Quiet(true))
        })
    }

    async fn remove(&self, user_id: &str, factor_id: &str) -> Result<bool, StoreError> {
        self.write(|state| {
            let factors = &mut state.sign_ins.factors;
            let is_theirs = factors.get(factor_id).is_some_and(|it| it.user_id == user_id);
            if is_theirs {
                factors.remove(factor_id);
            }
            Ok(Written::raising_if(is_theirs, is_theirs))
        })
    }
}

#[async_trait]
impl LoginStore for Memory {
    async fn add(&self, login: StoredLogin) -> Result<(), StoreError> {
        named("issuer", &login.issuer)?;
        named("subject", &login.subject)?;
        self.write(|state| {
            let place = (login.issuer.clone(), login.subject.clone());
            if state.sign_ins.logins.contains_key(&place) {
                return Err(exists("login"));
            }
            state.is_user(&login.user_id)?;
            state.sign_ins.logins.insert(place, login);
            Ok(Written::Quiet(()))
        })
    }

    async fn by_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<StoredLogin>, StoreError> {
        let place = (issuer.to_owned(), subject.to_owned());
        self.read(|state| state.sign_ins.logins.get(&place).cloned())
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredLogin>, StoreError> {
        self.read(|state| {
            let logins = state.sign_ins.logins.values();
            let mut logins: Vec<_> =
                logins.filter(|login| login.user_id == user_id).cloned().collect();
            logins.sort_by_key(|login| login.created_at);
            logins
        })
    }

    async fn touch(&self, issuer: &str, subject: &str, at: Timestamp) -> Result<(), StoreError> {
        let place = (issuer.to_owned(), subject.to_owned());
        self.write(|state| {
            if let Some(login) = state.sign_ins.logins.get_mut(&place) {
                login.last_sign_in_at = login.last_sign_in_at.max(at);
            }
            Ok(Written::Quiet(()))
        })
    }

    async fn remove(&self, issuer: &str, subject: &str) -> Result<bool, StoreError> {
        let place = (issuer.to_owned(), subject.to_owned());
        self.write(|state| Ok(Written::Quiet(state.sign_ins.logins.remove(&place).is_some())))
    }
}
