//! People: who there is, what holds them, and what the law lets them ask for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use haechi_core::{
    Clock, Entropy, LegalHold, ProtectError, RegisteredSubject, SealError, Sealer as _, Secret,
    Sid, StoreError, StoredToken, SubjectKeyState, SubjectKeyStore, SubjectRegistry, Timestamp,
    TokenStore,
};
use serde::Serialize;

use crate::subject_sealer::{NameError, SubjectSealer};

/// The issuer of names of people who are no users, but whom values are about.
pub const DATA_SUBJECT: &str = "data-subject";

/// How many rows are read at once.
pub(crate) const PAGE: u32 = 500;

/// Why something about a person could not be done. No variant carries a name or a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// Nobody is registered under this sid.
    #[error("there is nobody with the sid `{0}`")]
    Unknown(Sid),
    /// Nobody is registered under this name.
    #[error("there is nobody with this name")]
    UnknownName,
    /// The name belongs to another person.
    #[error("the name belongs to another person")]
    NameTaken,
    /// The person was erased, or its erasure has begun.
    #[error("`{0}` was erased")]
    Erased(Sid),
    /// Only an erased person is registered again.
    #[error("the person of this name was not erased")]
    NotErased,
    /// Legal holds stand against it.
    #[error("`{sid}` is held: {}", .holds.iter().map(|hold| &*hold.hold_id).collect::<Vec<_>>().join(", "))]
    Held {
        /// Whom.
        sid: Sid,
        /// What stands.
        holds: Vec<LegalHold>,
    },
    /// A hold of this id stands already.
    #[error("`{0}` holds this person already")]
    HeldAlready(String),
    /// Keys could not be used.
    #[error("the keys of persons are not available")]
    Keys(#[source] SealError),
    /// A store could not be used.
    #[error("the store of persons is not available")]
    Store(#[source] StoreError),
    /// A value could not be opened for a reason other than its person's or its own end.
    #[error("a value could not be opened")]
    Value(#[source] ProtectError),
    /// Files could not be read for the proof.
    #[error("`{}` cannot be read for the proof", .path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The search was stopped.
    #[error("the search for the proof was stopped")]
    Stopped,
    /// What was noted of an erasure is not what this program wrote.
    #[error("what was noted of the erasure of `{0}` cannot be read")]
    Record(Sid),
}

impl SubjectError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::UnknownName => "list who is known with `haechi subject list`",
            Self::NameTaken => "export both persons and decide whose it is",
            Self::Erased(_) => "register the person again, if it asks for it, under a new sid",
            Self::NotErased => "there is nothing to do: the person is known",
            Self::Held { .. } => "release every hold first",
            Self::HeldAlready(_) => "choose another id, or release that hold first",
            Self::Keys(_) | Self::Store(_) | Self::Value(_) => {
                "look at the data directory and its root key"
            }
            Self::Stopped => "ask again",
            Self::File { .. } => "look at its owner and its mode, and ask for the erasure again",
            Self::Record(_) => "restore the store from a backup, and ask for the erasure again",
        }
    }
}

impl From<StoreError> for SubjectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Opens stored tokens for their person: what an export shows.
#[async_trait::async_trait]
pub trait OpenStored: Send + Sync + fmt::Debug {
    /// The value of each of `tokens`, in their order, whether expired or not.
    async fn open_stored(&self, tokens: &[StoredToken]) -> Vec<Result<Secret, ProtectError>>;

    /// Tries to open `token` with exactly these bytes as the key of its person, past every check of
    /// state, version and time. Whether it opened.
    async fn opens_with(&self, token: &StoredToken, key: &Secret) -> bool;
}

/// What people are kept in.
#[derive(Clone, Debug)]
pub struct SubjectStores {
    /// Who there is.
    pub registry: Arc<dyn SubjectRegistry>,
    /// Their keys.
    pub keys: Arc<dyn SubjectKeyStore>,
    /// What tokens stand for.
    pub tokens: Arc<dyn TokenStore>,
}

/// A person as `list` shows it. Names are personal: they are shown only where asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubjectSummary {
    /// The random name.
    pub sid: Sid,
    /// When it was registered.
    pub registered_at: Option<Timestamp>,
    /// When its erasure began.
    pub erasing_since: Option<Timestamp>,
    /// Versions of its key; 0 when it has none.
    pub key_versions: usize,
    /// Legal holds.
    pub holds: u32,
    /// Since when the use of its keys is restricted.
    pub restricted_since: Option<Timestamp>,
}

/// The people: registry, keys and what is protected for them.
#[derive(Clone, Debug)]
pub struct Subjects {
    pub(crate) stores: SubjectStores,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) values: Arc<dyn OpenStored>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Subjects {
    /// The people of `stores`, whose keys `sealer` uses and whose values `values` opens.
    #[must_use]
    pub const fn new(
        stores: SubjectStores,
        sealer: Arc<SubjectSealer>,
        values: Arc<dyn OpenStored>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { stores, sealer, values, clock, entropy }
    }

    /// The sid of (`issuer`, `name`), if there is one; registers nobody.
    ///
    /// # Errors
    ///
    /// [`SubjectError::UnknownName`].
    pub async fn find(&self, issuer: &str, name: &str) -> Result<Sid, SubjectError> {
        let lookup = self.sealer.lookup(issuer, name);
        let found = self.stores.registry.by_name(&lookup).await?;
        found.map(|found| found.sid).ok_or(SubjectError::UnknownName)
    }

    /// The sid of (`issuer`, `name`), registered on first sight. People who are no users have the
    /// issuer [`DATA_SUBJECT`].
    ///
    /// # Errors
    ///
    /// [`SubjectError::Erased`] for who was erased.
    pub async fn register(&self, issuer: &str, name: &str) -> Result<Sid, SubjectError> {
        self.sealer.sid(issuer, name).await.map_err(of_keys)
    }

    /// Gives `sid` another name, such as an e-mail address: whoever meets it meets this person.
    ///
    /// # Errors
    ///
    /// [`SubjectError::NameTaken`], [`SubjectError::Erased`], [`SubjectError::Unknown`].
    pub async fn add_name(&self, sid: &Sid, issuer: &str, name: &str) -> Result<(), SubjectError> {
        self.known(sid).await?;
        self.sealer.name(sid, issuer, name).await.map_err(|error| match error {
            NameError::Taken => SubjectError::NameTaken,
            NameError::Keys(error) => of_keys(error),
        })
    }

    /// Registers who was erased once more, as another person: new sid, new key. Nothing else does
    /// that: until then, whatever comes for this name is refused.
    ///
    /// # Errors
    ///
    /// [`SubjectError::NotErased`], [`SubjectError::UnknownName`].
    pub async fn register_again(&self, issuer: &str, name: &str) -> Result<Sid, SubjectError> {
        let lookup = self.sealer.lookup(issuer, name);
        let fresh = self.sealer.fresh_sid().map_err(of_keys)?;
        let now = self.clock.now();
        let again = self.stores.registry.register_again(&lookup, &fresh, now).await;
        again.map_err(|error| match error {
            StoreError::Missing(_) => SubjectError::UnknownName,
            StoreError::Exists(_) => SubjectError::NotErased,
            error => SubjectError::Store(error),
        })?;
        self.register(issuer, name).await
    }

    /// At most `limit` people by sid, after `after`.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<SubjectSummary>, SubjectError> {
        let mut summaries = Vec::new();
        for person in self.stores.registry.list(after, limit).await? {
            let key_versions = match self.stores.keys.keys(&person.sid).await? {
                SubjectKeyState::Kept(keys) => keys.len(),
                SubjectKeyState::None | SubjectKeyState::Destroyed(_) => 0,
            };
            let restricted_since = self.stores.keys.restricted(&person.sid).await?;
            summaries.push(SubjectSummary {
                sid: person.sid,
                registered_at: person.registered_at,
                erasing_since: person.erasing_since,
                key_versions,
                holds: person.holds,
                restricted_since,
            });
        }
        Ok(summaries)
    }

    /// Holds what is kept about `sid`: neither erasure nor retention takes it. `reason` is not sealed
    /// and must hold nothing personal.
    ///
    /// # Errors
    ///
    /// [`SubjectError::HeldAlready`], [`SubjectError::Erased`], [`SubjectError::Unknown`].
    pub async fn hold(&self, sid: &Sid, hold_id: &str, reason: &str) -> Result<(), SubjectError> {
        self.known(sid).await?;
        let (hold_id, reason) = (hold_id.to_owned(), reason.to_owned());
        let hold = LegalHold { hold_id: hold_id.clone(), reason, since: self.clock.now() };
        self.stores.registry.hold(sid, hold).await.map_err(|error| match error {
            StoreError::Exists(_) => SubjectError::HeldAlready(hold_id),
            StoreError::Missing(_) => SubjectError::Erased(sid.clone()),
            error => SubjectError::Store(error),
        })
    }

    /// Ends a hold; `false` when there was none.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn release(&self, sid: &Sid, hold_id: &str) -> Result<bool, SubjectError> {
        Ok(self.stores.registry.release(sid, hold_id).await?)
    }

    /// What holds `sid`, oldest first.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn holds(&self, sid: &Sid) -> Result<Vec<LegalHold>, SubjectError> {
        Ok(self.stores.registry.holds(sid).await?)
    }

    /// Restricts what is done with what is kept about `sid`: no value is opened and none protected, but
    /// for [`Self::export`]. What the audit log must record goes on. `false` when it stood so already.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Erased`], [`SubjectError::Unknown`].
    pub async fn restrict(&self, sid: &Sid) -> Result<bool, SubjectError> {
        if self.known(sid).await?.erasing_since.is_some() {
            return Err(SubjectError::Erased(sid.clone()));
        }
        Ok(self.stores.keys.restrict(sid, Some(self.clock.now())).await?)
    }

    /// Ends a restriction; `false` when there was none.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn lift_restriction(&self, sid: &Sid) -> Result<bool, SubjectError> {
        Ok(self.stores.keys.restrict(sid, None).await?)
    }

    /// Everybody who is held: whose values do not expire.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn held(&self) -> Result<BTreeSet<Sid>, SubjectError> {
        Ok(self.stores.registry.held().await?.into_iter().collect())
    }

    /// Deletes the tokens whose time is over, but for those of people who are held; answers how many.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Store`].
    pub async fn expire(&self) -> Result<u64, SubjectError> {
        let held = self.held().await?;
        Ok(self.stores.tokens.expire(self.clock.now(), &held).await?)
    }

    pub(crate) async fn known(&self, sid: &Sid) -> Result<RegisteredSubject, SubjectError> {
        let found = self.stores.registry.with_sid(sid).await?;
        found.ok_or_else(|| SubjectError::Unknown(sid.clone()))
    }

    /// Every stored token of `sid`.
    pub(crate) async fn tokens(&self, sid: &Sid) -> Result<Vec<StoredToken>, SubjectError> {
        let (mut tokens, mut after) = (Vec::new(), None);
        loop {
            let page = self.stores.tokens.page(Some(sid), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(tokens) };
            after = Some(last.lookup);
            tokens.extend(page);
        }
    }
}

pub(crate) fn of_keys(error: SealError) -> SubjectError {
    match error {
        SealError::NoKey(sid) => SubjectError::Erased(sid),
        error => SubjectError::Keys(error),
    }
}
