//! What an event says, in flat words that every format has a place for.

use std::borrow::Cow;

use haechi_core::{
    Administration, Completion, Conclusion, Event, FindingCount, Intent, Opening, OpeningKind,
    Reveal, SignIn, TokenAct, TokenActKind,
};
use serde::Serialize;

use crate::query::EventKind;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    Unknown,
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }

    const fn of(success: bool) -> Self {
        if success { Self::Success } else { Self::Failure }
    }
}

/// How much it matters, in four steps that every format can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Informational,
    Low,
    Medium,
    High,
}

/// What an event says.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) kind: EventKind,
    /// What was done, or wanted: a word of this program.
    pub(super) action: Cow<'a, str>,
    pub(super) outcome: Outcome,
    pub(super) severity: Severity,
    /// The person's random name.
    pub(super) person: Option<&'a str>,
    /// Everything else, by flat names of at most 32 characters; none of it is empty.
    pub(super) fields: Vec<(&'static str, Cow<'a, str>)>,
    pub(super) findings: &'a [FindingCount],
}

impl<'a> Facts<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        let mut facts = match event {
            Event::Intent(intent) => of_intent(intent),
            Event::Outcome(end) => of_outcome(end),
            Event::Session(opening) => of_session(opening),
            Event::SignIn(sign_in) => of_sign_in(sign_in),
            Event::Administration(act) => of_administration(act),
            Event::Reveal(reveal) => of_reveal(reveal),
            Event::Token(act) => of_token(act),
            Event::RefusalCount { .. } => of_refusals(event),
            Event::Log { .. } => of_log(event),
        };
        facts.fields.retain(|(_, value)| !value.is_empty());
        facts
    }

    fn new(event: EventKind, action: impl Into<Cow<'a, str>>, outcome: Outcome) -> Self {
        Facts {
            kind: event,
            action: action.into(),
            outcome,
            severity: Severity::Informational,
            person: None,
            fields: Vec::new(),
            findings: &[],
        }
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }
}

fn of_intent(intent: &Intent) -> Facts<'_> {
    let permitted = intent.decision == "permit";
    let severity = match (permitted, intent.sensitive) {
        (false, _) => Severity::Medium,
        (true, true) => Severity::Low,
        (true, false) => Severity::Informational,
    };
    let optional = |value: &'_ Option<String>| value.clone().unwrap_or_default();
    Facts {
        severity,
        person: Some(&intent.sid.0),
        findings: &intent.findings,
        fields: vec![
            ("upstream", (&*intent.upstream).into()),
            ("tool", (&*intent.name).into()),
            ("method", (&*intent.method).into()),
            ("decision", (&*intent.decision).into()),
            ("rules", intent.rules.join(", ").into()),
            ("stage", optional(&intent.stage).into()),
            ("roles", intent.roles.join(", ").into()),
            ("route", (&*intent.route).into()),
            ("era", word(&intent.era).into()),
            ("means", word(&intent.means).into()),
            ("client_id", optional(&intent.client_id).into()),
            ("sensitive", intent.sensitive.to_string().into()),
            ("policy_epoch", intent.policy_epoch.to_string().into()),
            ("request_bytes", intent.request_bytes.to_string().into()),
            ("findings", found(&intent.findings).into()),
            ("trace_id", optional(&intent.trace_id).into()),
        ],
        ..Facts::new(EventKind::Intent, intent.action.as_str(), Outcome::of(permitted))
    }
}

fn of_outcome(end: &Conclusion) -> Facts<'_> {
    use Completion as C;
    let (outcome, severity) = match end.completion {
        C::Answered | C::InputRequired | C::Task => (Outcome::Success, Severity::Informational),
        C::ToolError | C::Error | C::Refused | C::TimedOut | C::UpstreamFailed => {
            (Outcome::Failure, Severity::Low)
        }
        C::Cancelled => (Outcome::Unknown, Severity::Informational),
        C::Interrupted | C::OutcomeUnknown => (Outcome::Unknown, Severity::Medium),
    };
    let code = end.error_code.map(|code| code.to_string()).unwrap_or_default();
    Facts {
        severity,
        findings: &end.findings,
        fields: vec![
            ("call", end.intent.to_string().into()),
            ("error_code", code.into()),
            ("duration_us", end.duration_us.to_string().into()),
            ("response_bytes", end.response_bytes.to_string().into()),
            ("messages", end.messages.to_string().into()),
            ("findings", found(&end.findings).into()),
        ],
        ..Facts::new(EventKind::Outcome, word(&end.completion), outcome)
    }
}

fn of_session(opening: &Opening) -> Facts<'_> {
    Facts {
        person: Some(&opening.sid.0),
        fields: vec![
            ("upstream", (&*opening.upstream).into()),
            ("era", word(&opening.era).into()),
            ("means", word(&opening.means).into()),
        ],
        ..Facts::new(EventKind::Session, word(&opening.kind), Outcome::Success)
    }
}

/// Whether something begins with it.
pub(super) const fn begins(kind: OpeningKind) -> bool {
    match kind {
        OpeningKind::SessionOpened | OpeningKind::StreamOpened | OpeningKind::ChildStarted => true,
        OpeningKind::SessionClosed | OpeningKind::StreamClosed | OpeningKind::ChildEnded => false,
    }
}

fn of_sign_in(sign_in: &SignIn) -> Facts<'_> {
    let severity = if sign_in.success { Severity::Informational } else { Severity::Medium };
    Facts {
        severity,
        person: Some(&sign_in.sid.0),
        fields: vec![("reason", sign_in.reason.as_deref().unwrap_or_default().into())],
        ..Facts::new(EventKind::SignIn, "sign-in", Outcome::of(sign_in.success))
    }
}

fn of_administration(act: &Administration) -> Facts<'_> {
    let failed = act.detail.iter().any(|word| word == "not-done");
    Facts {
        severity: if failed { Severity::Medium } else { Severity::Low },
        person: Some(&act.sid.0),
        fields: vec![("object", (&*act.object).into()), ("detail", act.detail.join(", ").into())],
        ..Facts::new(EventKind::Administration, &*act.act, Outcome::of(!failed))
    }
}

fn of_reveal(reveal: &Reveal) -> Facts<'_> {
    let subject = reveal.subject.as_ref().map(|sid| &*sid.0).unwrap_or_default();
    Facts {
        severity: if reveal.success { Severity::Low } else { Severity::Medium },
        person: Some(&reveal.sid.0),
        fields: vec![
            ("kind", (&*reveal.kind).into()),
            ("purpose", (&*reveal.purpose).into()),
            ("subject", subject.into()),
            ("reason", reveal.reason.as_deref().unwrap_or_default().into()),
        ],
        ..Facts::new(EventKind::Reveal, "reveal", Outcome::of(reveal.success))
    }
}

fn of_token(act: &TokenAct) -> Facts<'_> {
    let refused = act.act == TokenActKind::Refused;
    Facts {
        severity: if refused { Severity::Medium } else { Severity::Informational },
        person: Some(&act.sid.0),
        fields: vec![
            ("client_id", (&*act.client_id).into()),
            ("grant_type", (&*act.grant_type).into()),
            ("scopes", act.scopes.join(" ").into()),
            ("resources", act.resources.join(" ").into()),
            ("reason", act.reason.as_deref().unwrap_or_default().into()),
        ],
        ..Facts::new(EventKind::Token, word(&act.act), Outcome::of(!refused))
    }
}

fn of_refusals(event: &Event) -> Facts<'_> {
    let mut facts = Facts::new(EventKind::RefusalCount, "refusal", Outcome::Failure);
    facts.severity = Severity::Low;
    if let Event::RefusalCount { prefix, route, reason, count, second } = event {
        facts.fields = vec![
            ("prefix", prefix.map(|prefix| prefix.to_string()).unwrap_or_default().into()),
            ("route", (&**route).into()),
            ("reason", (&**reason).into()),
            ("count", count.to_string().into()),
            ("second", second.to_string().into()),
        ];
    }
    facts
}

fn of_log(event: &Event) -> Facts<'_> {
    let mut facts = Facts::new(EventKind::Log, "log", Outcome::Success);
    if let Event::Log { state, version, boot, detail } = event {
        facts.action = (&**state).into();
        facts.severity = match &**state {
            "started" | "stopped" | "alive" => Severity::Informational,
            "recovered" => Severity::Medium,
            // Entries were lost: somebody should look.
            _ => Severity::High,
        };
        facts.fields = vec![
            ("version", (&**version).into()),
            ("boot", boot.as_deref().unwrap_or_default().into()),
            ("detail", detail.join(", ").into()),
        ];
    }
    facts
}

/// The word that entries have for a value.
pub(super) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map(str::to_owned).unwrap_or_default()
}

/// Kinds of what was found, each with how often.
fn found(findings: &[FindingCount]) -> String {
    let one = |finding: &FindingCount| format!("{}={}", finding.kind, finding.count);
    findings.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A text without what ends lines or moves a terminal's cursor: each such character becomes U+FFFD.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.contains(ends) { text.replace(ends, "\u{fffd}").into() } else { text.into() }
}
