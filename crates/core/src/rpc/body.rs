//! What arrives in one piece: a message, or a batch of them.

use super::{Envelope, RpcError};
use crate::json::{Kind, Text};

/// The most messages in one batch.
pub const MAX_BATCH: usize = 100;

/// One message or a batch. Whether the revision has batches is for the transport to know.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// One message.
    Single(Envelope<'a>),
    /// 1 to [`MAX_BATCH`] messages, in the order of the text's elements.
    Batch(Vec<Envelope<'a>>),
}

impl<'a> Body<'a> {
    /// Reads a message or a batch.
    ///
    /// # Errors
    ///
    /// As [`Envelope::read`]; one member that is no message makes the batch none.
    pub fn read(text: Text<'a>) -> Result<Self, RpcError> {
        if text.kind() != Kind::Array {
            return Envelope::read(text).map(Self::Single);
        }
        match text.elements().take(MAX_BATCH + 1).count() {
            0 => Err(RpcError::EmptyBatch),
            count if count > MAX_BATCH => Err(RpcError::LargeBatch),
            _ => text.elements().map(Envelope::read).collect::<Result<_, _>>().map(Self::Batch),
        }
    }
}
