//! What must hold for the whole house.

#[cfg(test)]
mod house;
