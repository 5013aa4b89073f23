//! Everything that touches the Cedar language.

pub(crate) mod context;
pub(crate) mod entities;
pub(crate) mod files;
pub(crate) mod reads;
pub(crate) mod roles;
pub(crate) mod schema;
pub(crate) mod usage;
