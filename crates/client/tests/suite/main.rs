//! What the client asks for and what it takes for an answer.
