//! The guard inside a server of one's own, from outside: real clients in this process.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod weather;
