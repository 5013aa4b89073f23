//! What detection promises, from outside.

mod protector;
mod restoring;
mod rules;
mod scenes;
mod screening;
mod structured;
