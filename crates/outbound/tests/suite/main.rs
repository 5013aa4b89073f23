//! The clients against real listeners on loopback.

#[cfg(test)]
mod exchange;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod server;
#[cfg(test)]
mod upstream;
