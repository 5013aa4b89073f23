//! Federation with two providers, on memory stores and a clock moved by hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_authorization::{
    Arrived, Begin, Federation, FederationError, FederationRooms, Label, PersonClaims,
    ProviderConfig, Purpose, RoleRule, Who,
};
use haechi_client::{Client, Surroundings as ClientSurroundings};
use haechi_core::{
    Administration, Clock as _, Event, ManualClock, Secret, SeededEntropy, StoredUser, Timestamp,
};
use haechi_identity::jose::Algorithm;
use haechi_identity::{
    ClientAuthentication, Identity, KeyRefresh, NewUser, ProviderRules, Surroundings,
};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::SubjectSealer;

use crate::federation_provider::{CLIENT, CLIENT_SECRET, FakeProvider, Network};
use crate::house::{NOW, identity_stores, settings};

pub(crate) use crate::house::ISSUER as OWN;
pub(crate) const BROWSER: &str = "a secret of the first browser, 128 bits and more";
pub(crate) const OTHER_BROWSER: &str = "a secret of another browser, 128 bits and more";

pub(crate) struct World {
    pub(crate) federation: Federation,
    pub(crate) identity: Arc<Identity>,
    pub(crate) memory: Memory,
    pub(crate) clock: Arc<ManualClock>,
    /// `one`, where staff of example.com comes from.
    pub(crate) one: Arc<FakeProvider>,
    /// `two`, which lets in whoever it signs in.
    pub(crate) two: Arc<FakeProvider>,
    pub(crate) audit: AuditLog,
    log: tempfile::TempDir,
}

pub(crate) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(crate) fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(crate) fn groups(globs: &[&str]) -> Who {
    Who { groups: texts(globs), ..Who::default() }
}

pub(crate) fn role(role: &str, who: Who) -> RoleRule {
    RoleRule { roles: words(&[role]), who }
}

/// A provider that signs with ES256, knows this gateway by a secret, and lets staff in.
pub(crate) fn provider(name: &str, issuer: &str) -> ProviderConfig {
    ProviderConfig {
        name: name.to_owned(),
        label: Label { english: "Example".to_owned(), korean: "예시".to_owned() },
        rules: ProviderRules {
            issuer: issuer.to_owned(),
            client_id: CLIENT.to_owned(),
            algorithms: [Algorithm::Es256].into(),
            leeway: Duration::from_secs(30),
            refresh: KeyRefresh::default(),
        },
        authentication: Some(ClientAuthentication::SecretBasic(CLIENT_SECRET.to_owned().into())),
        scopes: texts(&["openid", "profile", "email"]),
        claims: PersonClaims::default(),
        allow: vec![groups(&["staff"])],
        roles: vec![role("user", groups(&["staff"])), role("operator", groups(&["ops"]))],
        create: true,
        recheck: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world in which the settings of `one` were changed.
    pub(crate) async fn with(change: impl FnOnce(&mut ProviderConfig)) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let memory = Memory::new();
        let network = Arc::new(Network::default());
        let entropy = Arc::new(SeededEntropy::new(11));
        let keys = Arc::new(MemorySubjectKeys::default());
        let root = Secret::new(vec![9; 32]);
        let registry = Arc::new(memory.clone());
        let sealer =
            SubjectSealer::open(registry, keys, &root, Arc::clone(&clock) as _, entropy.clone());
        let sealer = Arc::new(sealer.await.unwrap());
        let surroundings = Surroundings {
            sealer: Arc::clone(&sealer) as _,
            clock: Arc::clone(&clock) as _,
            entropy: entropy.clone(),
            fetch: Arc::clone(&network) as _,
            file_key: Secret::new(vec![7; 32]),
        };
        let identity =
            Identity::open(settings(OWN), identity_stores(&memory), surroundings).await.unwrap();
        let identity = Arc::new(identity);
        let client = Client::new(ClientSurroundings {
            fetch: Arc::clone(&network) as _,
            exchange: Arc::clone(&network) as _,
            clock: Arc::clone(&clock) as _,
            entropy: entropy.clone(),
        });
        let log = tempfile::tempdir().unwrap();
        let mut audit = AuditConfig::new(log.path(), "test");
        audit.durability = Durability::Kill;
        audit.segment_bytes = 1 << 20;
        let (audit, _) = AuditLog::open(audit, Arc::clone(&clock) as _).unwrap();
        let rooms = FederationRooms {
            identity: Arc::clone(&identity),
            client,
            exchange: Arc::clone(&network) as _,
            clock: Arc::clone(&clock) as _,
            entropy,
            audit: audit.clone(),
            sealer,
            tickets: Arc::new(memory.clone()),
            logins: Arc::new(memory.clone()),
            accounts: Arc::new(memory.clone()),
            sessions: Arc::new(memory.clone()),
            grants: Arc::new(memory.clone()),
        };
        let mut one = provider("one", "https://one.example");
        let mut two = provider("two", "https://two.example");
        two.allow = vec![Who { everybody: true, ..Who::default() }];
        two.roles = vec![role("guest", Who { everybody: true, ..Who::default() })];
        change(&mut one);
        let federation = Federation::new(OWN, vec![one, two], rooms);
        let fake = |name: &str, host: &str| {
            FakeProvider::new(host, federation.redirect_uri(name).unwrap(), &clock)
        };
        let (one, two) = (fake("one", "one.example"), fake("two", "two.example"));
        network.0.lock().unwrap().extend([Arc::clone(&one), Arc::clone(&two)]);
        Self { identity, memory, clock, one, two, federation, audit, log }
    }

    /// What the log tells of changed roles.
    pub(crate) fn role_changes(&self) -> Vec<Administration> {
        let entries = Reader::open(self.log.path()).unwrap().entries(0);
        let act = |event| match event {
            Event::Administration(act) if act.act == "user.roles" => Some(act),
            _ => None,
        };
        entries.filter_map(|entry| act(entry.unwrap().event)).collect()
    }

    pub(crate) fn fake(&self, name: &str) -> &FakeProvider {
        if name == "one" { &self.one } else { &self.two }
    }

    /// Where a browser that wants to sign in by `name` is sent.
    pub(crate) async fn away(&self, name: &str) -> String {
        self.federation.begin(&begin(name)).await.unwrap()
    }

    pub(crate) async fn back(&self, name: &str, query: &str) -> Result<Arrived, FederationError> {
        self.federation.finish(name, query, Some(BROWSER)).await
    }

    /// A whole sign-in.
    pub(crate) async fn sign_in(&self, name: &str) -> Result<Arrived, FederationError> {
        let url = self.away(name).await;
        let query = self.fake(name).visit(&url);
        self.back(name, &query).await
    }

    pub(crate) async fn link(
        &self,
        name: &str,
        user: &StoredUser,
    ) -> Result<Arrived, FederationError> {
        let purpose = Purpose::Link(user.user_id.clone());
        let url = self.federation.begin(&Begin { purpose, ..begin(name) }).await.unwrap();
        let query = self.fake(name).visit(&url);
        self.back(name, &query).await
    }

    pub(crate) async fn user(&self, username: &str) -> Option<StoredUser> {
        self.identity.user(username).await.ok()
    }

    pub(crate) async fn add_user(&self, username: &str, email: &str, roles: &[&str]) -> StoredUser {
        let new = NewUser {
            username: username.to_owned(),
            display_name: None,
            email: Some(email.to_owned()),
            roles: words(roles),
            password: None,
        };
        self.identity.add_user(new).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(crate) fn begin(provider: &str) -> Begin<'_> {
    Begin {
        provider,
        purpose: Purpose::SignIn(Some("on we go".to_owned())),
        browser: BROWSER,
        fresh: false,
        max_age: None,
        login_hint: None,
        language: Some("ko"),
    }
}
