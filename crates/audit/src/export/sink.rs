//! Where entries go, as the follower sees it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::Line;

/// Takes records and says when they have arrived.
#[async_trait]
pub trait Sink: Send + Sync + fmt::Debug {
    /// Hands over `lines` and waits until the other side has confirmed them: what that is, is the
    /// sink's to know. The same lines may come again after an error or a restart.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when it is not certain that all have arrived.
    async fn send(&mut self, lines: &[Line]) -> Result<Receipt, SinkError>;
}

/// What the other side confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Records that it took notice of and refused for good; sending them again would change nothing.
    pub refused: u64,
}

/// Why lines did not arrive for certain. No variant carries any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// There is no connection, or no file.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It went away before it had confirmed.
    #[error("it broke off before everything was confirmed")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// It did not confirm in time.
    #[error("it did not confirm within {}s", .0.as_secs())]
    TimedOut(Duration),
    /// It said no, or not now.
    #[error("it answered with status {status}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// When it wants to be asked again.
        again_in: Option<Duration>,
    },
}

impl SinkError {
    /// How long it wants to be left alone.
    #[must_use]
    pub const fn again_in(&self) -> Option<Duration> {
        match self {
            Self::Refused { again_in, .. } => *again_in,
            Self::Unreachable(_) | Self::Broken(_) | Self::TimedOut(_) => None,
        }
    }
}
