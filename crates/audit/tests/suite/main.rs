//! The audit room from outside.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod exports_follow;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod forger;
#[cfg(test)]
mod forgery;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod index;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod log;
#[cfg(test)]
mod merkle;
#[cfg(test)]
mod notary;
#[cfg(test)]
mod note;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod query;
#[cfg(test)]
mod report;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tile;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod trees;
#[cfg(test)]
mod view;
#[cfg(test)]
mod witness;
