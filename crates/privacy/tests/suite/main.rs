//! What detection promises, from outside.

mod attacks;
mod customers;
mod lookalikes;
mod machines;
mod protector;
mod restoring;
mod rules;
mod scenes;
mod screening;
mod structured;
