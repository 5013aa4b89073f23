//! The hall from outside: real rooms on a store in memory, a clock moved by hand, and an upstream
//! that does what each test tells it.

#[cfg(test)]
mod asides;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod hall;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod unseen;
