//! The HTTP duties of a server that has no HTTP: which status an answer would have had.

use bytes::Bytes;
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{Envelope, RequestId, code, error_message};
use haechi_guard::{Incoming, UpstreamFailure};

use super::call::{empty, message_of};

/// The member of `_meta` without which a modern request is incomplete.
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Whether `request` carries what every modern request must.
pub(super) fn is_complete(request: &Envelope<'_>) -> bool {
    let meta = request.meta();
    let states = request.protocol_version().is_some();
    states && meta.is_some_and(|meta| meta.member(META_CAPABILITIES).is_some())
}

/// The status of a modern answer (2026-07-28, streamable HTTP).
pub(super) fn of_answer(answer: &Checked, request_is_complete: bool) -> u16 {
    let Ok(Envelope::Failure { code, .. }) = Envelope::read(answer.text()) else { return 200 };
    match code {
        code::METHOD_NOT_FOUND => 404,
        code::PARSE_ERROR | code::INVALID_REQUEST => 400,
        code::INVALID_PARAMS if !request_is_complete => 400,
        _ if code::MODERN.contains(&code) => 400,
        _ => 200,
    }
}

/// Whether an answer to `server/discover` shows that the server speaks the modern era: a result, or
/// an error that only such a server knows.
pub(super) fn speaks_modern(answer: &Checked) -> bool {
    match Envelope::read(answer.text()) {
        Ok(Envelope::Response { .. }) => true,
        Ok(Envelope::Failure { code, .. }) => code::MODERN.contains(&code),
        _ => false,
    }
}

/// An error of this carrier's own, in the place of the server's.
pub(super) fn refused(
    status: u16,
    id: Option<&RequestId>,
    code: i64,
    message: &str,
) -> Result<Incoming, UpstreamFailure> {
    let text = error_message(id, code, message, None);
    Ok(Checked::new(Bytes::from(text), &Limits::RESULT)
        .map_or_else(|_| empty(status), |message| Incoming { status, ..message_of(message) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Checked {
        Checked::new(Bytes::from(text.to_owned()), &Limits::RESULT).unwrap()
    }

    #[test]
    fn an_answer_has_the_status_that_a_modern_server_gives_it() {
        let cases = [
            (-32601, true, 404),
            (-32020, true, 400),
            (-32021, true, 400),
            (-32022, true, 400),
            (-32602, true, 200),
            (-32602, false, 400),
            (-32603, true, 200),
            (-32000, true, 200),
        ];
        for (code, complete, status) in cases {
            let answer = checked(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":""}}}}"#
            ));
            assert_eq!(of_answer(&answer, complete), status, "{code}");
            assert_eq!(speaks_modern(&answer), (-32022..=-32020).contains(&code), "{code}");
        }
        let result = checked(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert_eq!(of_answer(&result, true), 200);
        assert!(speaks_modern(&result));
    }
}
