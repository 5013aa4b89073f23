//! A stage of our own around every call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use haechi_embed::{Caller, Interceptor, Stop, ToolCall, async_trait};

/// Nobody deletes more than a few customers while the server runs, whatever their role: who has
/// more to remove talks to a person first.
#[derive(Debug)]
pub struct DeletionLimit {
    most: u32,
    made: Mutex<HashMap<String, u32>>,
}

impl DeletionLimit {
    /// `most` deletions by each person.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, made: Mutex::default() }
    }
}

#[async_trait]
impl Interceptor for DeletionLimit {
    fn name(&self) -> &'static str {
        "deletion-limit"
    }

    /// Comes after roles, conditions and personal data were judged, and before the tool runs.
    async fn before(&self, caller: &Caller, call: &ToolCall<'_>) -> Result<(), Stop> {
        if call.name() != "delete_customer" {
            return Ok(());
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.entry(caller.subject().to_owned()).or_default();
        if *made >= self.most {
            return Err(Stop("you have deleted enough customers for now; ask a colleague"));
        }
        *made += 1;
        Ok(())
    }
}
