//! Browsers: the cookies they carry, and who is signed in with which.

use haechi_core::{StoredBrowserSession, StoredUser, Timestamp};
use http::header::{COOKIE, HeaderValue};

use crate::interaction::SignedIn;
use crate::{AuthorizationServer, OAuthError, Visit};

/// The longest cookie of ours, in bytes.
const MAX_COOKIE_BYTES: usize = 128;
/// The most browsers one person is signed in with; the oldest one ends.
const MAX_SESSIONS: usize = 32;
/// A use is noted no more often than this, in seconds.
const TOUCH_EVERY_SECS: u64 = 60;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The secret of a session.
    Session,
    /// A random word before anybody signed in: forms are bound to it.
    Visitor,
    /// The language somebody chose.
    Language,
}

impl Cookie {
    /// With `__Host-` no other host of the same domain can plant one (RFC 6265bis §4.1.3.2); on
    /// loopback without TLS browsers keep no such cookie.
    const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-haechi",
            (Self::Session, false) => "haechi",
            (Self::Visitor, true) => "__Host-haechi-visitor",
            (Self::Visitor, false) => "haechi-visitor",
            (Self::Language, true) => "__Host-haechi-language",
            (Self::Language, false) => "haechi-language",
        }
    }

    /// The cookie's value. `None` when there is none, or several that differ: somebody planted one.
    pub(crate) fn read<'a>(self, visit: &Visit<'a>) -> Option<&'a str> {
        let name = self.name(visit.secure);
        let headers = visit.head.headers.get_all(COOKIE).iter();
        let pairs = headers.filter_map(|header| header.to_str().ok()).flat_map(|h| h.split(';'));
        let mut values = pairs.filter_map(|pair| {
            let (known, value) = pair.trim().split_once('=')?;
            (known == name).then_some(value)
        });
        let value = values.next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = !value.is_empty() && value.len() <= MAX_COOKIE_BYTES && value.chars().all(plain);
        (fits && values.all(|other| other == value)).then_some(value)
    }

    /// `Set-Cookie` until the browser closes. `value` is of letters, digits, `-` and `_`.
    pub(crate) fn set(self, visit: &Visit<'_>, value: &str) -> Option<HeaderValue> {
        let (name, secure) = (self.name(visit.secure), if visit.secure { "; Secure" } else { "" });
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).ok()
    }

    /// `Set-Cookie` that takes the cookie away.
    pub(crate) fn end(self, visit: &Visit<'_>) -> Option<HeaderValue> {
        let (name, secure) = (self.name(visit.secure), if visit.secure { "; Secure" } else { "" });
        let text = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).ok()
    }
}

/// A browser somebody is signed in with. Whether that is enough is for [`crate::page`] to say: with
/// a second factor, the password alone is not.
#[derive(Clone)]
pub(crate) struct BrowserSession {
    /// What the cookie holds.
    pub(crate) secret: String,
    pub(crate) stored: StoredBrowserSession,
    pub(crate) user: StoredUser,
}

impl std::fmt::Debug for BrowserSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserSession").finish_non_exhaustive()
    }
}

impl BrowserSession {
    /// Who sits before it.
    pub(crate) fn who(&self) -> SignedIn {
        SignedIn {
            user_id: self.user.user_id.clone(),
            authenticated_at: self.stored.authenticated_at,
            methods: self.stored.methods.clone(),
        }
    }

    /// Whether more than one kind of proof was shown (RFC 8176: `mfa`).
    pub(crate) fn is_multi_factor(&self) -> bool {
        self.stored.methods.iter().any(|method| method == "mfa")
    }
}

impl AuthorizationServer {
    /// Who is signed in with this browser. Ended: by time, by disuse, with the user, and by whatever
    /// ended the user's tokens (a new password, a revocation).
    pub(crate) async fn session(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Option<BrowserSession>, OAuthError> {
        let Some(secret) = Cookie::Session.read(visit) else { return Ok(None) };
        let sha256 = haechi_identity::sha256(secret.as_bytes());
        let now = self.now();
        let Some(stored) = self.stores.sessions.find(&sha256, now).await? else { return Ok(None) };
        let user = self.stores.users.by_id(&stored.user_id).await?;
        let user = user.filter(|user| user.enabled && stored.created_at >= user.not_before);
        let idle = now >= stored.last_seen_at.after(self.config.session_idle);
        let Some(user) = user.filter(|_| !idle) else {
            self.stores.sessions.remove(&sha256).await?;
            return Ok(None);
        };
        if now.since(stored.last_seen_at).as_secs() >= TOUCH_EVERY_SECS {
            self.stores.sessions.touch(&sha256, now).await?;
        }
        Ok(Some(BrowserSession { secret: secret.to_owned(), stored, user }))
    }

    /// Signs a user in with this browser, under a new secret each time: one that somebody planted
    /// before is worth nothing (session fixation). What the browser had before ends. `details` is
    /// what a sign-out elsewhere needs.
    pub(crate) async fn begin_session(
        &self,
        visit: &Visit<'_>,
        user: &StoredUser,
        methods: Vec<String>,
        details: String,
    ) -> Result<BrowserSession, OAuthError> {
        // A user whose tokens were ended within this very millisecond signs in after that.
        let now = self.now().max(user.not_before);
        self.begin_session_since(visit, user, (methods, details), now).await
    }

    /// The same for somebody who proved itself elsewhere, at `authenticated_at`.
    pub(crate) async fn begin_session_since(
        &self,
        visit: &Visit<'_>,
        user: &StoredUser,
        (methods, details): (Vec<String>, String),
        authenticated_at: Timestamp,
    ) -> Result<BrowserSession, OAuthError> {
        self.end_session(visit).await?;
        let mut all = self.stores.sessions.list(&user.user_id).await?;
        while all.len() >= MAX_SESSIONS {
            let Some(oldest) = all.pop() else { break };
            self.stores.sessions.remove(&oldest.sha256).await?;
        }
        let secret = self.random_text()?;
        let now = self.now().max(user.not_before);
        let stored = StoredBrowserSession {
            sha256: haechi_identity::sha256(secret.as_bytes()),
            user_id: user.user_id.clone(),
            authenticated_at,
            methods,
            details,
            created_at: now,
            last_seen_at: now,
            expires_at: now.after(self.config.session_lifetime),
        };
        self.stores.sessions.add(stored.clone()).await?;
        Ok(BrowserSession { secret, stored, user: user.clone() })
    }

    /// Ends the session this browser has, if any.
    pub(crate) async fn end_session(&self, visit: &Visit<'_>) -> Result<bool, OAuthError> {
        let Some(secret) = Cookie::Session.read(visit) else { return Ok(false) };
        Ok(self.stores.sessions.remove(&haechi_identity::sha256(secret.as_bytes())).await?)
    }
}
