//! The audit room from outside.

#[cfg(test)]
mod entries;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod log;
#[cfg(test)]
mod query;
#[cfg(test)]
#[cfg(test)]
mod support;
