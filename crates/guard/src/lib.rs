//! The hall: one straight line that every call walks.
