//! The customers from outside: clients of three roles, in this process.

#[cfg(test)]
mod people;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod values;
