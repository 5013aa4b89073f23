//! Where authorization servers describe themselves.

/// The addresses at which the metadata of an issuer may be, in the order of the MCP specification: its
/// `path` behind the well-known one (RFC 8414 §3.1), then before it (OpenID Connect Discovery §4).
/// `origin` is its `scheme://host[:port]`.
#[must_use]
pub fn server_metadata_addresses(origin: &str, path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let mut addresses = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        addresses.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_the_order_of_the_specification() {
        let with_path = [
            "https://a.example/.well-known/oauth-authorization-server/realms/x",
            "https://a.example/.well-known/openid-configuration/realms/x",
            "https://a.example/realms/x/.well-known/openid-configuration",
        ];
        for path in ["/realms/x", "/realms/x/"] {
            assert_eq!(server_metadata_addresses("https://a.example", path), with_path);
        }
        for path in ["", "/"] {
            assert_eq!(server_metadata_addresses("https://a.example:8443", path).len(), 2);
        }
    }
}
