//! One message.

use std::borrow::Cow;
use std::fmt;

use super::method::{self, Subject};
use super::{META_PROTOCOL_VERSION, RequestId, code};
use crate::json::{Kind, Text};

/// The longest name of a method, in bytes.
pub const MAX_METHOD_BYTES: usize = 128;

/// Why JSON is no message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// Neither an object nor, where batches are read, an array.
    #[error("a message is an object")]
    NotAMessage,
    /// `jsonrpc` is not `"2.0"`.
    #[error("`jsonrpc` must be \"2.0\"")]
    BadVersion,
    /// `id` is not a string or an integer, or too long.
    #[error("`id` must be a string or an integer of at most 256 bytes")]
    BadId,
    /// A response without `id`.
    #[error("a result needs the `id` of its request")]
    MissingId,
    /// `method` is not a string, empty or too long.
    #[error("`method` must be a string of 1 to 128 bytes")]
    BadMethod,
    /// `params` is not an object.
    #[error("`params` must be an object")]
    BadParams,
    /// `result` and `error`, one of them with `method`, or none of the three.
    #[error("a message has exactly one of `method`, `result` and `error`")]
    Ambiguous,
    /// `error` is not an object with an integer `code` and a string `message`.
    #[error("`error` must be an object with an integer `code` and a string `message`")]
    BadError,
    /// A batch of nothing (JSON-RPC 2.0 §6).
    #[error("a batch has at least one message")]
    EmptyBatch,
    /// A batch of more than [`MAX_BATCH`](super::MAX_BATCH) messages.
    #[error("a batch has at most 100 messages")]
    LargeBatch,
}

impl RpcError {
    /// The code to answer with.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::BadParams => code::INVALID_PARAMS,
            _ => code::INVALID_REQUEST,
        }
    }
}

/// One message, over the text it was read from. Its `Debug` shows method and places only.
#[derive(Clone)]
pub enum Envelope<'a> {
    /// Asks, and expects an answer.
    Request {
        /// Ties the answer to it.
        id: RequestId,
        /// What is asked.
        method: Cow<'a, str>,
        /// An object.
        params: Option<Text<'a>>,
    },
    /// Tells, and expects none.
    Notification {
        /// What is told.
        method: Cow<'a, str>,
        /// An object.
        params: Option<Text<'a>>,
    },
    /// Answers.
    Response {
        /// Of the request.
        id: RequestId,
        /// Any value.
        result: Text<'a>,
    },
    /// Answers that it did not work.
    Failure {
        /// Of the request; absent when it could not be read.
        id: Option<RequestId>,
        /// Says what went wrong, see [`code`](super::code).
        code: i64,
        /// Says it to people.
        message: Cow<'a, str>,
        /// Anything more.
        data: Option<Text<'a>>,
    },
}

/// The members of a message that mean something.
#[derive(Default)]
struct Fields<'a> {
    version: Option<Text<'a>>,
    id: Option<Text<'a>>,
    method: Option<Text<'a>>,
    params: Option<Text<'a>>,
    result: Option<Text<'a>>,
    error: Option<Text<'a>>,
}

impl<'a> Fields<'a> {
    fn read(text: Text<'a>) -> Self {
        let mut fields = Self::default();
        for member in text.members() {
            let field = match &*member.key {
                "jsonrpc" => &mut fields.version,
                "id" => &mut fields.id,
                "method" => &mut fields.method,
                "params" => &mut fields.params,
                "result" => &mut fields.result,
                "error" => &mut fields.error,
                _ => continue,
            };
            *field = Some(member.value);
        }
        fields
    }
}

impl<'a> Envelope<'a> {
    /// Reads one message. Members it has no word for are left where they are.
    ///
    /// # Errors
    ///
    /// What breaks JSON-RPC 2.0 §4–5 or what the protocol adds: no `null` ids, no positional
    /// `params`, bounds on `id` and `method`.
    pub fn read(text: Text<'a>) -> Result<Self, RpcError> {
        if text.kind() != Kind::Object {
            return Err(RpcError::NotAMessage);
        }
        let fields = Fields::read(text);
        if fields.version.and_then(Text::string).as_deref() != Some("2.0") {
            return Err(RpcError::BadVersion);
        }
        match (fields.method, fields.result, fields.error) {
            (Some(method), None, None) => Self::asking(method, fields.id, fields.params),
            (None, Some(result), None) => {
                let id = RequestId::read(fields.id.ok_or(RpcError::MissingId)?)?;
                Ok(Self::Response { id, result })
            }
            (None, None, Some(error)) => Self::failure(error, fields.id),
            _ => Err(RpcError::Ambiguous),
        }
    }

    fn asking(
        method: Text<'a>,
        id: Option<Text<'a>>,
        params: Option<Text<'a>>,
    ) -> Result<Self, RpcError> {
        let method = method.string().ok_or(RpcError::BadMethod)?;
        if method.is_empty() || method.len() > MAX_METHOD_BYTES {
            return Err(RpcError::BadMethod);
        }
        if params.is_some_and(|params| params.kind() != Kind::Object) {
            return Err(RpcError::BadParams);
        }
        match id {
            Some(id) => Ok(Self::Request { id: RequestId::read(id)?, method, params }),
            None => Ok(Self::Notification { method, params }),
        }
    }

    fn failure(error: Text<'a>, id: Option<Text<'a>>) -> Result<Self, RpcError> {
        let id = id.filter(|id| !id.is_null()).map(RequestId::read).transpose()?;
        let code = error.member("code").and_then(Text::integer).ok_or(RpcError::BadError)?;
        let message = error.member("message").and_then(Text::string).ok_or(RpcError::BadError)?;
        Ok(Self::Failure { id, code, message, data: error.member("data") })
    }

    /// The id of a request, or of the request that this answers.
    #[must_use]
    pub const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Request { id, .. } | Self::Response { id, .. } => Some(id),
            Self::Failure { id, .. } => id.as_ref(),
            Self::Notification { .. } => None,
        }
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Response { .. } | Self::Failure { .. } => None,
        }
    }

    /// The parameters of a request or notification.
    #[must_use]
    pub const fn params(&self) -> Option<Text<'a>> {
        match self {
            Self::Request { params, .. } | Self::Notification { params, .. } => *params,
            Self::Response { .. } | Self::Failure { .. } => None,
        }
    }

    /// `params._meta`.
    #[must_use]
    pub fn meta(&self) -> Option<Text<'a>> {
        self.params()?.member("_meta")
    }

    /// `params._meta.progressToken` of a request, `params.progressToken` of
    /// `notifications/progress`; `None` also when it is no string or integer.
    #[must_use]
    pub fn progress_token(&self) -> Option<RequestId> {
        let of_progress = self.method() == Some(method::NOTIFICATION_PROGRESS);
        let holder = if of_progress { self.params() } else { self.meta() };
        RequestId::read(holder?.member("progressToken")?).ok()
    }

    /// The version that a modern request states in `_meta`; `None` also when it is no string.
    #[must_use]
    pub fn protocol_version(&self) -> Option<Cow<'a, str>> {
        self.meta()?.member(META_PROTOCOL_VERSION)?.string()
    }

    /// What the method is about: `params.name`, `params.uri` or `params.taskId`. `None` when the
    /// method has no such parameter, it is missing or no string.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'a, str>> {
        let member = method::subject(self.method()?).map(Subject::member)?;
        self.params()?.member(member)?.string()
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { method, params, .. } => write!(f, "request {method:?} {params:?}"),
            Self::Notification { method, params } => {
                write!(f, "notification {method:?} {params:?}")
            }
            Self::Response { result, .. } => write!(f, "response {result:?}"),
            Self::Failure { code, .. } => write!(f, "failure {code}"),
        }
    }
}
