//! Keys ready for use, one form for each purpose.

/// A key ready for use.
#[derive(Debug)]
pub(crate) enum WorkingKey {}
