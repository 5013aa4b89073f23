//! Public behaviour of the room, from outside.
