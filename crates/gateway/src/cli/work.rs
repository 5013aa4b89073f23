//! Work that a command does itself, recorded before it begins and when it has ended.

use std::future::Future;

use haechi_assembly::{Act, Work, WorkState};

use super::context::Context;
use super::failure::Failure;

/// What is done, and to what.
pub(super) struct Job<'a> {
    pub(super) work: Work,
    /// A sid, a key's id, a fixed word; never personal data.
    pub(super) object: &'a str,
    /// Words and numbers, never values.
    pub(super) detail: Vec<String>,
}

impl<'a> Job<'a> {
    pub(super) const fn new(work: Work, object: &'a str) -> Self {
        Self { work, object, detail: Vec::new() }
    }

    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.detail.push(format!("{name}:{value}"));
        self
    }

    /// Does `doing`, which answers with what it came to and what of that is recorded. What cannot be
    /// recorded is not begun.
    pub(super) async fn run<T>(
        self,
        context: &Context,
        doing: impl Future<Output = Result<(T, Vec<String>), Failure>>,
    ) -> Result<T, Failure> {
        context.administer(self.act(WorkState::Asked, Vec::new())).await?;
        match doing.await {
            Ok((done, found)) => {
                context.administer(self.act(WorkState::Done, found)).await?;
                Ok(done)
            }
            Err(failure) => {
                // The failure is what the caller must hear of.
                let _unrecorded =
                    context.administer(self.act(WorkState::NotDone, Vec::new())).await;
                Err(failure)
            }
        }
    }

    fn act(&self, state: WorkState, found: Vec<String>) -> Act {
        let detail = self.detail.iter().cloned().chain(found).collect();
        Act::Record { work: self.work, object: self.object.to_owned(), state, detail }
    }
}
