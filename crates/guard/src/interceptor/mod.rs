//! Stages around every call: an operator's own rules beside policy.

mod second_look;

use std::fmt;

use async_trait::async_trait;
use haechi_core::Principal;
use haechi_core::json::Checked;
use haechi_policy::Permitted;

pub use self::second_look::SecondLook;
use crate::{GovernedCall, Refusal};

/// A stage around every call. It may refuse or rewrite before policy judges, look once more after,
/// and rewrite results; it can never grant.
#[async_trait]
pub trait Interceptor: Send + Sync + fmt::Debug {
    /// The name that logs, metrics and audit entries show.
    fn name(&self) -> &'static str;

    /// Before policy: may refuse the call or rewrite its arguments.
    async fn on_call(&self, _: &Principal, _: &mut GovernedCall) -> Result<(), Refusal> {
        Ok(())
    }

    /// After policy, just before the call is recorded and leaves: may look and refuse.
    async fn before_execution(
        &self,
        _: &Principal,
        _: &GovernedCall,
        _: &Permitted,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// The final message, before the caller gets it: `Some` takes its place.
    async fn on_result(&self, _: &Principal, _: &Checked) -> Result<Option<Checked>, Refusal> {
        Ok(None)
    }
}
