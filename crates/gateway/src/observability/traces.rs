//! W3C Trace Context: a caller's trace is taken over, continued where traces are exported, and
//! handed on to the upstream.

use haechi_core::UpstreamName;
use haechi_core::rpc::method;
use haechi_guard::Refusal;
use http::{HeaderMap, Method};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of all spans: only the exporter listens to it, logs do not.
pub(crate) const TARGET: &str = "haechi::trace";
const TRACEPARENT: &str = "traceparent";

/// The trace id of a request that carries one well-formed `traceparent` (§3.2).
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = sole(headers)?;
    parse(value)?;
    value.get(3..35)
}

/// A span for one request; it costs nothing where no exporter listens.
pub(crate) fn span(headers: &HeaderMap, method: &Method) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "mcp",
        otel.kind = "server",
        http.request.method = %method,
        mcp.method.name = Empty,
        haechi.upstream = Empty,
        haechi.refusal = Empty,
    );
    if !span.is_disabled()
        && let Some(parent) = sole(headers).and_then(parse)
    {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // Without an exporter there is no parent to set, and nothing to lose.
        let _ = span.set_parent(context);
    }
    span
}

/// Notes on the current span what the request was. Methods are shown only where they are known,
/// because others are a stranger's words.
pub(crate) fn note(called: Option<&str>, upstream: &UpstreamName, refusal: Option<&Refusal>) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let known = called.filter(|called| {
        let other = method::action(called) == Some(haechi_core::Action::Other);
        !other && !called.starts_with(method::NOTIFICATION_PREFIX)
    });
    span.record("mcp.method.name", known.unwrap_or("other"));
    span.record("haechi.upstream", upstream.as_str());
    if let Some(refusal) = refusal {
        span.record("haechi.refusal", refusal.word());
    }
}

/// Puts the current span, where one is exported, in place of the caller's `traceparent`. One that
/// is malformed, or stands twice, goes no further (§4.3).
pub(crate) fn forward(headers: &mut Vec<(String, String)>) {
    let parents = headers.iter().filter(|(name, _)| name == TRACEPARENT);
    let mut values = parents.map(|(_, value)| value.as_str());
    let well_formed =
        values.next().is_some_and(|value| parse(value).is_some()) && values.next().is_none();
    if !well_formed {
        headers.retain(|(name, _)| name != TRACEPARENT && name != "tracestate");
    }
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let context = span.context();
    let here = context.span().span_context().clone();
    if here.is_valid() {
        let flags = here.trace_flags().to_u8();
        let parent = format!("00-{}-{}-{flags:02x}", here.trace_id(), here.span_id());
        headers.retain(|(name, _)| name != TRACEPARENT);
        headers.push((TRACEPARENT.to_owned(), parent));
    }
}

fn sole(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Version 00: `00-<32 hex>-<16 hex>-<2 hex>`, in lower case, neither id all zero.
fn parse(value: &str) -> Option<SpanContext> {
    let lower_hex = |text: &&str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = value.split('-');
    if parts.next() != Some("00") {
        return None;
    }
    let trace = parts.next().filter(|text| text.len() == 32).filter(lower_hex)?;
    let span = parts.next().filter(|text| text.len() == 16).filter(lower_hex)?;
    let flags = parts.next().filter(|text| text.len() == 2).filter(lower_hex)?;
    if parts.next().is_some() {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_well_formed_parent_is_taken_over() {
        let cases = [
            (GOOD, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6-00f067aa0ba902b7-01", false),
            ("", false),
        ];
        for (value, good) in cases {
            assert_eq!(parse(value).is_some(), good, "{value}");
        }
    }

    #[test]
    fn a_parent_that_stands_twice_goes_no_further() {
        let pair = |value: &str| (TRACEPARENT.to_owned(), value.to_owned());
        let mut once = vec![pair(GOOD), ("tracestate".to_owned(), "a=1".to_owned())];
        forward(&mut once);
        assert_eq!(once.len(), 2);
        for mut bad in [vec![pair(GOOD), pair(GOOD)], vec![pair("nonsense")]] {
            forward(&mut bad);
            assert!(bad.is_empty());
        }
    }
}
