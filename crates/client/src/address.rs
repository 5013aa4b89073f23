//! Which addresses strangers may send us to, and when two of them are the same.

use url::{Host, Url};

/// No address of a stranger is longer than this, in bytes.
pub(crate) const MAX_ADDRESS_BYTES: usize = 2048;

/// Whether a URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `text` is a URL of this machine; `false` for what is none.
pub(crate) fn is_local(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_loopback(&url))
}

/// Whether keys and tokens may go to `text`: over TLS, without credentials or a fragment in it. Only
/// who is on this machine itself (`local`) may name an address on this machine without TLS.
pub(crate) fn is_secure(text: &str, local: bool) -> bool {
    if text.len() > MAX_ADDRESS_BYTES {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local && is_loopback(&url));
    bare && secure && url.host().is_some()
}

/// Scheme, host and port, as they stand before a path.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The path without a slash at its end; empty at the root.
pub(crate) fn path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

/// Whether both name the same resource: one slash at the end, and how scheme and host are written,
/// make no difference (RFC 3986 §6.2.2).
pub(crate) fn is_same_resource(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (Url::parse(one), Url::parse(other)) else { return false };
    let same = one.origin() == other.origin() && one.query() == other.query();
    same && path(&one) == path(&other) && one.fragment().is_none() && one.username().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_tls_is_taken_from_this_machine_only() {
        for (text, local, fits) in [
            ("https://a.example/t", false, true),
            ("http://a.example/t", false, false),
            ("http://a.example/t", true, false),
            ("http://127.0.0.1:9/t", true, true),
            ("http://[::1]:9/t", true, true),
            ("http://localhost:9/t", true, true),
            ("http://127.0.0.1:9/t", false, false),
            ("http://localhost.evil.example/t", true, false),
            ("https://u:p@a.example/t", false, false),
            ("https://a.example/t#f", false, false),
            ("javascript:alert(1)", true, false),
            ("data:text/html,x", true, false),
            ("file:///etc/passwd", true, false),
            ("nothing", true, false),
        ] {
            assert_eq!(is_secure(text, local), fits, "{text}");
        }
        assert!(!is_secure(&format!("https://a.example/{}", "x".repeat(2048)), false));
    }

    #[test]
    fn a_resource_is_the_same_by_origin_path_and_query() {
        for (one, other, same) in [
            ("https://a.example/mcp", "https://a.example/mcp", true),
            ("https://a.example/mcp/", "https://a.example/mcp", true),
            ("https://A.example:443/mcp", "https://a.example/mcp", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/mcp?a=1", "https://a.example/mcp", false),
            ("https://a.example/other", "https://a.example/mcp", false),
            ("https://a.example:8443/mcp", "https://a.example/mcp", false),
            ("http://a.example/mcp", "https://a.example/mcp", false),
            ("https://evil.example/mcp", "https://a.example/mcp", false),
            ("https://a.example/mcp#x", "https://a.example/mcp", false),
        ] {
            assert_eq!(is_same_resource(one, other), same, "{one}");
        }
    }
}
