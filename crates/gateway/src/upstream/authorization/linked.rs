//! Tokens of a person's own account at an upstream: kept sealed, refreshed by one at a time.

use haechi_client::{DiscoveryError, Grant, Registration, ServerMetadata, TokenRequest, TokenType};
use haechi_core::{Means, Principal, Sid, StoredAccount};
use haechi_guard::UpstreamFailure;

use super::account::AccountClient;
use super::{Account, Authorization, CredentialError, Held, Person};

/// How often an account is read anew when another process was quicker.
const ATTEMPTS: u32 = 3;

impl Authorization {
    /// The token of `caller`'s account. The store is asked each time: what was removed, or linked
    /// anew, bites at once, in every process on that store.
    pub(super) async fn hold_linked(
        &self,
        caller: &Principal,
        person: &mut Person,
    ) -> Result<Held, UpstreamFailure> {
        if caller.means == Means::Anonymous {
            return Err(self.none(CredentialError::Nobody));
        }
        for _ in 0..ATTEMPTS {
            let stored = self.find(&caller.sid).await?;
            let now = self.ways.clock.now();
            let current = Some((stored.created_at, stored.revision));
            let held = person.held.take().filter(|held| held.version == current);
            let held = match held {
                Some(held) => held,
                None => self.open(&stored).await.map_err(|error| self.none(error))?,
            };
            if held.is_fresh(now) {
                person.held = Some(held.clone());
                return Ok(held);
            }
            if let Some(held) = self.refresh(stored).await? {
                person.held = Some(held.clone());
                return Ok(held);
            }
        }
        Err(self.none(CredentialError::Paused))
    }

    /// The upstream turned `held` of `sid` down: its account is refreshed, unless that was done meanwhile.
    pub(super) async fn renew_linked(
        &self,
        sid: &Sid,
        held: &Held,
        person: &mut Person,
    ) -> Result<(), UpstreamFailure> {
        person.held = None;
        let stored = self.find(sid).await?;
        if held.version == Some((stored.created_at, stored.revision)) {
            person.held = self.refresh(stored).await?;
        }
        Ok(())
    }

    async fn find(&self, sid: &Sid) -> Result<StoredAccount, UpstreamFailure> {
        let found = self.ways.accounts.find(sid, self.upstream.as_str()).await;
        let found = found.map_err(|error| self.none(error.into()))?;
        let expected = |stored: &StoredAccount| {
            self.settings.issuer.as_ref().is_none_or(|issuer| *issuer == stored.issuer)
        };
        found.filter(expected).ok_or_else(|| self.not_linked(Vec::new()))
    }

    async fn open(&self, stored: &StoredAccount) -> Result<Held, CredentialError> {
        let account = Account::open(&self.ways, stored).await?;
        Ok(account.held(stored, account.proof_key(&self.ways)?))
    }

    /// New tokens for a kept account; `None` when somebody else was quicker.
    async fn refresh(&self, stored: StoredAccount) -> Result<Option<Held>, UpstreamFailure> {
        let account = Account::open(&self.ways, &stored).await.map_err(|it| self.none(it))?;
        let scopes = || stored.scopes.iter().cloned().collect::<Vec<_>>();
        let Some(token) = account.refresh_token.clone() else {
            return Err(self.not_linked(scopes()));
        };
        let asked = self.ask_refresh(&stored, &account, token).await;
        let (tokens, key) = match asked {
            Ok(asked) => asked,
            Err(CredentialError::Request(error)) if error.is_final() => {
                // Another process may have used the same token a moment ago.
                let now = self.find(&stored.sid).await?;
                let same = (now.created_at, now.revision) == (stored.created_at, stored.revision);
                return if same { Err(self.not_linked(scopes())) } else { Ok(None) };
            }
            Err(error) => return Err(self.none(error)),
        };
        let account = account.refreshed(&tokens);
        let next = StoredAccount {
            sealed: account
                .seal(&self.ways, &stored.sid, &stored.upstream)
                .map_err(|error| self.none(error))?,
            scopes: tokens
                .scopes
                .map_or_else(|| stored.scopes.clone(), |it| it.into_iter().collect()),
            revision: stored.revision + 1,
            refreshed_at: Some(self.ways.clock.now()),
            ..stored
        };
        let kept = self.ways.accounts.keep(next.clone()).await;
        let kept = kept.map_err(|error| self.none(error.into()))?;
        Ok(kept.then(|| account.held(&next, key)))
    }

    async fn ask_refresh(
        &self,
        stored: &StoredAccount,
        account: &Account,
        token: haechi_core::Secret,
    ) -> Result<(haechi_client::Tokens, std::sync::Arc<haechi_client::ProofKey>), CredentialError>
    {
        let server = self.server(&stored.issuer).await?;
        let registration = self.account_client(&account.client, &stored.issuer)?;
        let key = account.proof_key(&self.ways)?;
        let request = TokenRequest {
            grant: Grant::RefreshToken(token),
            resource: Some(account.resource.clone()),
            scopes: Vec::new(),
        };
        let bound = account.token_type == TokenType::Dpop;
        let proof = self.binds(&server, bound)?.then_some(&*key);
        let tokens = self.ask(&server, &registration, &request, proof).await?;
        Ok((tokens, key))
    }

    pub(super) fn account_client(
        &self,
        client: &AccountClient,
        issuer: &str,
    ) -> Result<Registration, CredentialError> {
        match client {
            AccountClient::Own(registration) => Ok(registration.clone()),
            AccountClient::Settings => self.registration(self.settings.client.as_ref(), issuer),
        }
    }

    /// The server that gave the tokens, and no other one.
    async fn server(&self, issuer: &str) -> Result<ServerMetadata, CredentialError> {
        match self.ways.client.server(issuer).await {
            Err(DiscoveryError::NoMetadata) => {
                let found = self.discovered().await?;
                let same = found.server.issuer == issuer;
                let server = same.then(|| found.server.clone());
                server.ok_or_else(|| DiscoveryError::NoMetadata.into())
            }
            found => Ok(found?),
        }
    }
}
