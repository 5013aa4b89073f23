//! Pages as answers: what browsers are told about them.

use askama::Template;
use bytes::Bytes;
use haechi_face::{Language, reply};
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};

use crate::Visit;
use crate::session::Cookie;

/// What every page knows.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// In which language.
    pub(crate) language: Language,
    /// Where the stylesheet lies.
    pub(crate) style: String,
    /// This page in the other language, relative.
    pub(crate) switch: String,
}

impl Frame {
    /// For the page at `path` (what follows `/oauth/`) with this ticket.
    pub(crate) fn new(visit: &Visit<'_>, path: &str, ticket: Option<&str>) -> Self {
        let language = language(visit);
        let other = language.choose("ko", "en");
        let ticket = ticket.map(|ticket| format!("ticket={ticket}&")).unwrap_or_default();
        let switch = format!("/oauth/{path}?{ticket}language={other}");
        Self { language, style: super::style::address(), switch }
    }

    /// The sentence in the page's language.
    pub(crate) fn say(&self, english: &str, korean: &str) -> String {
        self.language.choose(english, korean)
    }

    /// `lang` of the page.
    pub(crate) fn tag(&self) -> &'static str {
        match self.language {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }
}

/// The language of a page: of its address, of an earlier choice, of the browser.
pub(crate) fn language(visit: &Visit<'_>) -> Language {
    let chosen = chosen_language(visit).or_else(|| Cookie::Language.read(visit));
    chosen.and_then(Language::of_locale).unwrap_or(visit.language)
}

/// What the address says.
fn chosen_language<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let query = visit.head.uri.query()?;
    let chosen = query.split('&').find_map(|pair| pair.strip_prefix("language="))?;
    matches!(chosen, "en" | "ko").then_some(chosen)
}

/// A page. `targets` are where its forms may lead besides this server, as CSP sources; `script`
/// lets it run our own script file.
pub(crate) struct Page<'a> {
    pub(crate) status: StatusCode,
    pub(crate) targets: &'a str,
    pub(crate) script: bool,
}

impl Page<'_> {
    /// A page whose forms lead to this server only, without script.
    pub(crate) const PLAIN: Page<'static> =
        Page { status: StatusCode::OK, targets: "", script: false };

    /// The answer, with the cookie of a language that was just chosen.
    pub(crate) fn show(&self, visit: &Visit<'_>, template: &impl Template) -> Response<Bytes> {
        let Ok(html) = template.render() else {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return reply::typed(status, HeaderValue::from_static("text/plain"), "no page");
        };
        let html_type = HeaderValue::from_static("text/html; charset=utf-8");
        let mut response = reply::typed(self.status, html_type, html);
        let script = if self.script { " script-src 'self';" } else { "" };
        let targets = self.targets;
        let policy = format!(
            "default-src 'none'; style-src 'self';{script} form-action 'self'{targets}; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, SAME_ORIGIN);
        headers.insert(COOP, SAME_ORIGIN);
        headers.insert(CORP, SAME_ORIGIN);
        match chosen_language(visit).and_then(|chosen| Cookie::Language.set(visit, chosen)) {
            Some(cookie) => with_cookie(response, Some(cookie)),
            None => response,
        }
    }
}

/// With `no-referrer` browsers would send our own forms with `Origin: null` (Fetch §3.2.3), which
/// says nothing; with this, other sites learn as little.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// 303 to an address of this server.
pub(crate) fn see_other(path: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    reply::guard_headers(&mut response);
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(path) {
        headers.insert(LOCATION, location);
    }
    headers.insert(REFERRER_POLICY, SAME_ORIGIN);
    response
}

/// Adds a cookie.
pub(crate) fn with_cookie(
    mut response: Response<Bytes>,
    cookie: Option<HeaderValue>,
) -> Response<Bytes> {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The CSP source by which a form may end at `redirect_uri`: browsers hold redirections that follow
/// a form to it. Starts with a space; empty when there is none.
pub(crate) fn form_target(redirect_uri: &str) -> String {
    let Ok(address) = url::Url::parse(redirect_uri) else { return String::new() };
    let scheme = address.scheme();
    match address.host() {
        // An IPv6 host cannot stand in a policy (CSP Level 3 §2.3.1).
        Some(url::Host::Ipv6(_)) => format!(" {scheme}:"),
        Some(host) if matches!(scheme, "http" | "https") => {
            let port = address.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!(" {scheme}://{host}{port}")
        }
        _ => format!(" {scheme}:"),
    }
}

/// A moment as people read it: to the minute, in UTC.
pub(crate) fn minute(at: haechi_core::Timestamp) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    let time: String = time.chars().take(5).collect();
    format!("{day} {time} UTC")
}
