//! `[limits]` and the same words in an upstream: how much a caller may ask for.

use std::time::Duration;

use haechi_guard::{CallLimits, Rate, SessionLimits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{MOST_CALLS, duration, number, rate};

/// What holds where no upstream says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Of each tool.
    pub calls: CallLimits,
    /// Of legacy sessions.
    pub sessions: SessionLimits,
    /// Verified credentials that are remembered.
    pub verified_tokens: usize,
}

/// How much a caller may ask for, where no upstream says otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// How long an upstream may be silent on a call; `60s` by default.
    timeout: Option<String>,
    /// Calls of one tool under way at once; 256 by default.
    concurrency: Option<u32>,
    /// Calls of one person within a minute; 600 by default.
    calls_per_minute: Option<u32>,
    /// The same within any time, such as `10/s`, `100/h` or `5/30s`.
    rate: Option<String>,
    /// Legacy sessions of one person; 1000 by default.
    sessions_per_person: Option<usize>,
    /// Legacy sessions in all; 20 000 by default.
    sessions: Option<usize>,
    /// A session without any message ends after this; `30m` by default.
    session_idle: Option<String>,
    /// Verified credentials that are remembered; 10 000 by default.
    verified_tokens: Option<usize>,
}

/// Limits of single calls, in any of the places that may state them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawCallLimits {
    pub(crate) timeout: Option<String>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) calls_per_minute: Option<u32>,
    pub(crate) rate: Option<String>,
}

impl RawCallLimits {
    /// What is stated below `key`, over `standard`.
    pub(crate) fn check(
        self,
        key: &str,
        standard: &CallLimits,
        problems: &mut Problems,
    ) -> CallLimits {
        let key = |name: &str| format!("{key}.{name}");
        if self.calls_per_minute.is_some() && self.rate.is_some() {
            problems.add(key("rate"), "says what `calls_per_minute` says; write one of them");
        }
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(24 * 3600));
        let per_minute =
            problems.read(&key("calls_per_minute"), self.calls_per_minute, standard.rate, |n| {
                number(n, 1, MOST_CALLS).map(|calls| Some(Rate::per_minute(calls)))
            });
        CallLimits {
            timeout: problems.read(&key("timeout"), self.timeout, standard.timeout, |text| {
                duration(&text, least, most)
            }),
            concurrency: problems.read(
                &key("concurrency"),
                self.concurrency,
                standard.concurrency,
                |n| number(n, 1, 100_000),
            ),
            rate: problems.read(&key("rate"), self.rate, per_minute, |text| rate(&text).map(Some)),
        }
    }
}

impl RawLimits {
    pub(crate) fn check(self, problems: &mut Problems) -> LimitSettings {
        let calls = RawCallLimits {
            timeout: self.timeout,
            concurrency: self.concurrency,
            calls_per_minute: self.calls_per_minute,
            rate: self.rate,
        };
        let calls = calls.check("limits", &CallLimits::default(), problems);
        let standard = SessionLimits::default();
        let mut count = |name: &str, stated, default: usize| {
            let key = format!("limits.{name}");
            problems.read(&key, stated, default, |n: usize| number(n, 1, 10_000_000))
        };
        let per_person =
            count("sessions_per_person", self.sessions_per_person, standard.per_person);
        let total = count("sessions", self.sessions, standard.total);
        let verified_tokens = count("verified_tokens", self.verified_tokens, 10_000);
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600));
        let idle = problems.read("limits.session_idle", self.session_idle, standard.idle, |text| {
            duration(&text, least, most)
        });
        let sessions = SessionLimits { per_person, total, idle };
        LimitSettings { calls, sessions, verified_tokens }
    }
}
