//! Who a person of a provider is here.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_core::{Administration, Event, StoreError, StoredLogin, StoredUser, UserChange};
use haechi_identity::{AdministrationError, NewUser, plain_username};
use serde_json::Value;

use crate::federation::person::Person;
use crate::federation::provider::Provider;
use crate::federation::{Federation, FederationError};

/// What a person is called of whom nothing can be shown.
const NAMELESS: &str = "user";
/// How many numbers are tried behind a username that is taken, before chance decides.
const NUMBERS: u32 = 20;

impl Federation {
    /// The user that `person`, who may come in, is here; made now where the settings let it. Its
    /// name, address and roles follow the provider when it came by this one.
    pub(crate) async fn user_of(
        &self,
        provider: &Provider,
        person: &Person,
    ) -> Result<StoredUser, FederationError> {
        let (issuer, now) = (&provider.config.rules.issuer, self.rooms.clock.now());
        let Some(login) = self.rooms.logins.by_subject(issuer, &person.subject).await? else {
            if !provider.config.create {
                return Err(FederationError::NotKnown);
            }
            return self.create(provider, person).await;
        };
        let user = self.enabled(&login.user_id).await?;
        let user =
            if is_home(&login, &user) { self.follow(provider, person, &user).await? } else { user };
        self.rooms.logins.touch(issuer, &person.subject, now).await?;
        Ok(user)
    }

    /// The user that somebody becomes who was never here and of whom a provider's own signed word
    /// speaks, `claims`: by the rules of a sign-in, of which it takes the place.
    pub(crate) async fn newcomer(
        &self,
        issuer: &str,
        subject: &str,
        claims: &Value,
    ) -> Result<StoredUser, FederationError> {
        let provider = self.provider_of(issuer).ok_or(FederationError::NotKnown)?;
        let person = Person::read(subject.to_owned(), claims.clone(), &provider.config.claims);
        if !provider.config.admits(&person) {
            return Err(FederationError::NotAllowed);
        }
        self.user_of(provider, &person).await
    }

    /// Brings name, address and roles of a user up to what its provider says now. Other roles are
    /// recorded before they are in force, and when they are.
    pub(crate) async fn follow(
        &self,
        provider: &Provider,
        person: &Person,
        user: &StoredUser,
    ) -> Result<StoredUser, FederationError> {
        let roles = provider.config.roles_after(&user.roles, person);
        let change = UserChange {
            display_name: person.name.clone().map(Some),
            email: person.email.clone().map(Some),
            roles: Some(roles.clone()),
            ..UserChange::default()
        };
        let follow = self.rooms.identity.follow_user(&user.user_id, change);
        if roles == user.roles {
            return Ok(follow.await?);
        }
        self.record_roles(provider, user, &roles, "asked").await?;
        let followed = follow.await;
        let end = if followed.is_ok() { "done" } else { "not-done" };
        let recorded = self.record_roles(provider, user, &roles, end).await;
        let followed = followed?;
        recorded.map(|()| followed)
    }

    /// Records that a provider's word gives a user `roles`, and what came of it.
    async fn record_roles(
        &self,
        provider: &Provider,
        user: &StoredUser,
        roles: &BTreeSet<String>,
        state: &str,
    ) -> Result<(), FederationError> {
        let sid = self.rooms.identity.sid_of(&user.user_id).await?;
        let named = [state.to_owned(), format!("provider:{}", provider.config.name)];
        let (act, object) = ("user.roles".to_owned(), sid.to_string());
        let detail = named.into_iter().chain(roles.iter().map(|role| format!("role:{role}")));
        let entry = Administration { sid, act, object, detail: detail.collect() };
        let noted = self.rooms.audit.note(Event::Administration(entry)).await;
        noted.map(drop).map_err(|_| FederationError::NotRecorded)
    }

    /// Makes `person` a login of a user who is signed in here.
    pub(crate) async fn link(
        &self,
        provider: &Provider,
        person: &Person,
        user_id: &str,
    ) -> Result<StoredUser, FederationError> {
        let user = self.enabled(user_id).await?;
        let now = self.rooms.clock.now();
        // A login as old as its user is the one it came by.
        let linked_at = now.max(user.created_at.after(Duration::from_millis(1)));
        let login = StoredLogin {
            issuer: provider.config.rules.issuer.clone(),
            subject: person.subject.clone(),
            user_id: user.user_id.clone(),
            created_at: linked_at,
            last_sign_in_at: linked_at,
        };
        match self.rooms.logins.add(login).await {
            Ok(()) => Ok(user),
            Err(StoreError::Exists(_)) => {
                let issuer = &provider.config.rules.issuer;
                let standing = self.rooms.logins.by_subject(issuer, &person.subject).await?;
                let same = standing.is_some_and(|login| login.user_id == user.user_id);
                if same { Ok(user) } else { Err(FederationError::LinkedElsewhere) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The logins of a user that are of providers known here, with the provider's name.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn logins(&self, user_id: &str) -> Result<Vec<(String, StoredLogin)>, StoreError> {
        let all = self.rooms.logins.list(user_id).await?.into_iter();
        let named = |login: StoredLogin| {
            let provider = self.provider_of(&login.issuer)?;
            Some((provider.config.name.clone(), login))
        };
        Ok(all.filter_map(named).collect())
    }

    /// The provider a user came by, with the login.
    pub(crate) async fn home_of(
        &self,
        user: &StoredUser,
    ) -> Result<Option<(&Provider, StoredLogin)>, StoreError> {
        let logins = self.rooms.logins.list(&user.user_id).await?;
        let home = logins.into_iter().find(|login| is_home(login, user));
        Ok(home.and_then(|login| Some((self.provider_of(&login.issuer)?, login))))
    }

    async fn enabled(&self, user_id: &str) -> Result<StoredUser, FederationError> {
        let user = match self.rooms.identity.user_by_id(user_id).await {
            Err(AdministrationError::UnknownUser) => return Err(FederationError::NotKnown),
            found => found?,
        };
        if user.enabled { Ok(user) } else { Err(FederationError::UserDisabled) }
    }

    /// Makes a user with a name that nobody has. Of two sign-ins of one person at once, one makes it.
    async fn create(
        &self,
        provider: &Provider,
        person: &Person,
    ) -> Result<StoredUser, FederationError> {
        let user = self.add_user(provider, person).await?;
        let login = StoredLogin {
            issuer: provider.config.rules.issuer.clone(),
            subject: person.subject.clone(),
            user_id: user.user_id.clone(),
            created_at: user.created_at,
            last_sign_in_at: user.created_at,
        };
        let Err(error) = self.rooms.logins.add(login).await else { return Ok(user) };
        self.rooms.identity.remove_user(&user.username).await?;
        let StoreError::Exists(_) = error else { return Err(error.into()) };
        let issuer = &provider.config.rules.issuer;
        let standing = self.rooms.logins.by_subject(issuer, &person.subject).await?;
        self.enabled(&standing.ok_or(FederationError::NotKnown)?.user_id).await
    }

    async fn add_user(
        &self,
        provider: &Provider,
        person: &Person,
    ) -> Result<StoredUser, FederationError> {
        let wanted = wanted_name(person);
        let numbered = (2..NUMBERS).map(|number| format!("{wanted}-{number}"));
        let mut names: Vec<String> = std::iter::once(wanted.clone()).chain(numbered).collect();
        names.push(format!("{wanted}-{}", self.digits()?));
        for username in names {
            let new = NewUser {
                username,
                display_name: person.name.clone(),
                email: person.email.clone(),
                roles: provider.config.given_roles(person),
                password: None,
            };
            match self.rooms.identity.add_user(new).await {
                Err(AdministrationError::UsernameTaken) => {}
                made => return Ok(made?),
            }
        }
        Err(FederationError::User(AdministrationError::UsernameTaken))
    }

    fn digits(&self) -> Result<u32, FederationError> {
        let mut bytes = [0_u8; 4];
        self.rooms.entropy.fill(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }
}

/// Whether a user came here by this login: then both are of the same moment.
fn is_home(login: &StoredLogin, user: &StoredUser) -> bool {
    login.created_at == user.created_at
}

/// What the person is called there, or the part of the address before the `@`.
fn wanted_name(person: &Person) -> String {
    let local = person.email.as_deref().and_then(|email| email.split('@').next());
    let all = [person.username.as_deref(), local, person.name.as_deref()];
    all.into_iter().flatten().find_map(plain_username).unwrap_or_else(|| NAMELESS.to_owned())
}
