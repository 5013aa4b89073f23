//! Settings, wiring and administration, as commands and the gateway use them.

mod administration;
mod examples;
mod settings;
mod wiring;
