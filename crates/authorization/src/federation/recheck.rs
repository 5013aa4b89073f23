//! Asking a provider again whether a person may still be here, and in which groups.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use haechi_client::{Grant, TokenRequest, Tokens};
use haechi_core::{Sealed, Secret, Sid, StoredAccount, StoredLogin, StoredUser, Timestamp};
use haechi_identity::ExpectedIdToken;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::federation::person::{Person, subject};
use crate::federation::provider::{Arrival, Provider, Told};
use crate::federation::{Federation, FederationError};

/// What a refresh token is sealed for.
const SEALED_FOR: &str = "federation-refresh-token";

/// What a provider says when it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The person may be here: it was asked now or lately, or need not be asked.
    Holds,
    /// It no longer vouches for the person, or no rule lets the person in any more: what was granted
    /// must end.
    Ended,
}

/// What a provider gave, as it is kept: sealed for the person.
#[derive(Serialize, Deserialize)]
struct Kept {
    refresh_token: String,
    /// `sub`, of which ID tokens and userinfo must speak.
    sub: String,
}

/// One question at a time about one user: refresh tokens are good once.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, user_id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(all.entry(user_id.to_owned()).or_default())
    }
}

impl Federation {
    /// Asks the provider that `user_id` came by again, where the settings say so and its last word
    /// is old enough; name, address and roles follow. For every refresh of a token.
    ///
    /// # Errors
    ///
    /// [`FederationError`] when nothing was decided: the provider could not be asked or did not
    /// answer as it must, or what decides could not be read. Then nothing is given out either.
    pub async fn recheck(&self, user_id: &str) -> Result<Word, FederationError> {
        match self.asked_again(user_id).await {
            Err(error) if error.is_verdict() => {
                tracing::warn!(%error, word = error.word(), "a provider's word ends a grant");
                Ok(Word::Ended)
            }
            decided => decided,
        }
    }

    async fn asked_again(&self, user_id: &str) -> Result<Word, FederationError> {
        let user = self.rooms.identity.user_by_id(user_id).await?;
        let Some((provider, login)) = self.home_of(&user).await? else { return Ok(Word::Holds) };
        let Some(every) = provider.config.recheck else { return Ok(Word::Holds) };
        let turn = self.turns.of(user_id);
        let _turn = turn.lock().await;
        let sid = self.rooms.identity.sid_of(user_id).await?;
        let place = place(provider);
        let account = self.rooms.accounts.find(&sid, &place).await?;
        let ours = |account: &StoredAccount| account.issuer == login.issuer;
        let Some(account) = account.filter(ours) else { return Ok(Word::Ended) };
        let (now, last) =
            (self.rooms.clock.now(), account.refreshed_at.unwrap_or(account.created_at));
        if now >= last && now < last.after(every) {
            return Ok(Word::Holds);
        }
        let asked = self.ask_again(provider, &sid, account.clone(), &login).await;
        let admitted = asked.and_then(|person| match provider.config.admits(&person) {
            true => Ok(person),
            false => Err(FederationError::NotAllowed),
        });
        let person = match admitted {
            Ok(person) => person,
            Err(error) => return self.end(error, &sid, &account).await,
        };
        self.follow(provider, &person, &user).await?;
        self.note(&sid, &place, now).await?;
        Ok(Word::Holds)
    }

    /// Forgets what the provider gave when it refuses the person; unless another process was asking
    /// at the same moment, whose token is the good one now.
    async fn end(
        &self,
        error: FederationError,
        sid: &Sid,
        account: &StoredAccount,
    ) -> Result<Word, FederationError> {
        if !error.is_verdict() {
            return Err(error);
        }
        let standing = self.rooms.accounts.find(sid, &account.upstream).await?;
        let used_up = matches!(error, FederationError::Token(_));
        if used_up && standing.is_some_and(|standing| standing.revision != account.revision) {
            return Err(FederationError::Busy);
        }
        self.rooms.accounts.remove(sid, &account.upstream).await?;
        Err(error)
    }

    /// Notes that the provider's word is of now.
    async fn note(&self, sid: &Sid, place: &str, now: Timestamp) -> Result<(), FederationError> {
        if let Some(account) = self.rooms.accounts.find(sid, place).await? {
            let (revision, refreshed_at) = (account.revision + 1, Some(now));
            self.rooms.accounts.keep(StoredAccount { revision, refreshed_at, ..account }).await?;
        }
        Ok(())
    }

    async fn ask_again(
        &self,
        provider: &Provider,
        sid: &Sid,
        account: StoredAccount,
        login: &StoredLogin,
    ) -> Result<Person, FederationError> {
        let kept = self.kept(sid, &account).await?;
        let server = provider.metadata(&self.rooms).await?;
        let request = TokenRequest {
            grant: Grant::RefreshToken(kept.refresh_token.clone().into()),
            resource: None,
            scopes: Vec::new(),
        };
        let registration = &provider.registration;
        let asked = self.rooms.client.token(&server, registration, &request, None).await;
        let tokens = asked.map_err(FederationError::Token)?;
        self.keep_again(sid, account, &kept, &tokens).await?;
        let told = self.told(provider, &server, &tokens, &kept.sub).await?;
        let claims = told.unwrap_or(Value::Null);
        let told = Told { claims: &claims, sub: &kept.sub, subject: login.subject.clone() };
        provider.person(&self.rooms, &server, &tokens, told).await
    }

    /// The claims of the ID token, where one came: of the same person as before (OpenID Connect
    /// Core §12.2).
    async fn told(
        &self,
        provider: &Provider,
        server: &haechi_client::ServerMetadata,
        tokens: &Tokens,
        sub: &str,
    ) -> Result<Option<Value>, FederationError> {
        let Some(text) = &tokens.id_token else { return Ok(None) };
        let access_token = Some(&tokens.access_token);
        let expected = ExpectedIdToken { nonce: None, max_age: None, access_token };
        let id_token = provider.verified(&self.rooms, server, text, &expected).await?;
        let known = subject(&id_token.claims, &provider.config.claims).is_some();
        if id_token.subject != sub || !known {
            return Err(FederationError::OtherSubject);
        }
        Ok(Some(Value::clone(&id_token.claims)))
    }

    /// Keeps what a provider gave at a sign-in, for users who came by it.
    pub(crate) async fn remember(
        &self,
        provider: &Provider,
        user: &StoredUser,
        arrival: &Arrival,
    ) -> Result<(), FederationError> {
        let home = self.home_of(user).await?;
        let home = home.is_some_and(|(home, _)| home.config.name == provider.config.name);
        if provider.config.recheck.is_none() || !home {
            return Ok(());
        }
        let sid = self.rooms.identity.sid_of(&user.user_id).await?;
        let Some(refresh_token) = arrival.refresh_token.as_ref().and_then(Secret::expose_str)
        else {
            let name = &provider.config.name;
            tracing::warn!(
                provider = name,
                "a provider that is to be asked again gave no refresh token"
            );
            self.rooms.accounts.remove(&sid, &place(provider)).await?;
            return Ok(());
        };
        let kept =
            Kept { refresh_token: refresh_token.to_owned(), sub: arrival.id_token.subject.clone() };
        let now = self.rooms.clock.now();
        let account = StoredAccount {
            upstream: place(provider),
            issuer: provider.config.rules.issuer.clone(),
            sealed: self.sealed(&sid, &kept)?,
            scopes: BTreeSet::new(),
            revision: 0,
            created_at: now,
            refreshed_at: Some(now),
            sid,
        };
        self.rooms.accounts.keep(account).await?;
        Ok(())
    }

    async fn keep_again(
        &self,
        sid: &Sid,
        account: StoredAccount,
        before: &Kept,
        tokens: &Tokens,
    ) -> Result<(), FederationError> {
        let newer = tokens.refresh_token.as_ref().and_then(Secret::expose_str);
        let kept = Kept {
            refresh_token: newer.unwrap_or(&before.refresh_token).to_owned(),
            sub: before.sub.clone(),
        };
        let account = StoredAccount {
            sealed: self.sealed(sid, &kept)?,
            revision: account.revision + 1,
            ..account
        };
        self.rooms.accounts.keep(account).await?;
        Ok(())
    }

    fn sealed(&self, sid: &Sid, kept: &Kept) -> Result<Vec<u8>, FederationError> {
        let text = serde_json::to_vec(kept).map(Secret::new).map_err(|_| FederationError::Kept)?;
        Ok(self.rooms.sealer.seal(sid, SEALED_FOR, text.expose())?.0.into_bytes())
    }

    async fn kept(&self, sid: &Sid, account: &StoredAccount) -> Result<Kept, FederationError> {
        let sealed =
            String::from_utf8(account.sealed.clone()).map_err(|_| FederationError::Kept)?;
        let text = self.rooms.sealer.open(sid, SEALED_FOR, &Sealed(sealed)).await?;
        serde_json::from_slice(text.expose()).map_err(|_| FederationError::Kept)
    }
}

/// Where accounts of a provider are kept: under a name that no upstream can have.
fn place(provider: &Provider) -> String {
    format!("federation:{}", provider.config.name)
}
