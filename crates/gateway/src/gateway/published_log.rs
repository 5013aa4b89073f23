//! The gateway's own log, as far as monitors may read it.

use std::sync::Arc;

use haechi_assembly::settings::Publish;
use haechi_audit::view::{View, ViewError};
use tokio::sync::Semaphore;

/// Files that are read at once: a bundle may need the whole segment it is in to be read.
const READERS: usize = 2;

/// The gateway's own log, as far as monitors may read it.
#[derive(Debug)]
pub(crate) struct PublishedLog {
    view: Arc<View>,
    /// What monitors on other machines may read.
    pub(crate) publish: Publish,
    readers: Arc<Semaphore>,
}

impl PublishedLog {
    /// Lets monitors on other machines read what `publish` says, and those on this one the hashes.
    pub(crate) fn new(view: View, publish: Publish) -> Self {
        Self { view: Arc::new(view), publish, readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Reads from the disk, where that keeps nobody else waiting.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<Option<T>, ViewError> + Send + 'static,
    ) -> Result<Option<T>, &'static str> {
        let permit = Arc::clone(&self.readers).acquire_owned().await.map_err(|_| "stopping")?;
        let view = Arc::clone(&self.view);
        let reading = tokio::task::spawn_blocking(move || {
            let found = read(&view);
            drop(permit);
            found
        });
        let found = reading.await.map_err(|_| "audit")?;
        found.map_err(|error| {
            tracing::error!(%error, "the audit log cannot be shown to a monitor");
            "audit"
        })
    }
}
