//! The hall: one straight line that every call walks, and the two doors to an upstream.

mod answer;
mod aside;
mod bounded;
mod breaker;
mod call;
mod caller;
mod catalog;
mod conversation;
mod depart;
mod filter;
mod handles;
pub mod interceptor;
mod limits;
mod line;
mod mirrored;
mod onlooker;
mod pass;
mod payload;
mod pipeline;
mod record;
mod recording;
mod refusal;
mod relay;
mod reveal;
mod screen;
mod sessions;
mod ticket;
mod unseen;
mod upstream;

/// Where a [`Rooms`] records what happened.
pub use haechi_audit::AuditLog;

pub use answer::{Answer, AnswerBody, AnswerEvent, AnswerItem};
pub use aside::Aside;
pub use breaker::BreakerRule;
pub use call::{Call, GovernedCall};
pub use caller::{CALLER_HEADER, CALLER_META, CALLER_REQUEST_META, CallerMode};
pub use catalog::Catalog;
pub use limits::{CallLimits, Limits, Rate};
pub use line::Screened;
pub use pass::{Passage, SessionPass};
pub use pipeline::{Guard, GuardConfig, Rooms, UpstreamRules};
pub use recording::{Recording, Recordings};
pub use refusal::Refusal;
pub use reveal::{RevealRequest, RevealRules, Revealed, place_of};
pub use sessions::{SessionHold, SessionLimits};
pub use upstream::{
    Incoming, IncomingBody, IncomingItem, Outgoing, Proofs, Upstream, UpstreamFailure,
};
