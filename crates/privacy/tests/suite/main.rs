//! What detection promises, from outside.
#![cfg(test)]

mod attacks;
mod customers;
#[cfg(feature = "deep")]
mod deep;
mod detect;
mod lookalikes;
mod machines;
mod protector;
mod restoring;
mod rules;
mod scenes;
mod screening;
mod structured;
