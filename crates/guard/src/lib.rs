//! The hall: one straight line that every call walks, and the two doors to an upstream.

mod answer;
mod bounded;
mod breaker;
mod call;
mod catalog;
mod caller;
mod filter;
mod handles;
pub mod interceptor;
mod limits;
mod line;
mod screen;
mod ticket;
mod pass;
mod pipeline;
mod refusal;
mod sessions;
mod upstream;

pub use answer::{Answer, AnswerBody, AnswerEvent, AnswerItem};
pub use breaker::BreakerRule;
pub use call::{Call, GovernedCall};
pub use catalog::Catalog;
pub use limits::{CallLimits, Limits};
pub use pass::{Passage, SessionPass};
pub use pipeline::{Guard, GuardConfig, Rooms, UpstreamRules};
pub use refusal::Refusal;
pub use upstream::{Incoming, IncomingBody, IncomingItem, Outgoing, Proofs, Upstream, UpstreamFailure};
