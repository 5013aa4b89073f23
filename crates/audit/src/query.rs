//! Questions to all logs of a data directory.
