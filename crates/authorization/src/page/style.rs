//! The stylesheet and the one script, each under a name that changes with its content.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use haechi_face::reply;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/passkey.js");

/// Characters of the hash in a name: 72 bits.
const HASH_CHARS: usize = 12;

/// Where the stylesheet lies.
pub(crate) fn address() -> String {
    format!("/oauth/{}", name("page", STYLE, "css"))
}

/// Where the script lies.
pub(crate) fn script_address() -> String {
    format!("/oauth/{}", name("passkey", SCRIPT, "js"))
}

/// The file of this name; `None` when there is none.
pub(crate) fn file(path: &str) -> Option<Response<Bytes>> {
    let (kind, text) = if path == name("page", STYLE, "css") {
        ("text/css; charset=utf-8", STYLE)
    } else if path == name("passkey", SCRIPT, "js") {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else {
        return None;
    };
    let mut response = reply::typed(StatusCode::OK, HeaderValue::from_static(kind), text);
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, forever);
    Some(response)
}

fn name(stem: &str, text: &str, extension: &str) -> String {
    let hash = URL_SAFE_NO_PAD.encode(haechi_identity::sha256(text.as_bytes()));
    let hash: String = hash.chars().take(HASH_CHARS).collect();
    format!("{stem}.{hash}.{extension}")
}
