//! The clients against real listeners on loopback.

mod fetch;
mod server;
mod upstream;
