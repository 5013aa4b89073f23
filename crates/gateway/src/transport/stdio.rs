//! The face of `haechi run`.
