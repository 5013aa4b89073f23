//! The policy as its users see it: settings in, decisions out.

mod arguments;
mod everyday;
mod files;
mod loading;
mod people;
mod phases;
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, not what they stand on"
)]
mod scene;
