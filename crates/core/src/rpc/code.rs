//! Error codes: JSON-RPC 2.0 §5.1 and the protocol's own. Codes of this gateway lie outside
//! −32768…−32000, as the protocol asks.

/// The text is not JSON.
pub const PARSE_ERROR: i64 = -32_700;
/// The JSON is no message of this protocol.
pub const INVALID_REQUEST: i64 = -32_600;
/// The receiver does not know the method.
pub const METHOD_NOT_FOUND: i64 = -32_601;
/// The parameters are not what the method takes.
pub const INVALID_PARAMS: i64 = -32_602;
/// The receiver failed.
pub const INTERNAL_ERROR: i64 = -32_603;
/// There is no such resource; up to 2025-11-25 only.
pub const RESOURCE_NOT_FOUND: i64 = -32_002;
/// A header does not say what the body says (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32_020;
/// The client lacks a capability that the request needs (2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32_021;
/// The server does not speak the protocol version (2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32_022;
/// The user has to visit a URL first; 2025-11-25 only.
pub const URL_ELICITATION_REQUIRED: i64 = -32_042;

/// The codes by which a server shows that it speaks 2026-07-28.
pub const MODERN: [i64; 3] = [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION];
