//! How far a log is witnessed, and since when it is not.

use std::time::Duration;

use haechi_core::Timestamp;
use tokio::time::Instant;

use super::{AskError, Peer};

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How far a log is witnessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigning {
    /// The size of the newest checkpoint that as many witnesses cosigned as are wanted; 0 for none.
    pub size: u64,
    /// When that was.
    pub at: Option<Timestamp>,
    /// Whether they have not for longer than the settings say.
    pub missing: bool,
    /// Each witness, in the order of the settings.
    pub witnesses: Vec<PeerStanding>,
}

/// How one witness is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStanding {
    /// Its name.
    pub name: String,
    /// The size of the last checkpoint it cosigned for this process; 0 for none.
    pub size: u64,
    /// When that was.
    pub at: Option<Timestamp>,
    /// How often it did not since the start.
    pub failures: u64,
    /// Why it does not now.
    pub trouble: Option<AskError>,
}

/// The same with what is needed to go on.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) size: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) missing: bool,
    /// Since when there is something that is not cosigned.
    pub(super) behind_since: Option<Instant>,
    pub(super) peers: Vec<Asked>,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) shown: PeerStanding,
    /// When it may be asked again, after a failure.
    pub(super) again_at: Option<Instant>,
    pause: Duration,
}

impl Standing {
    pub(super) fn new(peers: &[Peer], cosigned: Option<(u64, Timestamp)>) -> Self {
        let peers = peers.iter().map(|peer| Asked {
            shown: PeerStanding {
                name: peer.name().to_owned(),
                size: 0,
                at: None,
                failures: 0,
                trouble: None,
            },
            again_at: None,
            pause: FIRST_PAUSE,
        });
        Self {
            size: cosigned.map_or(0, |(size, _)| size),
            at: cosigned.map(|(_, at)| at),
            missing: false,
            behind_since: None,
            peers: peers.collect(),
        }
    }

    pub(super) fn shown(&self) -> Cosigning {
        let witnesses = self.peers.iter().map(|peer| peer.shown.clone()).collect();
        Cosigning { size: self.size, at: self.at, missing: self.missing, witnesses }
    }

    /// Who may be asked now, each with what it saw last.
    pub(super) fn to_ask(&self, now: Instant) -> Vec<(usize, u64)> {
        let may = |peer: &Asked| peer.again_at.is_none_or(|at| at <= now);
        let peers = self.peers.iter().enumerate().filter(|(_, peer)| may(peer));
        peers.map(|(place, peer)| (place, peer.shown.size)).collect()
    }

    /// Whether `wanted` witnesses may cosign at all, because they have seen no other history.
    pub(super) fn can_have(&self, wanted: usize) -> bool {
        let contradicts =
            |peer: &Asked| peer.shown.trouble.as_ref().is_some_and(AskError::is_contradiction);
        self.peers.iter().filter(|peer| !contradicts(peer)).count() >= wanted
    }
}

impl Asked {
    pub(super) fn cosigned(&mut self, size: u64, at: Timestamp) {
        if self.shown.trouble.take().is_some() {
            tracing::info!(witness = self.shown.name, size, "the witness cosigns again");
        }
        (self.shown.size, self.shown.at) = (size, Some(at));
        (self.again_at, self.pause) = (None, FIRST_PAUSE);
    }

    pub(super) fn failed(&mut self, error: AskError, now: Instant) {
        let (witness, help) = (&self.shown.name, error.help());
        // Once for each trouble, not for each attempt.
        if self.shown.trouble.as_ref().map(AskError::word) != Some(error.word()) {
            if error.is_contradiction() {
                tracing::error!(witness, %error, help, "a witness has seen another audit log");
            } else {
                tracing::warn!(witness, %error, help, "a witness did not cosign the audit log");
            }
        }
        self.shown.failures = self.shown.failures.saturating_add(1);
        self.shown.trouble = Some(error);
        self.again_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
