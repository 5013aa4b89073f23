//! What policy is asked.

use haechi_core::{Action, Origin, Principal, Resource, Timestamp};
use serde_json::Value;

use crate::KnownTool;

/// The arguments of a call: a JSON object whose duplicate keys were refused before.
pub type Arguments<'a> = &'a Value;

/// May this principal do this, now and from there?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What they want to do.
    pub action: Action,
    /// To what.
    pub resource: &'a Resource,
    /// The tool as its upstream lists it, where the resource is a tool and it is known.
    pub tool: Option<&'a KnownTool>,
    /// With what. `None` in the list phase, for actions without arguments, and where
    /// [`Policy::reads_arguments`](crate::Policy::reads_arguments) says nobody looks; a judgement
    /// that needs them takes `None` for an empty object.
    pub arguments: Option<Arguments<'a>>,
    /// The present moment.
    pub now: Timestamp,
    /// Where it came from.
    pub origin: &'a Origin,
}
