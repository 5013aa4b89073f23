//! Trains the tagger of names from labelled text.

fn main() {}
