//! What the client asks for and what it takes for an answer.

#[cfg(test)]
mod callback;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod token;
#[cfg(test)]
mod world;
