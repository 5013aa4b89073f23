//! What the compiler says of rules that make no sense.

#[cfg(test)]
mod fail;
