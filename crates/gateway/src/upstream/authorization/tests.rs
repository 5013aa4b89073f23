//! What goes out, and what is asked for.
