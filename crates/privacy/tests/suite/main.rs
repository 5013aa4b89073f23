//! What detection promises, from outside.

mod rules;
