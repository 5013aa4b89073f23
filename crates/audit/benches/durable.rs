//! How fast entries become durable, how long a caller waits, and what it costs.

fn main() {}
