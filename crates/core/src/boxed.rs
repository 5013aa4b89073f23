//! Futures that are compiled where they are made.

use std::future::Future;
use std::pin::Pin;

/// A future behind a pointer.
///
/// The body of an `async fn` is compiled anew in every crate that awaits it, and in every codegen
/// unit there. What is large and awaited in many places is given out like this, compiled once where
/// it stands; the price is one allocation for each call.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
