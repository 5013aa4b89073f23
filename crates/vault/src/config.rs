//! What of the vault is chosen by settings.

use std::collections::HashMap;
use std::time::Duration;

/// How the vault works.
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// How long tokens stand.
    pub retention: Retention,
    /// The longest value that is protected, in bytes.
    pub longest_bytes: usize,
    /// How many values one version of a key seals before it gives way to a new one; 2³² at most
    /// (NIST SP 800-38D).
    pub seals_per_key: u64,
    /// Whether values are sealed as Fernet tokens where a tenant has imported a Fernet key: only for
    /// as long as other programs must read them. Such a token is bound to no place.
    pub write_fernet: bool,
}

impl Default for VaultConfig {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            longest_bytes: 64 * 1024,
            seals_per_key: 1 << 32,
            write_fernet: false,
        }
    }
}

/// How long tokens stand, by tenant and kind; the closest rule counts. Without any they stand until
/// they are deleted.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    rules: HashMap<(Option<String>, Option<String>), Duration>,
}

impl Retention {
    /// Tokens of `tenant` and `kind` stand for `duration`; of all tenants or kinds where that is `None`.
    #[must_use]
    pub fn keep(mut self, tenant: Option<&str>, kind: Option<&str>, duration: Duration) -> Self {
        self.rules.insert((tenant.map(str::to_owned), kind.map(str::to_owned)), duration);
        self
    }

    /// How long tokens of `tenant` and `kind` stand: the rule for both, else for the kind, else for the
    /// tenant, else for all.
    #[must_use]
    pub fn of(&self, tenant: &str, kind: &str) -> Option<Duration> {
        if self.rules.is_empty() {
            return None;
        }
        let (tenant, kind) = (Some(tenant.to_owned()), Some(kind.to_owned()));
        let closest = [(tenant.clone(), kind.clone()), (None, kind), (tenant, None), (None, None)];
        closest.iter().find_map(|rule| self.rules.get(rule).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_rule_counts() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let retention = Retention::default()
            .keep(None, None, days(1))
            .keep(Some("a"), None, days(2))
            .keep(None, Some("EMAIL_ADDRESS"), days(3))
            .keep(Some("a"), Some("EMAIL_ADDRESS"), days(4));
        assert_eq!(retention.of("b", "PERSON"), Some(days(1)));
        assert_eq!(retention.of("a", "PERSON"), Some(days(2)));
        assert_eq!(retention.of("b", "EMAIL_ADDRESS"), Some(days(3)));
        assert_eq!(retention.of("a", "EMAIL_ADDRESS"), Some(days(4)));
        assert_eq!(Retention::default().of("a", "PERSON"), None);
    }
}
