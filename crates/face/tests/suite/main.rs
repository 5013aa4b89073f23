//! The face from outside: what strangers send, and what they are told.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod hall;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod strangers;
