//! What is kept sealed: keys, envelopes, tokens, and the keys of persons.
