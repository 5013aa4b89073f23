//! What clients say and are told: the standards' endpoints.

pub(crate) mod answer;
pub(crate) mod authorize;
pub(crate) mod code;
mod metadata;
pub(crate) mod method;
mod openapi;
pub(crate) mod resource;
mod revocation;
pub(crate) mod scope;
mod userinfo;
