//! Metrics in Prometheus text format. Every label has few values: upstreams of the settings, fixed
//! words of the code, and never what a stranger chose.

use std::time::Duration;

use haechi_assembly::ExportState;
use haechi_audit::witness::Cosigning;
use haechi_core::{Action, Timestamp, UpstreamName};
use haechi_guard::{Answer, AnswerBody, Guard, Refusal};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// A result is often large and an error hardly ever: beyond this, in bytes, nobody looks which.
const MAX_ERROR_BYTES: usize = 4096;

const CALLS: &str = "haechi_calls_total";
const LATENCY: &str = "haechi_call_duration_seconds";
const REFUSED: &str = "haechi_refused_before_sign_in_total";
const SIGN_INS: &str = "haechi_sign_ins_total";
const LEFT_OUT: &str = "haechi_left_out_total";
const CONNECTIONS: &str = "haechi_connections";
const SESSIONS: &str = "haechi_sessions";
const AUDIT_LAG: &str = "haechi_audit_waiting_entries";
const AUDIT_ENTRIES: &str = "haechi_audit_entries";
const AUDIT_OPEN: &str = "haechi_audit_open_intents";
const AUDIT_WRITABLE: &str = "haechi_audit_writable";
const AUDIT_SIGNED: &str = "haechi_audit_checkpoint_entries";
const AUDIT_SIGNED_AT: &str = "haechi_audit_checkpoint_timestamp_seconds";
const COSIGNED: &str = "haechi_audit_cosigned_entries";
const COSIGNED_AGE: &str = "haechi_audit_cosigned_age_seconds";
const WITNESSES_MISSING: &str = "haechi_audit_witnesses_missing";
const WITNESS_SIZE: &str = "haechi_audit_witness_entries";
const WITNESS_FAILURES: &str = "haechi_audit_witness_failures";
const EXPORT_LAG_ENTRIES: &str = "haechi_export_lag_entries";
const EXPORT_LAG_SECONDS: &str = "haechi_export_lag_seconds";
const EXPORT_SENT: &str = "haechi_export_sent_total";
const EXPORT_REFUSED: &str = "haechi_export_refused_total";
const EXPORT_FAILED: &str = "haechi_export_failed_total";
const DROPPED: &str = "haechi_upstream_messages_dropped";

/// Starts collecting; the handle shows what was collected. To be called once.
///
/// # Errors
///
/// [`BuildError`], when something collects already.
pub(crate) fn start() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(CALLS, "Governed requests, by decision and completion");
    describe_histogram!(LATENCY, Unit::Seconds, "From a request to the head of its answer");
    describe_counter!(REFUSED, "Requests refused before anybody was known, by reason");
    describe_counter!(SIGN_INS, "Attempts to sign in with a password, by outcome");
    describe_counter!(LEFT_OUT, "Parts of `/mcp` that an upstream failed to give");
    describe_gauge!(CONNECTIONS, "Connections of clients");
    describe_gauge!(SESSIONS, "Legacy sessions");
    describe_gauge!(AUDIT_LAG, "Entries whose callers wait for them to be durable");
    describe_gauge!(AUDIT_ENTRIES, "Entries in the audit log");
    describe_gauge!(AUDIT_SIGNED, "Entries under the audit log's newest checkpoint");
    describe_gauge!(AUDIT_SIGNED_AT, "When the newest checkpoint was signed, since 1970");
    describe_gauge!(AUDIT_OPEN, "Calls under way, as the audit log sees it");
    describe_gauge!(AUDIT_WRITABLE, "1 when the next call could be recorded");
    describe_gauge!(COSIGNED, "Entries that as many witnesses have seen as are wanted");
    describe_gauge!(COSIGNED_AGE, Unit::Seconds, "How long ago they saw them");
    describe_gauge!(WITNESSES_MISSING, "1 when they have not for longer than the grace");
    describe_gauge!(WITNESS_SIZE, "Entries that a witness has seen since the start");
    describe_gauge!(WITNESS_FAILURES, "How often a witness did not cosign since the start");
    describe_gauge!(EXPORT_LAG_ENTRIES, "Entries that an export's sink has not confirmed");
    describe_gauge!(EXPORT_LAG_SECONDS, Unit::Seconds, "Age of the oldest of them");
    describe_counter!(EXPORT_SENT, "Entries that an export's sink has confirmed");
    describe_counter!(EXPORT_REFUSED, "Records that an export's sink refused for good");
    describe_counter!(EXPORT_FAILED, "Attempts of an export that failed");
    describe_gauge!(DROPPED, "Messages of upstreams that belonged to nobody");
}

/// Counts one governed request.
pub(crate) fn called(
    upstream: &UpstreamName,
    action: Action,
    answered: Result<&Answer, &Refusal>,
    took: Duration,
) {
    let (decision, completion) = match answered {
        Ok(answer) => ("permit", completion(answer)),
        Err(refusal) => (decision(refusal), refusal.word()),
    };
    let upstream = metrics::SharedString::from_shared(upstream.0.clone());
    counter!(
        CALLS,
        "upstream" => upstream.clone(),
        "action" => action.as_str(),
        "decision" => decision,
        "completion" => completion,
    )
    .increment(1);
    histogram!(LATENCY, "upstream" => upstream, "action" => action.as_str()).record(took);
}

/// Whether a refused call had been permitted before something else failed.
const fn decision(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Upstream { .. } | Refusal::CircuitOpen { .. } | Refusal::NotRecorded(_) => {
            "permit"
        }
        _ => "deny",
    }
}

fn completion(answer: &Answer) -> &'static str {
    match &answer.body {
        AnswerBody::Empty => "empty",
        AnswerBody::Stream(_) => "stream",
        AnswerBody::Message(message) => {
            let small = message.len() <= MAX_ERROR_BYTES;
            let failed = small && message.text().member("error").is_some();
            if failed { "error" } else { "answered" }
        }
    }
}

/// Counts a request that was refused before anybody was known.
pub(crate) fn refused_before_sign_in(reason: &'static str) {
    counter!(REFUSED, "reason" => reason).increment(1);
}

/// Counts an attempt to sign in; `failure` is a fixed word.
pub(crate) fn signed_in(failure: Option<&'static str>) {
    counter!(SIGN_INS, "outcome" => failure.unwrap_or("success")).increment(1);
}

/// Counts an upstream that failed to give its part of what all upstreams were asked.
pub(crate) fn left_out(upstream: &UpstreamName) {
    let upstream = metrics::SharedString::from_shared(upstream.0.clone());
    counter!(LEFT_OUT, "upstream" => upstream).increment(1);
}

/// A client has connected.
pub(crate) fn connection_opened() {
    gauge!(CONNECTIONS).increment(1.0);
}

/// A client's connection has ended.
pub(crate) fn connection_closed() {
    gauge!(CONNECTIONS).decrement(1.0);
}

/// Reads what the hall counts by itself; to be called before the metrics are shown.
pub(crate) fn observe(guard: &Guard) {
    let audit = guard.rooms().audit.health();
    gauge!(SESSIONS).set(approximate(guard.session_count() as u64));
    gauge!(AUDIT_LAG).set(approximate(audit.lag));
    gauge!(AUDIT_ENTRIES).set(approximate(audit.entries));
    gauge!(AUDIT_OPEN).set(approximate(audit.open));
    gauge!(AUDIT_WRITABLE).set(if audit.writable { 1.0 } else { 0.0 });
    gauge!(DROPPED).set(approximate(guard.dropped_messages()));
    if let Some(signed) = guard.rooms().audit.checkpoints().and_then(|it| it.borrow().clone()) {
        gauge!(AUDIT_SIGNED).set(approximate(signed.checkpoint.size()));
        gauge!(AUDIT_SIGNED_AT).set(approximate(signed.at.as_secs()));
    }
    if let Some(cosigning) = guard.rooms().audit.cosigning() {
        observe_witnesses(&cosigning, guard.rooms().clock.now());
    }
}

/// Names of witnesses are those of the settings.
fn observe_witnesses(cosigning: &Cosigning, now: Timestamp) {
    gauge!(COSIGNED).set(approximate(cosigning.size));
    gauge!(WITNESSES_MISSING).set(if cosigning.missing { 1.0 } else { 0.0 });
    if let Some(at) = cosigning.at {
        gauge!(COSIGNED_AGE).set(now.since(at).as_secs_f64());
    }
    for witness in &cosigning.witnesses {
        gauge!(WITNESS_SIZE, "witness" => witness.name.clone()).set(approximate(witness.size));
        gauge!(WITNESS_FAILURES, "witness" => witness.name.clone())
            .set(approximate(witness.failures));
    }
}

/// Shows how exports are doing.
pub(crate) fn exported(exports: &[ExportState]) {
    for ExportState { name, progress, lag } in exports {
        let sink = metrics::SharedString::from_shared(name.as_str().into());
        gauge!(EXPORT_LAG_ENTRIES, "sink" => sink.clone()).set(approximate(progress.lag_entries));
        gauge!(EXPORT_LAG_SECONDS, "sink" => sink.clone()).set(lag.as_secs_f64());
        counter!(EXPORT_SENT, "sink" => sink.clone()).absolute(progress.sent);
        counter!(EXPORT_REFUSED, "sink" => sink.clone()).absolute(progress.refused);
        counter!(EXPORT_FAILED, "sink" => sink).absolute(progress.failed);
    }
}

/// A count as Prometheus keeps it: exact up to 2^53.
const fn approximate(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_and_answered_calls_are_counted_apart() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let files = UpstreamName("files".into());
        let (took, action) = (Duration::from_millis(2), Action::CallTool);
        let refusal = Refusal::Denied { public_reason: None, entry: None };
        let body = |text: &'static str| {
            let limits = haechi_core::json::Limits::WIRE;
            AnswerBody::Message(haechi_core::json::Checked::new(text.into(), &limits).unwrap())
        };
        let answer = |body| Answer { status: 200, headers: Vec::new(), body };
        metrics::with_local_recorder(&recorder, || {
            called(&files, action, Err(&refusal), took);
            called(&files, action, Ok(&answer(body(r#"{"result":{}}"#))), took);
            called(&files, action, Ok(&answer(body(r#"{"error":{}}"#))), took);
            refused_before_sign_in("bad-origin");
        });
        let shown = handle.render();
        let line = |decision, completion| {
            format!(
                r#"haechi_calls_total{{upstream="files",action="call_tool",decision="{decision}",completion="{completion}"}} 1"#
            )
        };
        for expected in [
            line("deny", "denied"),
            line("permit", "answered"),
            line("permit", "error"),
            r#"haechi_refused_before_sign_in_total{reason="bad-origin"} 1"#.to_owned(),
        ] {
            assert!(shown.contains(&expected), "{expected} is not in\n{shown}");
        }
    }
}
