//! Signing in at another OpenID provider (OpenID Connect Core §3.1): code, PKCE, `state`, `nonce`.
//!
//! **Who comes in.** Whom a rule of `allow` describes, asked at every sign-in. A person who was
//! never here becomes a user where the settings let it (`create`); an existing user is never found
//! by name or e-mail address, only by a login that was made then, or linked while signed in here.
//!
//! **Whose roles.** A user who came here by a provider holds the roles that its rules give *now*,
//! worked out at every sign-in and every [`Federation::recheck`]. Roles that a rule of this provider
//! can give are the provider's: what an operator gives or takes of these is undone the next time.
//! All others are the operator's, and no provider touches them. A login that was linked later only
//! opens the door: the user's roles stay what they were.

mod config;
mod error;
mod page;
mod person;
mod provider;
mod recheck;
mod rules;
mod sign_out;
mod users;
mod way;

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_client::Client;
use haechi_core::{
    AccountStore, BrowserSessionStore, Clock, Entropy, Exchange, GrantStore, LoginStore, Sealer,
    TicketStore,
};
use haechi_guard::AuditLog;
use haechi_identity::Identity;

pub use config::{Label, PersonClaims, ProviderConfig, RoleRule};
pub use error::FederationError;
pub use recheck::Word;
pub use rules::Who;
pub use sign_out::SignedOutElsewhere;
pub use way::{Arrived, Begin, Purpose};

pub(crate) use page::{ProviderLink, sentence};

use provider::Provider;
use recheck::Turns;

/// What federation works with.
#[derive(Clone, Debug)]
pub struct FederationRooms {
    /// Users, and the keys of providers.
    pub identity: Arc<Identity>,
    /// This gateway as the client of providers.
    pub client: Client,
    /// Asks userinfo.
    pub exchange: Arc<dyn Exchange>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Is told which roles change before they do.
    pub audit: AuditLog,
    /// Seals what providers gave for a person.
    pub sealer: Arc<dyn Sealer>,
    /// Sign-ins that are under way, and logout tokens that were used.
    pub tickets: Arc<dyn TicketStore>,
    /// Who is who.
    pub logins: Arc<dyn LoginStore>,
    /// Refresh tokens of providers, for [`Federation::recheck`].
    pub accounts: Arc<dyn AccountStore>,
    /// Browsers, for a sign-out at a provider.
    pub sessions: Arc<dyn BrowserSessionStore>,
    /// Grants, for the same.
    pub grants: Arc<dyn GrantStore>,
}

/// Sign-in at other providers. Made once, shared in an `Arc`.
#[derive(Debug)]
pub struct Federation {
    providers: BTreeMap<String, Provider>,
    rooms: FederationRooms,
    turns: Turns,
    passwords: bool,
}

impl Federation {
    /// Sign-in at `providers`, whose answers come to addresses below `base`: this gateway's own
    /// name, `https://host[:port]`. The last of several of one name counts.
    #[must_use]
    pub fn new(base: &str, providers: Vec<ProviderConfig>, rooms: FederationRooms) -> Self {
        let base = base.trim_end_matches('/');
        let named =
            |config: ProviderConfig| (config.name.clone(), Provider::new(config, base, &rooms));
        let providers = providers.into_iter().map(named).collect();
        Self { providers, rooms, turns: Turns::default(), passwords: true }
    }

    /// Leaves these providers as the only way in: no passwords are taken in browsers.
    #[must_use]
    pub fn without_passwords(self) -> Self {
        Self { passwords: false, ..self }
    }

    /// Whether people may sign in with passwords besides.
    #[must_use]
    pub const fn has_passwords(&self) -> bool {
        self.passwords
    }

    /// What settings say of each provider, by name.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderConfig> {
        self.providers.values().map(|provider| &provider.config)
    }

    /// Where answers of a provider must be allowed to go, there.
    #[must_use]
    pub fn redirect_uri(&self, provider: &str) -> Option<&str> {
        self.providers.get(provider).map(|provider| provider.redirect_uri.as_str())
    }

    fn provider(&self, name: &str) -> Result<&Provider, FederationError> {
        self.providers.get(name).ok_or(FederationError::UnknownProvider)
    }

    fn provider_of(&self, issuer: &str) -> Option<&Provider> {
        self.providers.values().find(|provider| provider.config.rules.issuer == issuer)
    }
}
