//! Users: add, show, list, change, remove.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_core::{Secret, StoreError, StoredUser, Timestamp, UserChange};

use super::AdministrationError;
use crate::Identity;
use crate::username::{check_username, is_plain, is_role};

/// The longest display name, e-mail address or label, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 256;

/// A user to be added.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Unique; 1 to 128 bytes without invisible characters.
    pub username: String,
    /// The name other people read; at most 256 bytes.
    pub display_name: Option<String>,
    /// At most 256 bytes.
    pub email: Option<String>,
    /// Names of roles.
    pub roles: BTreeSet<String>,
    /// Without one the user cannot sign in with a password.
    pub password: Option<Secret>,
}

impl Identity {
    /// Adds an enabled user.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when the name is taken or anything is not acceptable; then nothing
    /// was added.
    pub async fn add_user(&self, new: NewUser) -> Result<StoredUser, AdministrationError> {
        check_username(&new.username)?;
        check_text("display name", new.display_name.as_deref())?;
        check_text("e-mail address", new.email.as_deref())?;
        check_roles(&new.roles)?;
        let password = match &new.password {
            Some(password) => Some(self.new_password(&new.username, password).await?),
            None => None,
        };
        let user = StoredUser {
            user_id: self.new_user_id()?,
            username: new.username,
            display_name: new.display_name,
            email: new.email,
            roles: new.roles,
            enabled: true,
            not_before: Timestamp::default(),
            created_at: self.now(),
            last_sign_in_at: None,
        };
        self.stores.users.add(user.clone()).await.map_err(taken)?;
        if let Some(password) = password {
            let kept = self.stores.passwords.replace(&user.user_id, password).await;
            if let Err(error) = kept {
                self.stores.users.remove(&user.user_id).await?;
                return Err(error.into());
            }
        }
        Ok(user)
    }

    /// The user of this name.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn user(&self, username: &str) -> Result<StoredUser, AdministrationError> {
        let found = self.stores.users.by_username(username).await?;
        found.ok_or(AdministrationError::UnknownUser)
    }

    /// The user with this `user_id`.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn user_by_id(&self, user_id: &str) -> Result<StoredUser, AdministrationError> {
        let found = self.stores.users.by_id(user_id).await?;
        found.ok_or(AdministrationError::UnknownUser)
    }

    /// At most `limit` users in the order of their names, after the name `after`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn users(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredUser>, AdministrationError> {
        Ok(self.stores.users.list(after, limit).await?)
    }

    /// Sets a password. Every token issued before is refused from then on; API keys stay.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when the password is not acceptable; then the old one stays.
    pub async fn set_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<StoredUser, AdministrationError> {
        let user = self.user(username).await?;
        let kept = self.new_password(username, password).await?;
        self.stores.passwords.replace(&user.user_id, kept).await.map_err(gone)?;
        let ended = UserChange { not_before: Some(self.next_moment()), ..UserChange::default() };
        self.changed(&user.user_id, ended).await
    }

    /// Replaces all roles. Tokens that are out bring the new ones from the next request on.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when a role's name is not acceptable.
    pub async fn set_roles(
        &self,
        username: &str,
        roles: BTreeSet<String>,
    ) -> Result<StoredUser, AdministrationError> {
        check_roles(&roles)?;
        let user = self.user(username).await?;
        let change = UserChange { roles: Some(roles), ..UserChange::default() };
        self.changed(&user.user_id, change).await
    }

    /// Changes name, address or roles of a user; what is absent stays, and so does everything else
    /// that `change` names. Nothing is written when it all stood so already.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when anything is not acceptable; then nothing was changed.
    pub async fn follow_user(
        &self,
        user_id: &str,
        change: UserChange,
    ) -> Result<StoredUser, AdministrationError> {
        let UserChange { display_name, email, roles, .. } = change;
        check_text("display name", display_name.as_ref().and_then(Option::as_deref))?;
        check_text("e-mail address", email.as_ref().and_then(Option::as_deref))?;
        if let Some(roles) = &roles {
            check_roles(roles)?;
        }
        let user = self.user_by_id(user_id).await?;
        let change = UserChange {
            display_name: display_name.filter(|name| *name != user.display_name),
            email: email.filter(|email| *email != user.email),
            roles: roles.filter(|roles| *roles != user.roles),
            ..UserChange::default()
        };
        if change.display_name.is_none() && change.email.is_none() && change.roles.is_none() {
            return Ok(user);
        }
        self.changed(user_id, change).await
    }

    /// Enables a user. Tokens issued before the user was disabled stay refused.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn enable_user(&self, username: &str) -> Result<StoredUser, AdministrationError> {
        let user = self.user(username).await?;
        let change = UserChange { enabled: Some(true), ..UserChange::default() };
        self.changed(&user.user_id, change).await
    }

    /// Disables a user everywhere at once, and ends every token that is out.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn disable_user(&self, username: &str) -> Result<StoredUser, AdministrationError> {
        let user = self.user(username).await?;
        let change = UserChange {
            enabled: Some(false),
            not_before: Some(self.next_moment()),
            ..UserChange::default()
        };
        self.changed(&user.user_id, change).await
    }

    /// Removes a user with password and API keys; answers who it was.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn remove_user(&self, username: &str) -> Result<StoredUser, AdministrationError> {
        let user = self.user(username).await?;
        self.stores.users.remove(&user.user_id).await.map_err(gone)?;
        Ok(user)
    }

    /// Changes a user and reads it again.
    pub(super) async fn changed(
        &self,
        user_id: &str,
        change: UserChange,
    ) -> Result<StoredUser, AdministrationError> {
        self.stores.users.change(user_id, change).await.map_err(gone)?;
        self.user_by_id(user_id).await
    }

    /// The first moment at which a token can be issued that is not ended by what is done now.
    pub(super) fn next_moment(&self) -> Timestamp {
        self.now().after(Duration::from_millis(1))
    }
}

fn check_roles(roles: &BTreeSet<String>) -> Result<(), AdministrationError> {
    match roles.iter().find(|role| !is_role(role)) {
        Some(role) => Err(AdministrationError::Role(role.escape_debug().take(64).collect())),
        None => Ok(()),
    }
}

pub(super) fn check_text(
    what: &'static str,
    text: Option<&str>,
) -> Result<(), AdministrationError> {
    match text {
        Some(text) if !is_plain(text, MAX_TEXT_BYTES) => Err(AdministrationError::Text(what)),
        _ => Ok(()),
    }
}

/// A username that is taken is the administrator's mistake, not the store's failure.
fn taken(error: StoreError) -> AdministrationError {
    match error {
        StoreError::Exists(_) => AdministrationError::UsernameTaken,
        other => other.into(),
    }
}

/// A user that is gone was removed by somebody else between two steps.
pub(super) fn gone(error: StoreError) -> AdministrationError {
    match error {
        StoreError::Missing(_) => AdministrationError::UnknownUser,
        other => other.into(),
    }
}
