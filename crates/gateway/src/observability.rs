//! What operators see: metrics, logs and traces. None of them carries personal data, arguments,
//! results or credentials.

pub(crate) mod logs;
pub(crate) mod metrics;
mod otlp;
pub(crate) mod traces;

pub(crate) use logs::{LogConfig, LogFormat, Logging};
