//! What must stay unseen: finds personal, financial and secret data, and does with it what the settings say.

mod finding;
mod validate;

pub use finding::{Evidence, Finding, RuleName};
