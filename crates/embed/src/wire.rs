//! Requests and results of `rmcp` as the JSON they are on the wire, and back.

use haechi_core::json::{Text, quote};
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CancelTaskParams, GetPromptRequestParams, GetTaskParams, GetTaskResult,
    ReadResourceDirectoryRequestParams, ReadResourceRequestParams, RequestMetaObject,
    UpdateTaskParams,
};
use rmcp::model::{
    CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest, CustomResult,
    ErrorCode, GetPromptResponse, GetSkillRequestParams, GetSkillResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceResponse, RequestId, SubscribeRequestParams,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The parameters of a governed request.
pub(crate) trait Request: Send + 'static {
    /// Whether its answer may never come.
    const NEVER_ENDS: bool = false;

    /// `params` on the wire, without `_meta`: an object, or `null`.
    fn write(&self) -> Result<String, serde_json::Error>;

    /// The same request with other parameters; `None` when they are of another form.
    fn rewritten(self, params: Value) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! plain_requests {
    ($($params:ty),+ $(,)?) => {$(
        impl Request for $params {
            fn write(&self) -> Result<String, serde_json::Error> {
                serde_json::to_string(self)
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
    fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.params)
    }

    fn rewritten(mut self, params: Value) -> Option<Self> {
        self.params = Some(params).filter(|params| !params.is_null());
        Some(self)
    }
}

/// What is asked for was said, and acknowledged, before the handler is asked: it cannot be changed.
impl Request for SubscriptionContext {
    const NEVER_ENDS: bool = true;

    fn write(&self) -> Result<String, serde_json::Error> {
        Ok(format!(r#"{{"notifications":{}}}"#, serde_json::to_string(self.requested())?))
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
    let params = with_meta(params.write()?, &context.meta)?;
    let (id, method) = (serde_json::to_string(&context.id)?, quote(method));
    Ok(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#))
}

/// `params` with what the request says about itself, in place of what they may say there.
fn with_meta(params: String, meta: &RequestMetaObject) -> Result<String, serde_json::Error> {
    let inside = match params.strip_prefix('{') {
        Some(inside) => inside,
        None if params == "null" => "}",
        None => return Err(serde::ser::Error::custom("parameters are not an object")),
    };
    if meta.is_empty() {
        return Ok(if inside == "}" { "{}".to_owned() } else { params });
    }
    if params.contains(r#""_meta""#) {
        // A name or somebody's text: reading all of it tells.
        let mut params: Map<String, Value> = serde_json::from_str(&params)?;
        params.insert("_meta".to_owned(), serde_json::to_value(meta)?);
        return serde_json::to_string(&params);
    }
    let (meta, comma) = (serde_json::to_string(meta)?, if inside == "}" { "" } else { "," });
    Ok(format!(r#"{{"_meta":{meta}{comma}{inside}"#))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_request_says_of_itself_is_said_once() {
        let about = |value: Value| serde_json::from_value::<RequestMetaObject>(value).unwrap();
        let cases = [
            ("null", json!({}), json!({})),
            ("null", json!({ "k": 1 }), json!({ "_meta": { "k": 1 } })),
            ("{}", json!({}), json!({})),
            ("{}", json!({ "k": 1 }), json!({ "_meta": { "k": 1 } })),
            (r#"{"a":"_"}"#, json!({}), json!({ "a": "_" })),
            (r#"{"a":"_"}"#, json!({ "k": 1 }), json!({ "_meta": { "k": 1 }, "a": "_" })),
            (r#"{"_meta":{"k":2}}"#, json!({}), json!({ "_meta": { "k": 2 } })),
            (r#"{"_meta":{"k":2}}"#, json!({ "k": 1 }), json!({ "_meta": { "k": 1 } })),
            (r#"{"a":"_meta"}"#, json!({ "k": 1 }), json!({ "_meta": { "k": 1 }, "a": "_meta" })),
        ];
        for (params, meta, expected) in cases {
            let written = with_meta(params.to_owned(), &about(meta)).unwrap();
            haechi_core::json::check(written.as_bytes(), &haechi_core::json::Limits::WIRE).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected, "{params}");
        }
        assert!(with_meta("[1]".to_owned(), &about(json!({}))).is_err());
    }
}
