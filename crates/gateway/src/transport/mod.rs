//! From bytes to credentials and calls, and back.

pub(crate) mod http;
pub(crate) mod stdio;
pub(crate) mod together;
