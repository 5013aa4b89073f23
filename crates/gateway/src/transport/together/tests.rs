//! What one client sees of several upstreams, through real rooms.

mod calls;
mod hall;
mod lists;
mod sessions;
mod streams;
