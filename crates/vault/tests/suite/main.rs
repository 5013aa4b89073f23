//! Public behaviour of the room, from outside.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod export;
#[cfg(test)]
mod fernet;
#[cfg(test)]
mod hall;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod nonces;
#[cfg(test)]
mod people;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod rewrap;
#[cfg(test)]
mod subject_sealer;
#[cfg(test)]
mod values;
