//! The published keys of one foreign issuer, read no more often than settings say.
//!
//! Callers choose the `kid` of what they send, so nothing they send may cause more than one reading
//! in the minimum interval: one reader at a time, every attempt counted before it starts (a caller
//! that hangs up cannot take it back), and no reading at all for a `kid` that was just looked for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use haechi_core::{Clock, Fetch, Timestamp};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Mutex, MutexGuard};

use crate::jose::{Algorithm, KeySet, KeySetError, TokenError};
use crate::{KeyLocation, KeyRefresh};

/// The largest key set that is read from a file, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 10;
/// Media types of a key set (RFC 7517 §8.5.2, RFC 8259 §11).
const MEDIA_TYPES: [&str; 2] = ["application/jwk-set+json", "application/json"];

/// Keys that were read, and until when they are good.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) keys: KeySet,
    /// Rises with every reading that succeeded.
    pub(crate) generation: u64,
    /// When to read again.
    due_at: Timestamp,
    /// When not to believe them any more, whatever happens; exclusive.
    dead_at: Timestamp,
}

impl Loaded {
    /// Whether what was verified with reading `generation` holds without looking further.
    pub(crate) fn is_current(&self, generation: u64, now: Timestamp) -> bool {
        self.generation == generation && now < self.due_at && now < self.dead_at
    }
}

/// Where and how often the keys are read.
#[derive(Debug)]
pub(crate) struct KeySource {
    location: KeyLocation,
    refresh: KeyRefresh,
    loaded: ArcSwapOption<Loaded>,
    reading: Mutex<Attempts>,
}

#[derive(Debug, Default)]
struct Attempts {
    /// When the last reading was begun.
    last: Option<Timestamp>,
    /// How many readings succeeded.
    succeeded: u64,
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the file of keys cannot be read")]
    File(#[source] std::io::Error),
    #[error("the file of keys is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error(transparent)]
    Fetch(#[from] haechi_core::FetchError),
    #[error("the answer is not a key set but of another media type")]
    MediaType,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("the key set has no key that can be used")]
    Empty,
}

impl KeySource {
    pub(crate) fn new(location: KeyLocation, refresh: KeyRefresh) -> Self {
        let reading = Mutex::new(Attempts::default());
        Self { location, refresh, loaded: ArcSwapOption::empty(), reading }
    }

    /// What was read last, without looking whether it is still good.
    pub(crate) fn loaded(&self) -> Option<Arc<Loaded>> {
        self.loaded.load_full()
    }

    /// The keys for a token of this `key_id` and `algorithm`, read again when they are due or when
    /// the key is not among them.
    pub(crate) async fn keys_for(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
        clock: &dyn Clock,
        fetch: &dyn Fetch,
    ) -> Result<Arc<Loaded>, TokenError> {
        let now = clock.now();
        let holds = |loaded: &Arc<Loaded>| loaded.keys.find(key_id, algorithm).is_some();
        let at_hand = self.loaded();
        let seen = at_hand.as_ref().map(|loaded| loaded.generation);
        let known = at_hand.filter(|loaded| now < loaded.dead_at && holds(loaded));
        match known {
            Some(loaded) if now < loaded.due_at => return Ok(loaded),
            // Due: one caller reads, the others go on with what is still believed.
            Some(loaded) => match self.reading.try_lock() {
                Ok(attempts) => self.read_again(attempts, seen, clock, fetch).await,
                Err(_) => return Ok(loaded),
            },
            None => self.read_again(self.reading.lock().await, seen, clock, fetch).await,
        }
        alive(self.loaded().ok_or(TokenError::KeysUnavailable)?, clock.now())
    }

    /// Reads once more, unless that was done or tried a moment ago.
    async fn read_again(
        &self,
        mut attempts: MutexGuard<'_, Attempts>,
        seen: Option<u64>,
        clock: &dyn Clock,
        fetch: &dyn Fetch,
    ) {
        let now = clock.now();
        let newer = self.loaded().is_some_and(|loaded| Some(loaded.generation) != seen);
        let interval = self.refresh.minimum_interval;
        // A clock that was set back must not stop reading until it has caught up.
        let recent = |last: Timestamp| now >= last && now < last.after(interval);
        if newer || attempts.last.is_some_and(recent) {
            return;
        }
        attempts.last = Some(now);
        match self.read(fetch).await {
            Ok((keys, max_age)) => {
                attempts.succeeded += 1;
                let wanted = max_age.map_or(self.refresh.every, std::time::Duration::from_secs);
                let every = wanted.clamp(interval, self.refresh.every.max(interval));
                self.loaded.store(Some(Arc::new(Loaded {
                    keys,
                    generation: attempts.succeeded,
                    due_at: now.after(every),
                    dead_at: now.after(self.refresh.stale_limit.max(every)),
                })));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the keys of an issuer could not be read");
            }
        }
    }

    async fn read(&self, fetch: &dyn Fetch) -> Result<(KeySet, Option<u64>), ReadError> {
        let (bytes, max_age) = match &self.location {
            KeyLocation::Given(text) => (text.clone().into_bytes(), None),
            KeyLocation::File(path) => (read_file(path).await?, None),
            KeyLocation::Url(url) => {
                let fetched = fetch.fetch(url).await?;
                if !MEDIA_TYPES.contains(&fetched.content_type.as_str()) {
                    return Err(ReadError::MediaType);
                }
                (fetched.body.to_vec(), fetched.max_age_secs)
            }
        };
        let keys = KeySet::from_jwks(&bytes, false)?;
        for why in keys.left_out() {
            tracing::debug!(%why, "a key of an issuer is not used");
        }
        if keys.is_empty() { Err(ReadError::Empty) } else { Ok((keys, max_age)) }
    }
}

/// Keys too old to be believed are as good as none.
fn alive(loaded: Arc<Loaded>, now: Timestamp) -> Result<Arc<Loaded>, TokenError> {
    crate::jose::ensure(now < loaded.dead_at, TokenError::KeysUnavailable)?; // check: keys are not stale
    Ok(loaded)
}

async fn read_file(path: &std::path::Path) -> Result<Vec<u8>, ReadError> {
    let file = tokio::fs::File::open(path).await.map_err(ReadError::File)?;
    let mut bytes = Vec::new();
    let limited = &mut file.take(MAX_FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).await.map_err(ReadError::File)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES);
    if fits { Ok(bytes) } else { Err(ReadError::TooLarge) }
}
