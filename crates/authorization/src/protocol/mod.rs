//! What clients say and are told: the standards' endpoints.

pub(crate) mod answer;
mod authorize;
mod code;
pub(crate) mod cors;
mod metadata;
mod openapi;
mod resource;
mod revocation;
pub(crate) mod scope;
mod userinfo;
