//! `/oauth/account`: what a person allowed, and where it is signed in; each can be ended.

use std::collections::BTreeMap;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use haechi_core::{FactorKind, StoredLogin};
use http::Response;

use super::answer::{Frame, Page, minute, see_other};
use super::consent::{host_of, name_of};
use super::next::Step;
use crate::csrf::form_word;
use crate::federation::ProviderLink;
use crate::form::Form;
use crate::session::{BrowserSession, Cookie};
use crate::{AuthorizationServer, OAuthError, Visit};

const PURPOSE: &str = "account";

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    user: String,
    leave: String,
    word: String,
    clients: Vec<Row>,
    sessions: Vec<Row>,
    factors: Vec<Row>,
    codes_left: Option<usize>,
    logins: Vec<Row>,
    linkable: Vec<ProviderLink>,
}

/// Something that can be ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) detail: String,
}

impl AuthorizationServer {
    /// The overview, or whatever must come before it.
    pub(super) async fn account_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let Some(session) = self.session(visit).await? else {
            return self.go_on(visit, None, None).await;
        };
        if self.step(Some(&session), None).await? != Step::Done {
            return self.go_on(visit, Some(&session), None).await;
        }
        let frame = Frame::new(visit, "account", None);
        let template = AccountPage {
            user: name_of(&session.user),
            leave: form_word(&session.secret, "sign-out"),
            word: form_word(&session.secret, PURPOSE),
            clients: self.client_rows(&session, &frame).await?,
            sessions: self.session_rows(&session, &frame).await?,
            factors: self.factor_rows(&session, &frame).await?,
            codes_left: self.factors().recovery_codes_left(&session.user.user_id).await?,
            logins: self.login_rows(&session, &frame).await?,
            linkable: self.linkable(&session, frame.language).await?,
            frame,
        };
        Ok(Page::PLAIN.show(visit, &template))
    }

    /// Clients with consents or grants, by id.
    async fn client_rows(
        &self,
        session: &BrowserSession,
        frame: &Frame,
    ) -> Result<Vec<Row>, OAuthError> {
        let user_id = &session.user.user_id;
        let mut found: BTreeMap<String, (Vec<String>, haechi_core::Timestamp)> = BTreeMap::new();
        for consent in self.stores.consents.list(user_id, None).await? {
            let entry = found.entry(consent.client_id).or_default();
            entry.0.push(consent.resource);
            entry.1 = entry.1.max(consent.granted_at);
        }
        for grant in self.stores.grants.list(Some(user_id), None, self.now()).await? {
            let entry = found.entry(grant.client_id).or_default();
            entry.0.extend(grant.resources);
            entry.1 = entry.1.max(grant.created_at);
        }
        let mut rows = Vec::new();
        for (client_id, (resources, at)) in found {
            let names = self.named_resources(&resources, frame);
            let detail = format!("{} · {}", names.join(", "), minute(at));
            rows.push(Row { name: self.known_name(&client_id).await?, id: client_id, detail });
        }
        Ok(rows)
    }

    /// What a client is called, without asking anybody outside.
    async fn known_name(&self, client_id: &str) -> Result<String, OAuthError> {
        let stored = self.stores.clients.by_id(client_id).await?;
        let client = stored.and_then(|stored| crate::clients::Client::of_stored(&stored).ok());
        let host = || host_of(client_id).unwrap_or_else(|| client_id.to_owned());
        Ok(client.map_or_else(host, |client| client.name().to_owned()))
    }

    async fn session_rows(
        &self,
        session: &BrowserSession,
        frame: &Frame,
    ) -> Result<Vec<Row>, OAuthError> {
        let all = self.stores.sessions.list(&session.user.user_id).await?;
        let now = self.now();
        let row = |stored: &haechi_core::StoredBrowserSession| {
            let here = stored.sha256 == session.stored.sha256;
            let since = frame.say("signed in", "로그인");
            let seen = frame.say("last used", "마지막 사용");
            let (created, last) = (minute(stored.created_at), minute(stored.last_seen_at));
            Row {
                id: URL_SAFE_NO_PAD.encode(stored.sha256),
                name: if here {
                    frame.say("This browser", "이 브라우저")
                } else {
                    frame.say("Another browser", "다른 브라우저")
                },
                detail: format!("{since} {created} · {seen} {last}"),
            }
        };
        Ok(all.iter().filter(|stored| now < stored.expires_at).map(row).collect())
    }

    /// Recovery codes are no row: they come and go with the others.
    async fn factor_rows(
        &self,
        session: &BrowserSession,
        frame: &Frame,
    ) -> Result<Vec<Row>, OAuthError> {
        let all = self.factors().list(&session.user.user_id).await?;
        let row = |factor: haechi_core::StoredFactor| {
            let name = match factor.kind {
                FactorKind::Totp => frame.say("App that shows codes", "코드를 보여 주는 앱"),
                FactorKind::Passkey => frame.say("Passkey", "패스키"),
                FactorKind::RecoveryCodes => return None,
            };
            let added = format!("{} {}", frame.say("added", "추가"), minute(factor.created_at));
            let last = factor.last_used_at.map(minute);
            let last = last.map(|at| format!(" · {} {at}", frame.say("last used", "마지막 사용")));
            let detail = format!("{added}{}", last.unwrap_or_default());
            Some(Row { id: factor.factor_id, name, detail })
        };
        Ok(all.into_iter().filter_map(row).collect())
    }

    async fn login_rows(
        &self,
        session: &BrowserSession,
        frame: &Frame,
    ) -> Result<Vec<Row>, OAuthError> {
        let all = self.stores.logins.list(&session.user.user_id).await?;
        let last = frame.say("last used", "마지막 사용");
        let row = |login: StoredLogin| Row {
            id: login_id(&login.issuer, &login.subject),
            name: host_of(&login.issuer).unwrap_or(login.issuer),
            detail: format!("{last} {}", minute(login.last_sign_in_at)),
        };
        Ok(all.into_iter().map(row).collect())
    }

    /// Ends what the person chose.
    pub(super) async fn account_changed(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_body(visit)?;
        self.check_form(visit, &form, Cookie::Session.read(visit), PURPOSE)?;
        let Some(session) = self.session(visit).await? else {
            return self.go_on(visit, None, None).await;
        };
        if self.step(Some(&session), None).await? != Step::Done {
            return self.go_on(visit, Some(&session), None).await;
        }
        let id = form.required("id")?;
        match form.one("action") {
            Some("end-client") => self.end_client(&session, id).await?,
            Some("end-session") => self.end_one_session(&session, id).await?,
            Some("end-factor" | "new-codes") if !self.is_fresh(&session) => {
                return Ok(see_other("/oauth/sign-in"));
            }
            Some("end-factor") => {
                self.note_own(&session, "user.second-factor", "removed").await?;
                self.factors().remove(&session.user.user_id, id).await?;
            }
            Some("new-codes") => {
                let onward = "/oauth/account".to_owned();
                return self.show_recovery_codes(visit, &session, onward).await;
            }
            Some("end-login") => self.end_login(&session, id).await?,
            _ => return Err(OAuthError::request("account-action", "there is no such action")),
        }
        Ok(see_other("/oauth/account"))
    }

    /// Takes a client's access: its tokens are refused from the next request on.
    async fn end_client(&self, session: &BrowserSession, id: &str) -> Result<(), OAuthError> {
        let (user_id, now) = (&session.user.user_id, self.now());
        let consents = self.stores.consents.list(user_id, Some(id)).await?;
        let grants = self.stores.grants.list(Some(user_id), Some(id), now).await?;
        if consents.is_empty() && grants.is_empty() {
            return Ok(());
        }
        let detail = vec![format!("grants:{}", grants.len())];
        self.record_change(user_id, "grant.revoke", id, detail).await?;
        // In this order: a code that is redeemed meanwhile finds no consent, or its grant ends here.
        self.stores.consents.remove(user_id, id).await?;
        for grant in self.stores.grants.list(Some(user_id), Some(id), now).await? {
            self.stores.grants.revoke(&grant.grant_id, now).await?;
        }
        Ok(())
    }

    /// Records what a person changes of its own account: `what` is a fixed word.
    pub(super) async fn note_own(
        &self,
        session: &BrowserSession,
        act: &str,
        what: &str,
    ) -> Result<(), OAuthError> {
        let user_id = &session.user.user_id;
        let sid = self.rooms.identity.sid_of(user_id).await;
        let sid = sid.map_err(|_| OAuthError::unavailable("sealer-unavailable"))?;
        self.record_change(user_id, act, &sid.0, vec![what.to_owned()]).await
    }

    async fn end_one_session(&self, session: &BrowserSession, id: &str) -> Result<(), OAuthError> {
        let all = self.stores.sessions.list(&session.user.user_id).await?;
        let named = all.iter().find(|stored| URL_SAFE_NO_PAD.encode(stored.sha256) == id);
        if let Some(named) = named {
            self.note_own(session, "user.sign-out", "browser").await?;
            self.stores.sessions.remove(&named.sha256).await?;
        }
        Ok(())
    }

    async fn end_login(&self, session: &BrowserSession, id: &str) -> Result<(), OAuthError> {
        let all = self.stores.logins.list(&session.user.user_id).await?;
        // The one that the user came by is who the user is; it is as old as the user.
        let linked = |one: &&StoredLogin| one.created_at != session.user.created_at;
        let named = |one: &&StoredLogin| login_id(&one.issuer, &one.subject) == id;
        if let Some(login) = all.iter().filter(linked).find(named) {
            self.note_own(session, "user.login", "unlinked").await?;
            self.stores.logins.remove(&login.issuer, &login.subject).await?;
        }
        Ok(())
    }
}

/// A word for a login that says nothing of the person.
fn login_id(issuer: &str, subject: &str) -> String {
    let text = format!("{issuer}\0{subject}");
    URL_SAFE_NO_PAD.encode(haechi_identity::sha256(text.as_bytes()))
}
