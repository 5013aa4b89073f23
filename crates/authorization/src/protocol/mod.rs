//! What clients say and are told: the standards' endpoints.

pub(crate) mod answer;
mod authorize;
pub(crate) mod code;
pub(crate) mod cors;
mod metadata;
mod openapi;
pub(crate) mod resource;
mod revocation;
pub(crate) mod scope;
mod userinfo;
