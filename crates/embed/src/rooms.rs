//! The rooms behind the guard, one by one: for servers that are built on something else and want one
//! question answered at a time. Each room is reached through [`Haechi`](crate::Haechi), on the same
//! store, keys and log as the guard itself.

/// Who is calling?
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::Haechi;
/// use haechi_embed::rooms::identity::{Audience, Credentials, Secret};
///
/// let haechi = Haechi::builder("reports").build().await?;
/// let token = Credentials::Bearer(Secret::from("eyJ…".to_owned()));
/// let audience = Audience::of("https://example.com/mcp");
/// let principal = haechi.identity().authenticate(&token, &audience).await?;
/// println!("{} holds {:?}", principal.subject, principal.roles);
/// # Ok(()) }
/// ```
pub mod identity {
    pub use haechi_core::{Credentials, Means, Origin, Principal, Secret};
    pub use haechi_identity::{
        Audience, AuthenticationError, Identity, IssuedToken, NewUser, SignInAttempt, SignInError,
    };
}

/// May they?
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::rooms::policy::{Policy, PolicySource, Role, Rule};
///
/// let reader = Role { name: "reader".into(), allow: vec![Rule::tools("reports:read_*")], ..Role::default() };
/// let source = PolicySource {
///     roles: vec![reader],
///     upstreams: vec!["reports".into()],
///     ..PolicySource::default()
/// };
/// let (policy, warnings) = Policy::compile(&source, 1).map_err(|problems| problems[0].to_string())?;
/// assert!(warnings.is_empty());
/// assert!(!policy.reads_arguments("reports", haechi_embed::rooms::policy::Action::CallTool));
/// # Ok(()) }
/// ```
///
/// The policy in force is [`Haechi::policy`](crate::Haechi::policy): `judge` takes a [`Question`](policy::Question)
/// and gives a [`Permitted`](policy::Permitted), with its duties, or a reasoned denial.
pub mod policy {
    pub use haechi_core::{Action, Origin, Resource};
    pub use haechi_policy::{
        CedarFile, Denial, Foresight, Permitted, Policy, PolicySource, Question, Role, Rule,
        RuleKind, SensitiveRule,
    };
}

/// What must stay unseen?
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::rooms::privacy::{Detector, DetectorConfig};
///
/// let detector = Detector::new(&DetectorConfig::default())?;
/// let findings = detector.scan("write to ann.lee@example.com");
/// assert_eq!(&*findings[0].kind, "EMAIL_ADDRESS");
/// assert_eq!(findings[0].range, 9..28);
/// # Ok(()) }
/// ```
pub mod privacy {
    pub use haechi_privacy::{
        Action, Detector, DetectorConfig, Direction, Finding, ObligationRule, Obligations,
        PatternFile, Privacy, Scene,
    };
}

/// What is kept sealed?
///
/// ```no_run
/// # async fn example(haechi: haechi_embed::Haechi) -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::rooms::vault::{Place, Secret};
///
/// let place = Place {
///     tenant: "".into(),
///     upstream: "reports".into(),
///     tool: "export".into(),
///     field: "/email".into(),
///     kind: "EMAIL_ADDRESS".into(),
/// };
/// let value = Secret::from("ann.lee@example.com".to_owned());
/// let sealed = haechi.vault().encrypt(&place, &value, None).await?;
/// let opened = haechi.vault().decrypt(&place, &sealed).await?;
/// # let _ = opened;
/// # Ok(()) }
/// ```
pub mod vault {
    pub use haechi_core::{Opened, Place, ProtectError, Secret};
    pub use haechi_vault::Vault;
}

/// What happened?
///
/// ```no_run
/// # async fn example(haechi: haechi_embed::Haechi) -> Result<(), Box<dyn std::error::Error>> {
/// use haechi_embed::rooms::audit::Query;
///
/// let data = haechi.assembly().rooms.directory.path();
/// let refused = Query { decisions: vec!["deny".into()], limit: 20, ..Query::default() };
/// for record in refused.run(data)?.records {
///     println!("{}", serde_json::to_string(&record.entry)?);
/// }
/// # Ok(()) }
/// ```
pub mod audit {
    pub use haechi_audit::{AuditLog, Entry, EventKind, Keep, Query, Reader, Record};
}
