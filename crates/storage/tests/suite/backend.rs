//! The backends under test, each with two handles on the same store.

use std::sync::Arc;

use haechi_core::{
    AccountStore, ApiKeyStore, BrowserSessionStore, ClientStore, ConsentStore, FactorStore,
    GrantStore, LoginStore, PasswordStore, RevocationStore, SigningKeyStore, StoreError,
    StoredUser, SubjectKeyStore, SubjectRegistry, SubjectStore, TicketStore, Timestamp, TokenStore,
    UserStore, VaultKeyStore,
};
use haechi_storage::{Memory, MemorySubjectKeys, Sqlite, SubjectKeyFile};
use tempfile::TempDir;

/// How many callers race each other.
pub(crate) const RACERS: usize = 16;

/// Every contract of one handle.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) passwords: Arc<dyn PasswordStore>,
    pub(crate) api_keys: Arc<dyn ApiKeyStore>,
    pub(crate) signing_keys: Arc<dyn SigningKeyStore>,
    pub(crate) revocations: Arc<dyn RevocationStore>,
    pub(crate) subjects: Arc<dyn SubjectStore>,
    pub(crate) people: Arc<dyn SubjectRegistry>,
    pub(crate) keys: Arc<dyn SubjectKeyStore>,
    pub(crate) vault_keys: Arc<dyn VaultKeyStore>,
    pub(crate) tokens: Arc<dyn TokenStore>,
    pub(crate) clients: Arc<dyn ClientStore>,
    pub(crate) grants: Arc<dyn GrantStore>,
    pub(crate) consents: Arc<dyn ConsentStore>,
    pub(crate) tickets: Arc<dyn TicketStore>,
    pub(crate) sessions: Arc<dyn BrowserSessionStore>,
    pub(crate) factors: Arc<dyn FactorStore>,
    pub(crate) logins: Arc<dyn LoginStore>,
    pub(crate) accounts: Arc<dyn AccountStore>,
}

impl Stores {
    pub(crate) fn of<S>(store: &S, keys: Arc<dyn SubjectKeyStore>) -> Self
    where
        S: UserStore + PasswordStore + ApiKeyStore + SigningKeyStore + RevocationStore,
        S: SubjectStore + SubjectRegistry + VaultKeyStore + TokenStore + Clone + 'static,
        S: ClientStore + GrantStore + ConsentStore + TicketStore + BrowserSessionStore,
        S: FactorStore + LoginStore + AccountStore,
    {
        Self {
            users: Arc::new(store.clone()),
            passwords: Arc::new(store.clone()),
            api_keys: Arc::new(store.clone()),
            signing_keys: Arc::new(store.clone()),
            revocations: Arc::new(store.clone()),
            subjects: Arc::new(store.clone()),
            people: Arc::new(store.clone()),
            keys,
            vault_keys: Arc::new(store.clone()),
            tokens: Arc::new(store.clone()),
            clients: Arc::new(store.clone()),
            grants: Arc::new(store.clone()),
            consents: Arc::new(store.clone()),
            tickets: Arc::new(store.clone()),
            sessions: Arc::new(store.clone()),
            factors: Arc::new(store.clone()),
            logins: Arc::new(store.clone()),
            accounts: Arc::new(store.clone()),
        }
    }
}

/// One store, seen through two handles: for a file, as two processes would see it.
pub(crate) struct Backend {
    pub(crate) here: Stores,
    pub(crate) there: Stores,
    _folder: Option<TempDir>,
}

pub(crate) fn memory() -> Backend {
    let store = Memory::new();
    let keys = Arc::new(MemorySubjectKeys::new());
    let here = Stores::of(&store, Arc::clone(&keys) as _);
    Backend { here, there: Stores::of(&store.clone(), keys), _folder: None }
}

pub(crate) async fn sqlite() -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let keys = folder.path().join("subject-keys.db");
    let open = || async {
        let keys = SubjectKeyFile::open(&keys).await.unwrap();
        Stores::of(&Sqlite::open(&path).await.unwrap(), Arc::new(keys))
    };
    let (here, there) = (open().await, open().await);
    Backend { here, there, _folder: Some(folder) }
}

impl Backend {
    /// Does `work` and answers what it answers, and whether both handles saw the epoch rise.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>) -> (T, bool) {
        let before = self.there.revocations.epoch().await.unwrap();
        assert_eq!(self.here.revocations.epoch().await.unwrap(), before);
        let done = work.await;
        let after = self.there.revocations.epoch().await.unwrap();
        assert_eq!(self.here.revocations.epoch().await.unwrap(), after);
        assert!(after >= before, "the epoch fell from {before} to {after}");
        (done, after > before)
    }

    /// Whether `work`, which succeeds, raises the epoch.
    pub(crate) async fn raises<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> bool {
        let (done, rose) = self.watch(work).await;
        assert!(done.is_ok(), "{:?}", done.err());
        rose
    }

    /// Runs `work` in [`RACERS`] tasks at once, on both handles in turn; answers all results.
    pub(crate) async fn race<T, F>(&self, work: impl Fn(usize, Stores) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(tokio::sync::Barrier::new(RACERS));
        let mut tasks = Vec::new();
        for number in 0..RACERS {
            let stores = if number % 2 == 0 { &self.here } else { &self.there };
            let (start, work) = (Arc::clone(&start), work(number, stores.clone()));
            tasks.push(tokio::spawn(async move {
                start.wait().await;
                work.await
            }));
        }
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    }
}

/// An enabled user without anything that may be absent.
pub(crate) fn user(user_id: &str, username: &str) -> StoredUser {
    StoredUser {
        user_id: user_id.to_owned(),
        username: username.to_owned(),
        display_name: None,
        email: None,
        roles: std::collections::BTreeSet::new(),
        enabled: true,
        not_before: Timestamp(0),
        created_at: Timestamp(1_000),
        last_sign_in_at: None,
    }
}

/// Asserts that `result` says that `name` exists already.
#[track_caller]
pub(crate) fn assert_exists<T>(result: Result<T, StoreError>, name: &str) {
    assert!(
        matches!(&result, Err(StoreError::Exists(found)) if found == name),
        "{:?}",
        result.err()
    );
}

/// Asserts that `result` says that there is no `name`.
#[track_caller]
pub(crate) fn assert_missing<T>(result: Result<T, StoreError>, name: &str) {
    assert!(
        matches!(&result, Err(StoreError::Missing(found)) if found == name),
        "{:?}",
        result.err()
    );
}

/// Everything an error says, its causes included.
pub(crate) fn full_text(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}
