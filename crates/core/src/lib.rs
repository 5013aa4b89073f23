//! The words every room uses, and the contracts between them. No I/O, time or chance of its own.

mod boxed;
mod call;
mod clock;
mod credentials;
mod entropy;
mod event;
mod fetch;
pub mod glob;
pub mod json;
mod metadata;
mod oauth_store;
mod principal;
mod protect;
pub mod rpc;
mod sealed;
mod secret;
mod sender;
mod signatory;
mod store;
mod subject_store;
mod vault_store;

pub use boxed::BoxFuture;
pub use call::{Action, Era, Origin, Resource, ToolName, UpstreamName};
pub use clock::{Clock, ManualClock, Timestamp};
pub use credentials::{Credentials, DpopCredentials};
pub use entropy::{Entropy, EntropyError, SeededEntropy};
pub use event::{
    Administration, Completion, Conclusion, Event, FindingCount, Intent, Opening, OpeningKind,
    ParameterName, Reveal, SignIn, TokenAct, TokenActKind,
};
pub use fetch::{Answered, Exchange, Fetch, FetchError, Fetched, Post};
pub use metadata::server_metadata_addresses;
pub use oauth_store::{
    AccountStore, BrowserSessionStore, ClientOrigin, ClientStore, ConsentStore, FactorKind,
    FactorStore, GrantStore, LoginStore, Rotation, SecretDigest, StoredAccount,
    StoredBrowserSession, StoredClient, StoredConsent, StoredFactor, StoredGrant, StoredLogin,
    StoredRefreshToken, Taken, Ticket, TicketKind, TicketStore,
};
pub use principal::{Means, Principal, Restriction};
pub use protect::{
    Opened, Place, ProtectError, Protection, Protector, Recognized, ToOpen, ToProtect,
};
pub use sealed::{Commitment, SealError, Sealed, Sealer, Sid};
pub use secret::Secret;
pub use sender::{ReplayError, ReplayMemory, Thumbprint};
pub use signatory::{NotSigned, ShownKey, Signatory};
pub use store::{
    ApiKeyStore, PasswordStore, Revocation, RevocationKind, RevocationStore, SigningKeyState,
    SigningKeyStore, StoreError, StoredApiKey, StoredPassword, StoredSigningKey, StoredSubject,
    StoredUser, SubjectStore, UserChange, UserStore,
};
pub use subject_store::{
    BackUp, ErasureStart, LegalHold, RawFile, RegisteredSubject, StoredErasure, StoredSubjectKey,
    StoredSubjectName, SubjectKeyBackup, SubjectKeyState, SubjectKeyStore, SubjectRegistry,
};
pub use vault_store::{
    KeyState, Rewrapped, StoredKeyVersion, StoredToken, StoredVaultKey, TokenCount, TokenLookup,
    TokenStore, VaultKeyChange, VaultKeyStore, VaultPurpose,
};
