//! What a witness answers, as HTTP carries it.

use super::Refusal;
use crate::note::{MOST_SIGNATURES, Signature};

/// The type of a body that names the size a witness saw last.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its body, which ends with a line end.
    pub body: String,
}

impl Reply {
    /// The signature lines, or why there are none.
    #[must_use]
    pub fn new(answer: &Result<Vec<Signature>, Refusal>) -> Self {
        match answer {
            Ok(signatures) => {
                let lines = signatures.iter().map(|signature| format!("{signature}\n"));
                Self { status: 200, content_type: TEXT_TYPE, body: lines.collect() }
            }
            Err(refusal) => Self::refused(refusal),
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let status = refusal.status();
        match refusal {
            Refusal::OtherSize { size } | Refusal::TwoTrees { size } => {
                Self { status, content_type: SIZE_TYPE, body: format!("{size}\n") }
            }
            _ => Self { status, content_type: TEXT_TYPE, body: format!("{refusal}\n") },
        }
    }
}

/// What an answer says to the log that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Signatures, not verified: those of known keys count once they are held against the
    /// checkpoint, all others do not.
    Signatures(Vec<Signature>),
    /// The witness saw a checkpoint of this size last.
    Size(u64),
    /// It is the wrong proof: what the witness saw is not the beginning of this log.
    WrongProof,
    /// No, with this status.
    No(u16),
}

impl Said {
    /// Reads an answer, whatever it holds.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let text = str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
        match (status, text) {
            (200, Some(lines)) => {
                let lines = lines.split('\n').take(MOST_SIGNATURES);
                Self::Signatures(lines.filter_map(|line| line.parse().ok()).collect())
            }
            (409, Some(size)) => {
                let number = size.parse().ok().filter(|it: &u64| it.to_string() == size);
                number.map_or(Self::No(status), Self::Size)
            }
            (422, _) => Self::WrongProof,
            _ => Self::No(status),
        }
    }
}
