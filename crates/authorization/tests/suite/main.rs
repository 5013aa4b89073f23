//! What strangers see of the authorization server.
