//! Public behaviour of the room, from outside.

#[cfg(test)]
mod providers;
#[cfg(test)]
mod subject_sealer;
