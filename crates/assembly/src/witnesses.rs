//! Who sees the gateway's log.

use std::sync::Arc;
use std::time::Duration;

use haechi_audit::AuditLog;
use haechi_outbound::{FetchLimits, Reach};

use crate::{Rooms, Settings};

/// How long a witness may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The longest answer of a witness that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

impl Rooms {
    /// Has the witnesses of the settings see each checkpoint of `audit`, until it is closed.
    pub(crate) fn ask_witnesses(&self, settings: &Settings, audit: &AuditLog) {
        let Some(policy) = settings.audit.witnesses.clone() else { return };
        // The operator chose the addresses.
        let limits = FetchLimits {
            reach: Reach::DangerousPrivate,
            max_bytes: MAX_ANSWER_BYTES,
            timeout: ANSWER_LIMIT,
        };
        if let Err(error) = audit.ask_witnesses(policy, Arc::new(self.outbound.exchanger(limits))) {
            tracing::error!(%error, "no witness is asked");
        }
    }
}
