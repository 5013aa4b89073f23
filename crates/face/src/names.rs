//! Which `Host` and `Origin` may come in: the guard against DNS rebinding and foreign web pages.

use std::collections::HashSet;
use std::net::SocketAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::problem::TransportError;

/// What [`Names`] follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesConfig {
    /// The address that is listened on; `None` where somebody else listens: then nothing but what
    /// is named here, and `Host` of loopback, is let in.
    pub listen: Option<SocketAddr>,
    /// Whether that listener speaks TLS.
    pub tls: bool,
    /// `scheme://host[:port]` that clients use, without a path; `None`: what follows from
    /// `listen`.
    pub public_url: Option<String>,
    /// Values of `Host` that are accepted besides: `name` with any port, or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that are accepted besides the public URL and, where loopback is listened
    /// on, loopback origins: `scheme://host[:port]`, compared without case.
    pub allowed_origins: Vec<String>,
}

impl NamesConfig {
    /// What the addresses of this server start with, the one to show first; empty when nobody
    /// knows.
    #[must_use]
    pub fn bases(&self) -> Vec<String> {
        if let Some(public) = &self.public_url {
            return vec![public.trim_end_matches('/').to_ascii_lowercase()];
        }
        let Some(listen) = self.listen else { return Vec::new() };
        let scheme = if self.tls { "https" } else { "http" };
        let (ip, port) = (listen.ip(), listen.port());
        let mut hosts = Vec::new();
        if !ip.is_unspecified() {
            hosts.push(listen.to_string());
        }
        if ip.is_loopback() || ip.is_unspecified() {
            hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
        }
        let mut bases: Vec<String> =
            hosts.into_iter().map(|host| format!("{scheme}://{host}")).collect();
        let mut seen = HashSet::new();
        bases.retain(|base| seen.insert(base.clone()));
        bases
    }
}

/// The names by which this server may be called, and from where.
#[derive(Clone, Debug)]
pub struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
    loopback_origins: bool,
}

impl Names {
    /// What follows from the settings.
    #[must_use]
    pub fn new(config: &NamesConfig) -> Self {
        let bases = config.bases();
        let of_base = bases.iter().filter_map(|base| base.split_once("://")).map(|(_, host)| host);
        let hosts = of_base.chain(config.allowed_hosts.iter().map(String::as_str));
        let origins = bases.iter().chain(&config.allowed_origins);
        Self {
            hosts: hosts.map(str::to_ascii_lowercase).collect(),
            origins: origins.map(|origin| origin.to_ascii_lowercase()).collect(),
            loopback_origins: config.listen.is_some_and(|listen| listen.ip().is_loopback()),
        }
    }

    /// Checks both headers of a request, whatever its route; gives the host that was called.
    ///
    /// # Errors
    ///
    /// [`TransportError::Host`] when there is none, or several, or one that is not ours;
    /// [`TransportError::Origin`] when there is one that may not use this server (`null`
    /// included).
    pub fn check<'a>(&self, head: &'a Parts) -> Result<&'a str, TransportError> {
        let host = self.check_host(head)?;
        let mut origins = head.headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(host),
            (Some(origin), None) if origin.to_str().is_ok_and(|text| self.admits_origin(text)) => {
                Ok(host)
            }
            _ => Err(TransportError::Origin),
        }
    }

    /// Checks `Host` alone, for what pages of every origin may read: it knows no cookies and tells
    /// nothing that is not public.
    ///
    /// # Errors
    ///
    /// [`TransportError::Host`], as [`Names::check`].
    pub fn check_host<'a>(&self, head: &'a Parts) -> Result<&'a str, TransportError> {
        let host = host(head).ok_or(TransportError::Host)?;
        if self.admits_host(host) { Ok(host) } else { Err(TransportError::Host) }
    }

    fn admits_host(&self, host: &str) -> bool {
        let Some((name, port)) = split_host(host) else { return false };
        if is_loopback_name(name) {
            return true;
        }
        self.hosts.iter().filter_map(|known| split_host(known)).any(|(known, known_port)| {
            known.eq_ignore_ascii_case(name) && known_port.is_none_or(|known| port == Some(known))
        })
    }

    fn admits_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let local = split_host(host).is_some_and(|(name, _)| is_loopback_name(name));
        self.loopback_origins && web && local
    }
}

/// The one host a request is for; `None` when it names none or contradicts itself.
fn host(head: &Parts) -> Option<&str> {
    let mut headers = head.headers.get_all(HOST).iter();
    let header = headers.next().map(|value| value.to_str());
    if headers.next().is_some() {
        return None;
    }
    // The absolute form and HTTP/2 put the host into the target (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
    match (head.uri.authority().map(http::uri::Authority::as_str), header) {
        (Some(target), None) => Some(target),
        (Some(target), Some(Ok(host))) if target.eq_ignore_ascii_case(host) => Some(host),
        (None, Some(Ok(host))) => Some(host),
        _ => None,
    }
}

/// Name and port of `name`, `name:port`, `[v6]` or `[v6]:port`; `None` for anything else.
fn split_host(host: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port = match port {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fine = match v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    fine.then_some((name, port))
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn on_loopback() -> Names {
        Names::new(&NamesConfig {
            listen: Some("127.0.0.1:8787".parse().unwrap()),
            allowed_hosts: vec!["tools.example".to_owned(), "pinned.example:444".to_owned()],
            allowed_origins: vec!["https://App.example".to_owned()],
            ..NamesConfig::default()
        })
    }

    #[test]
    fn only_our_own_names_are_answered() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);
        let cases: [Case<'_>; 16] = [
            ("/mcp", &[("host", "127.0.0.1:8787")], true),
            ("/mcp", &[("host", "localhost")], true),
            ("/mcp", &[("host", "LOCALHOST:9999")], true),
            ("/mcp", &[("host", "[::1]:8787")], true),
            ("/mcp", &[("host", "tools.example:80")], true),
            ("/mcp", &[("host", "pinned.example:444")], true),
            ("http://localhost/mcp", &[("host", "localhost")], true),
            ("http://localhost/mcp", &[], true),
            ("/mcp", &[("host", "pinned.example")], false),
            ("/mcp", &[("host", "evil.example.com")], false),
            ("/mcp", &[("host", "localhost.evil.example")], false),
            ("/mcp", &[("host", "localhost:80@evil.example")], false),
            ("/mcp", &[("host", "localhost:")], false),
            ("/mcp", &[], false),
            ("/mcp", &[("host", "localhost"), ("host", "localhost")], false),
            ("http://evil.example/mcp", &[("host", "localhost")], false),
        ];
        for (target, headers, accepted) in cases {
            let verdict = on_loopback().check(&parts(target, headers)).is_ok();
            assert_eq!(verdict, accepted, "{target} {headers:?}");
        }
    }

    #[test]
    fn only_our_own_pages_may_call_from_a_browser() {
        let cases: [(&[&str], bool); 9] = [
            (&[], true),
            (&["http://localhost:3000"], true),
            (&["http://127.0.0.1:8787"], true),
            (&["https://app.example"], true),
            (&["http://app.example"], false),
            (&["http://evil.example.com"], false),
            (&["null"], false),
            (&["file://localhost"], false),
            (&["http://localhost", "http://localhost"], false),
        ];
        for (origins, accepted) in cases {
            let mut headers = vec![("host", "localhost")];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            let verdict = on_loopback().check(&parts("/mcp", &headers)).is_ok();
            assert_eq!(verdict, accepted, "{origins:?}");
        }
    }

    #[test]
    fn a_gateway_for_others_takes_no_loopback_origin() {
        let names = Names::new(&NamesConfig {
            listen: Some("0.0.0.0:443".parse().unwrap()),
            public_url: Some("https://mcp.example".to_owned()),
            ..NamesConfig::default()
        });
        let with = |host, origin| parts("/mcp", &[("host", host), ("origin", origin)]);
        assert!(names.check(&with("mcp.example", "https://mcp.example")).is_ok());
        assert!(names.check(&with("mcp.example", "http://localhost")).is_err());
        assert!(names.check(&parts("/mcp", &[("host", "10.0.0.1")])).is_err());
    }
}
