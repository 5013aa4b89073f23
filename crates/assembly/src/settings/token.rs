//! `[token]`, `[password]`, `[lockout]` and `[api_key]`: how people sign in here.

use std::time::Duration;

use haechi_identity::jose::Algorithm;
use haechi_identity::{KeyRotation, Lockout, OwnTokens, PasswordPolicy};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, number, size};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// Tokens this gateway issues.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `iss`: this gateway's own name.
    pub issuer: String,
    /// Algorithm and lifetime.
    pub own: OwnTokens,
}

/// Tokens this gateway issues.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawToken {
    /// This gateway's own name in its tokens (`iss`); `listen.public_url` by default, or `haechi`.
    /// Changing it ends all tokens.
    issuer: Option<String>,
    /// `ES256` (the default), `EdDSA` or `HS256`.
    algorithm: Option<String>,
    /// From sign-in to the token's end; `24h` by default.
    lifetime: Option<String>,
    /// What clocks of several gateways may differ by; `5s` by default.
    leeway: Option<String>,
    /// For how long a key signs before `haechi serve` lets another take its place, such as `90d`;
    /// without it keys change with `haechi key rotate` only.
    rotate_every: Option<String>,
    /// For how long the next key is published before it signs, so that everybody who keeps our keys
    /// has read it; `1d` by default, and at most half of `rotate_every`.
    publish_ahead: Option<String>,
}

impl RawToken {
    pub(crate) fn check(self, public_url: Option<&str>, problems: &mut Problems) -> TokenSettings {
        let standard = OwnTokens::default();
        let issuer = self.issuer.unwrap_or_else(|| public_url.unwrap_or("haechi").to_owned());
        if issuer.is_empty() || issuer == "operating-system" || issuer.len() > 512 {
            problems.add("token.issuer", "must be this gateway's own name");
        }
        let algorithm =
            problems.read("token.algorithm", self.algorithm, standard.algorithm, |name| {
                let known = Algorithm::parse(&name).filter(|known| known.is_for_own_tokens());
                known.ok_or_else(|| "must be `ES256`, `EdDSA` or `HS256`".to_owned())
            });
        let lifetime = problems.read("token.lifetime", self.lifetime, standard.lifetime, |text| {
            duration(&text, SECOND, YEAR)
        });
        let leeway = problems.read("token.leeway", self.leeway, standard.leeway, |text| {
            duration(&text, Duration::ZERO, Duration::from_secs(300))
        });
        let rotation = rotation(self.rotate_every, self.publish_ahead, problems);
        TokenSettings { issuer, own: OwnTokens { algorithm, lifetime, leeway, rotation } }
    }
}

/// When keys take turns by themselves.
fn rotation(
    every: Option<String>,
    ahead: Option<String>,
    problems: &mut Problems,
) -> Option<KeyRotation> {
    let hour = Duration::from_secs(3600);
    if every.is_none() && ahead.is_some() {
        problems.add("token.publish_ahead", "has no effect without `token.rotate_every`");
    }
    let every = problems.read("token.rotate_every", every, None, |text| {
        duration(&text, 2 * hour, 10 * YEAR).map(Some)
    })?;
    let most = every / 2;
    let published_ahead =
        problems.read("token.publish_ahead", ahead, most.min(24 * hour), |text| {
            duration(&text, SECOND, most)
        });
    Some(KeyRotation { every, published_ahead })
}

/// How passwords are kept (argon2id, RFC 9106).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPassword {
    /// Memory of one hash; `19 MiB` by default.
    memory: Option<String>,
    /// Passes over that memory; 2 by default.
    iterations: Option<u32>,
    /// Lanes; 1 by default.
    parallelism: Option<u32>,
    /// Hashes computed at one time; 2 by default.
    concurrency: Option<usize>,
    /// Sign-ins that may wait for their turn; 32 by default.
    queue: Option<usize>,
    /// Fewest bytes of a password; 8 by default and at least.
    min_length: Option<usize>,
}

impl RawPassword {
    pub(crate) fn check(self, problems: &mut Problems) -> PasswordPolicy {
        let standard = PasswordPolicy::default();
        let memory_kib =
            problems.read("password.memory", self.memory, standard.memory_kib, |text| {
                let bytes = size(&text, 8 << 20, 4 << 30)?;
                u32::try_from(bytes >> 10).map_err(|_| "is too large".to_owned())
            });
        let (iterations, parallelism) = (self.iterations, self.parallelism);
        let iterations =
            problems.read("password.iterations", iterations, standard.iterations, |n| {
                number(n, 1, 100)
            });
        let parallelism =
            problems.read("password.parallelism", parallelism, standard.parallelism, |n| {
                number(n, 1, 64)
            });
        let concurrent =
            problems.read("password.concurrency", self.concurrency, standard.concurrent, |n| {
                number(n, 1, 256)
            });
        let queue =
            problems.read("password.queue", self.queue, standard.queue, |n| number(n, 0, 10_000));
        let least = standard.min_length_bytes;
        let min_length_bytes =
            problems.read("password.min_length", self.min_length, least, |n| number(n, 8, 1024));
        PasswordPolicy { memory_kib, iterations, parallelism, concurrent, queue, min_length_bytes }
    }
}

/// How failed sign-ins slow the next one down; nobody can lock somebody else out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLockout {
    /// Failures of one username from one network before the first delay; 5 by default.
    free_attempts: Option<u32>,
    /// The first delay, which doubles with every further failure; `1s` by default.
    first_delay: Option<String>,
    /// The longest delay; `15m` by default.
    max_delay: Option<String>,
    /// Failures of one username from everywhere before strange networks have to wait; 20 by
    /// default.
    suspicion_after: Option<u32>,
    /// The longest a strange network has to wait because others failed; `1m` by default.
    max_suspicion_delay: Option<String>,
    /// After this time without a failure the count is forgotten; `1h` by default.
    forget_after: Option<String>,
}

impl RawLockout {
    pub(crate) fn check(self, problems: &mut Problems) -> Lockout {
        let standard = Lockout::default();
        let mut time = |name: &str, stated, default| {
            let key = format!("lockout.{name}");
            problems.read(&key, stated, default, |text: String| {
                duration(&text, SECOND, Duration::from_secs(24 * 3600))
            })
        };
        Lockout {
            first_delay: time("first_delay", self.first_delay, standard.first_delay),
            max_delay: time("max_delay", self.max_delay, standard.max_delay),
            max_suspicion_delay: time(
                "max_suspicion_delay",
                self.max_suspicion_delay,
                standard.max_suspicion_delay,
            ),
            forget_after: time("forget_after", self.forget_after, standard.forget_after),
            free_attempts: self.free_attempts.unwrap_or(standard.free_attempts),
            suspicion_after: self.suspicion_after.unwrap_or(standard.suspicion_after),
            entries: standard.entries,
        }
    }
}

/// Keys for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// The longest life of a new key; `None` lets keys live for ever.
    pub max_lifetime: Option<Duration>,
}

/// Keys for programs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawApiKey {
    /// The longest life of a new key, such as `90d`; without it keys may live for ever.
    max_lifetime: Option<String>,
}

impl RawApiKey {
    pub(crate) fn check(self, problems: &mut Problems) -> ApiKeySettings {
        let max_lifetime = problems.read("api_key.max_lifetime", self.max_lifetime, None, |text| {
            duration(&text, SECOND, 10 * YEAR).map(Some)
        });
        ApiKeySettings { max_lifetime }
    }
}
