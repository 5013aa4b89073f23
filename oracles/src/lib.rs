//! Nothing but tests: `cargo test --manifest-path oracles/Cargo.toml`.
