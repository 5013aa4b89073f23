//! By what a person signs in here, and what it granted: for its export and its erasure.

use haechi_core::{
    BrowserSessionStore, ConsentStore, FactorKind, FactorStore, GrantStore, LoginStore, Sid,
    StoreError, Timestamp,
};
use haechi_identity::AdministrationError;
use haechi_vault::{ExportedAccess, ExportedName};
use serde_json::{Value, json};

use crate::Rooms;

impl Rooms {
    /// What is kept of a person's sign-ins and grants, without secrets; `names` are all it has.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn access_of(
        &self,
        sid: &Sid,
        names: &[ExportedName],
    ) -> Result<Vec<ExportedAccess>, StoreError> {
        let mut access = Vec::new();
        for user_id in self.user_ids(names) {
            access.extend(self.grants_of(user_id).await?);
            access.extend(self.sign_ins_of(user_id).await?);
        }
        for linked in self.accounts.list(sid).await? {
            let detail = json!({ "upstream": linked.upstream, "issuer": linked.issuer, "scopes": linked.scopes });
            access.push(told("linked-account", linked.created_at, None, detail));
        }
        Ok(access)
    }

    /// Ends and forgets what [`Rooms::access_of`] shows of the users with these `names`. Grants are
    /// revoked; `serve` forgets them a day later. Linked accounts are not touched.
    ///
    /// # Errors
    ///
    /// Identity's and the store's; doing it again is harmless.
    pub async fn forget_access(&self, names: &[ExportedName]) -> Result<(), AdministrationError> {
        let store = &self.store;
        for user_id in self.user_ids(names) {
            match self.identity.revoke_subject(self.identity.issuer(), user_id).await {
                Ok(()) | Err(AdministrationError::UnknownUser) => {}
                Err(error) => return Err(error),
            }
            for consent in ConsentStore::list(store, user_id, None).await? {
                ConsentStore::remove(store, user_id, &consent.client_id).await?;
            }
            BrowserSessionStore::remove_all(store, user_id).await?;
            for factor in FactorStore::list(store, user_id).await? {
                FactorStore::remove(store, user_id, &factor.factor_id).await?;
            }
            for login in LoginStore::list(store, user_id).await? {
                LoginStore::remove(store, &login.issuer, &login.subject).await?;
            }
        }
        Ok(())
    }

    /// The users of this gateway among `names`.
    fn user_ids<'a>(&self, names: &'a [ExportedName]) -> impl Iterator<Item = &'a str> {
        let issuer = self.identity.issuer().to_owned();
        names.iter().filter(move |name| name.issuer == issuer).map(|name| name.name.as_str())
    }

    async fn grants_of(&self, user_id: &str) -> Result<Vec<ExportedAccess>, StoreError> {
        let store = &self.store;
        let grants = GrantStore::list(store, Some(user_id), None, self.clock.now()).await?;
        let grants = grants.into_iter().map(|grant| {
            let detail = json!({ "client": grant.client_id, "scopes": grant.scopes, "resources": grant.resources });
            told("grant", grant.created_at, Some(grant.expires_at), detail)
        });
        let consents = ConsentStore::list(store, user_id, None).await?;
        let consents = consents.into_iter().map(|consent| {
            let detail = json!({ "client": consent.client_id, "scopes": consent.scopes, "resource": consent.resource });
            told("consent", consent.granted_at, None, detail)
        });
        Ok(grants.chain(consents).collect())
    }

    async fn sign_ins_of(&self, user_id: &str) -> Result<Vec<ExportedAccess>, StoreError> {
        let store = &self.store;
        let sessions = BrowserSessionStore::list(store, user_id).await?;
        let sessions = sessions.into_iter().map(|session| {
            let detail =
                json!({ "how": session.methods, "last_seen_at": session.last_seen_at.to_string() });
            told("session", session.created_at, Some(session.expires_at), detail)
        });
        let factors = FactorStore::list(store, user_id).await?;
        let factors = factors.into_iter().map(|factor| {
            let detail = json!({ "kind": kind(factor.kind), "label": factor.label });
            told("second-factor", factor.created_at, None, detail)
        });
        let logins = LoginStore::list(store, user_id).await?;
        let logins = logins.into_iter().map(|login| {
            let detail = json!({ "issuer": login.issuer, "subject": login.subject });
            told("login", login.created_at, None, detail)
        });
        Ok(sessions.chain(factors).chain(logins).collect())
    }
}

fn told(kind: &str, at: Timestamp, ends: Option<Timestamp>, detail: Value) -> ExportedAccess {
    ExportedAccess {
        kind: kind.to_owned(),
        at: at.to_string(),
        expires_at: ends.map(|end| end.to_string()),
        detail,
    }
}

const fn kind(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "totp",
        FactorKind::Passkey => "passkey",
        FactorKind::RecoveryCodes => "recovery-codes",
    }
}
