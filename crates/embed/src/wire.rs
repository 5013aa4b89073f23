//! Requests and results of `rmcp` as the JSON they are on the wire, and back.

use haechi_core::json::Text;
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CancelTaskParams, GetPromptRequestParams, GetTaskParams, GetTaskResult,
    ReadResourceDirectoryRequestParams, ReadResourceRequestParams, UpdateTaskParams,
};
use rmcp::model::{
    CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest, CustomResult,
    ErrorCode, GetPromptResponse, GetSkillRequestParams, GetSkillResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceResponse, RequestId, SubscribeRequestParams,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The parameters of a governed request.
pub(crate) trait Request: Send + 'static {
    /// Whether its answer may never come.
    const NEVER_ENDS: bool = false;

    /// `params` on the wire, without `_meta`.
    fn write(&self) -> Result<Value, serde_json::Error>;

    /// The same request with other parameters; `None` when they are of another form.
    fn rewritten(self, params: Value) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! plain_requests {
    ($($params:ty),+ $(,)?) => {$(
        impl Request for $params {
            fn write(&self) -> Result<Value, serde_json::Error> {
                serde_json::to_value(self)
            }

            fn rewritten(self, params: Value) -> Option<Self> {
                serde_json::from_value(params).ok()
            }
        }
    )+};
}

plain_requests!(
    CallToolRequestParams,
    CancelTaskParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    GetSkillRequestParams,
    GetTaskParams,
    Option<PaginatedRequestParams>,
    ReadResourceDirectoryRequestParams,
    ReadResourceRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
    UpdateTaskParams,
);

impl Request for CustomRequest {
    fn write(&self) -> Result<Value, serde_json::Error> {
        Ok(self.params.clone().unwrap_or(Value::Null))
    }

    fn rewritten(mut self, params: Value) -> Option<Self> {
        self.params = Some(params).filter(|params| !params.is_null());
        Some(self)
    }
}

/// What is asked for was said, and acknowledged, before the handler is asked: it cannot be changed.
impl Request for SubscriptionContext {
    const NEVER_ENDS: bool = true;

    fn write(&self) -> Result<Value, serde_json::Error> {
        Ok(serde_json::json!({ "notifications": serde_json::to_value(self.requested())? }))
    }

    fn rewritten(self, _: Value) -> Option<Self> {
        None
    }
}

/// The result of a governed request.
pub(crate) trait Reply: Send + 'static {
    /// `result` on the wire.
    fn write(&self) -> Result<String, serde_json::Error>;

    /// The same from what the guard let through.
    fn read(result: &str) -> Result<Self, serde_json::Error>
    where
        Self: Sized;
}

macro_rules! plain_replies {
    ($($result:ty),+ $(,)?) => {$(
        impl Reply for $result {
            fn write(&self) -> Result<String, serde_json::Error> {
                serde_json::to_string(self)
            }

            fn read(result: &str) -> Result<Self, serde_json::Error> {
                serde_json::from_str(result)
            }
        }
    )+};
}

plain_replies!(
    CompleteResult,
    CustomResult,
    GetSkillResult,
    GetTaskResult,
    ListPromptsResult,
    ListResourceTemplatesResult,
    ListResourcesResult,
    ListSkillsResult,
    ListToolsResult,
);

/// An acknowledgement: nothing but that it was done.
impl Reply for () {
    fn write(&self) -> Result<String, serde_json::Error> {
        Ok("{}".to_owned())
    }

    fn read(_: &str) -> Result<Self, serde_json::Error> {
        Ok(())
    }
}

/// Results of several kinds are told apart by `resultType` (MCP 2026-07-28); absent is complete.
macro_rules! replies_of_several_kinds {
    ($($result:ident { $($variant:ident = $kind:literal),* }),+ $(,)?) => {$(
        impl Reply for $result {
            fn write(&self) -> Result<String, serde_json::Error> {
                match self {
                    Self::Complete(result) => serde_json::to_string(result),
                    $(Self::$variant(result) => serde_json::to_string(result),)*
                    other => Err(unknown_kind(other)),
                }
            }

            fn read(result: &str) -> Result<Self, serde_json::Error> {
                let kind = serde_json::from_str::<Kind>(result)?.result_type;
                match kind.as_deref() {
                    $(Some($kind) => serde_json::from_str(result).map(Self::$variant),)*
                    _ => serde_json::from_str(result).map(Self::Complete),
                }
            }
        }
    )+};
}

replies_of_several_kinds!(
    CallToolResponse { InputRequired = "input_required", Task = "task" },
    GetPromptResponse { InputRequired = "input_required" },
    ReadResourceResponse { InputRequired = "input_required" },
);

#[derive(serde::Deserialize)]
struct Kind {
    #[serde(rename = "resultType")]
    result_type: Option<String>,
}

/// A kind of result that is newer than this crate does not pass unseen.
fn unknown_kind<T: std::fmt::Debug>(_: &T) -> serde_json::Error {
    serde::ser::Error::custom("a kind of result that is not known here")
}

/// The JSON-RPC request that asks for `method` with `params`.
pub(crate) fn request_body(
    method: &str,
    params: &impl Request,
    context: &RequestContext<RoleServer>,
) -> Result<String, serde_json::Error> {
    let mut params = match params.write()? {
        Value::Object(params) => params,
        Value::Null => Map::new(),
        _ => return Err(serde::ser::Error::custom("parameters are not an object")),
    };
    let meta = serde_json::to_value(&context.meta)?;
    if meta.as_object().is_some_and(|meta| !meta.is_empty()) {
        params.insert("_meta".to_owned(), meta);
    }
    serde_json::to_string(&Message { jsonrpc: "2.0", id: &context.id, method, params })
}

#[derive(Serialize)]
struct Message<'a> {
    jsonrpc: &'static str,
    id: &'a RequestId,
    method: &'a str,
    params: Map<String, Value>,
}

/// The JSON-RPC answer to `id`.
pub(crate) fn response_body(
    id: &RequestId,
    result: &Result<impl Reply, ErrorData>,
) -> Result<String, serde_json::Error> {
    let id = serde_json::to_string(id)?;
    Ok(match result {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, result.write()?),
        Err(error) => {
            let error = serde_json::to_string(error)?;
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
        }
    })
}

/// An error that was screened.
pub(crate) fn read_error(error: Text<'_>) -> ErrorData {
    read(error.raw()).unwrap_or_else(|| {
        ErrorData::new(ErrorCode::INTERNAL_ERROR, "the error cannot be read", None)
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
