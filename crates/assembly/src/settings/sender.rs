//! What tokens must be bound to (`sender_constraint`), and `[dpop]`: how proofs are judged.

use std::time::Duration;

use haechi_identity::{DpopRules, SenderConstraint};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, number};

/// What tokens must be bound to, so that a stolen one is worth nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawSenderConstraint {
    /// Nothing; what a token is bound to is honoured.
    #[default]
    Optional,
    /// A key, of which each request brings a proof (RFC 9449).
    Dpop,
    /// A client certificate (RFC 8705).
    Mtls,
    /// One or the other.
    Either,
    /// Both.
    Both,
}

impl RawSenderConstraint {
    pub(crate) const fn check(self) -> SenderConstraint {
        match self {
            Self::Optional => SenderConstraint::Optional,
            Self::Dpop => SenderConstraint::Dpop,
            Self::Mtls => SenderConstraint::Mtls,
            Self::Either => SenderConstraint::Either,
            Self::Both => SenderConstraint::Both,
        }
    }
}

/// Says that `demanded` cannot be met where no client is asked for a certificate.
pub(crate) fn check_certificates(
    key: &str,
    demanded: SenderConstraint,
    asked_for: bool,
    problems: &mut Problems,
) {
    let needed = matches!(demanded, SenderConstraint::Mtls | SenderConstraint::Both);
    if needed && !asked_for {
        let why =
            "needs client certificates; name who signs them in `listen.tls.client_authorities`";
        problems.add(format!("{key}.sender_constraint"), why);
    }
}

/// How proofs of possession are judged (RFC 9449).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDpop {
    /// How old a proof may be; `60s` by default, `5m` at most.
    max_age: Option<String>,
    /// What the clocks of its senders may differ by; `30s` by default, `5m` at most.
    leeway: Option<String>,
    /// Demands a nonce of this gateway in every proof, so that none can be made ahead of time. By
    /// default only just after a start, when what was used before is not known.
    nonce: bool,
    /// Proofs that are remembered while they could be used again, more are refused; 200 000 by
    /// default. One key may use up a sixteenth.
    remembered: Option<usize>,
}

impl RawDpop {
    pub(crate) fn check(self, problems: &mut Problems) -> DpopRules {
        let standard = DpopRules::default();
        let mut time = |name: &str, stated: Option<String>, default, least| {
            problems.read(&format!("dpop.{name}"), stated, default, |text: String| {
                duration(&text, least, Duration::from_secs(300))
            })
        };
        let max_age = time("max_age", self.max_age, standard.max_age, Duration::from_secs(1));
        let leeway = time("leeway", self.leeway, standard.leeway, Duration::ZERO);
        let remembered =
            problems.read("dpop.remembered", self.remembered, standard.remembered, |n| {
                number(n, 1000, 10_000_000)
            });
        DpopRules { max_age, leeway, nonce: self.nonce, remembered }
    }
}
