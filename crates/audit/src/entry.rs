//! An entry: canonical JSON (fixed key order, whole numbers) of at most 65 535 bytes.

use haechi_core::{Commitment, Event, FindingCount, Intent, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

use crate::frame::{self, LARGEST_ENTRY_BYTES};

/// Every entry starts like this; its sequence number follows.
pub(crate) const START: &[u8] = b"{\"v\":1,\"seq\":";
/// What follows the sequence number; the time follows.
const AT: &[u8] = b",\"at_ms\":";
/// What everything before the event may take: numbers of 20 digits, a node of 64 bytes.
const ENVELOPE_BYTES: usize = 256;
const LARGEST_EVENT_BYTES: usize = LARGEST_ENTRY_BYTES - ENVELOPE_BYTES;
/// More room than the frame of any outcome takes.
pub(crate) const OUTCOME_ROOM_BYTES: u64 = 2560;

/// What of that is for findings; the rest fits without them.
const OUTCOME_FINDINGS_BYTES: usize = 1900;

/// One entry of a log, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the form; 1.
    pub v: u8,
    /// Its number in its log: dense, from 0.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// When it was written, by the writer's clock.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Whose log it is.
    pub node: String,
    /// Whether something was left out because the entry would have been too large.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// What finds the entry again: `NODE-SEQUENCE`.
    #[must_use]
    pub fn id(&self) -> String {
        id(&self.node, self.sequence)
    }

    /// Node and sequence number of an [`Entry::id`]; `None` for what is none.
    #[must_use]
    pub fn split_id(id: &str) -> Option<(&str, u64)> {
        let (node, sequence) = id.rsplit_once('-')?;
        Some((node, sequence.parse().ok()?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// `NODE-SEQUENCE`; [`Entry::split_id`] takes it apart.
pub(crate) fn id(node: &str, sequence: u64) -> String {
    format!("{node}-{sequence}")
}

/// The part of an entry that recovery needs, read without the rest.
#[derive(Debug, Deserialize)]
pub(crate) struct Outline<'a> {
    pub(crate) at_ms: u64,
    #[serde(borrow)]
    pub(crate) event: &'a str,
    #[serde(default)]
    pub(crate) intent: Option<u64>,
    #[serde(default, borrow)]
    pub(crate) state: Option<&'a str>,
    #[serde(default, borrow)]
    pub(crate) boot: Option<&'a str>,
}

/// The sequence number an entry's bytes state.
pub(crate) fn stated_sequence(bytes: &[u8]) -> Option<u64> {
    number(bytes.strip_prefix(START)?).map(|(sequence, _)| sequence)
}

/// The sequence number and the time in milliseconds that an entry's bytes state.
pub(crate) fn stated(bytes: &[u8]) -> Option<(u64, u64)> {
    let (sequence, rest) = number(bytes.strip_prefix(START)?)?;
    let (at_ms, _) = number(rest.strip_prefix(AT)?)?;
    Some((sequence, at_ms))
}

/// The whole number at the start of `bytes`, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// The intent whose outcome an entry's bytes begin as; `None` for all else.
pub(crate) fn concluded(bytes: &[u8]) -> Option<u64> {
    const OUTCOME: &[u8] = b"\"event\":\"outcome\",\"intent\":";
    let head = bytes.get(..bytes.len().min(ENVELOPE_BYTES))?;
    let rest = head.get(memchr::memmem::find(head, OUTCOME)? + OUTCOME.len()..)?;
    number(rest).map(|(intent, _)| intent)
}

/// An event in bytes, made before its place in the log is known.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    json: Vec<u8>,
    truncated: bool,
}

impl Encoded {
    /// Encodes `event`. One that is too large is cut by rule, never refused: first parameters are
    /// left out from the end, then lists are cut to 16 members and texts to 128 bytes.
    pub(crate) fn new(event: Event) -> Self {
        let json = encode(&event);
        if json.len() <= LARGEST_EVENT_BYTES {
            return Self { json, truncated: false };
        }
        let mut event = event;
        let excess = json.len() - LARGEST_EVENT_BYTES;
        if let Event::Intent(intent) = &mut event {
            drop_parameters(intent, excess);
        }
        let mut json = encode(&event);
        if json.len() > LARGEST_EVENT_BYTES {
            cut(&mut event);
            json = encode(&event);
        }
        Self { json, truncated: true }
    }

    /// An outcome, whose frame fits into [`OUTCOME_ROOM_BYTES`] whatever it holds.
    pub(crate) fn outcome(mut conclusion: haechi_core::Conclusion) -> Self {
        let whole = |result: &Commitment| result.0.len() <= 64;
        let found = conclusion.findings.len();
        fit_findings(&mut conclusion.findings);
        let truncated =
            !conclusion.result.as_ref().is_none_or(whole) || found != conclusion.findings.len();
        conclusion.result = conclusion.result.filter(whole);
        Self { json: encode(&Event::Outcome(conclusion)), truncated }
    }

    /// Appends the frame of the entry `sequence` to `buffer`.
    pub(crate) fn append(&self, buffer: &mut Vec<u8>, sequence: u64, at: Timestamp, node: &str) {
        let mut head = Vec::with_capacity(ENVELOPE_BYTES);
        self.write_head(&mut head, sequence, at, node);
        frame::append(buffer, sequence, &[&head, self.json.get(1..).unwrap_or_default()]);
    }

    fn write_head(&self, head: &mut Vec<u8>, sequence: u64, at: Timestamp, node: &str) {
        head.extend_from_slice(START);
        write_number(head, sequence);
        head.extend_from_slice(AT);
        write_number(head, at.as_millis());
        head.extend_from_slice(b",\"node\":\"");
        head.extend_from_slice(node.as_bytes());
        head.extend_from_slice(b"\",");
        if self.truncated {
            head.extend_from_slice(b"\"truncated\":true,");
        }
    }

    /// At most this many bytes are taken in the file.
    pub(crate) fn room(&self) -> u64 {
        (frame::FRAME_HEADER_BYTES + ENVELOPE_BYTES + self.json.len()) as u64
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut left = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}

fn encode(event: &Event) -> Vec<u8> {
    let mut json = Vec::with_capacity(1024);
    // INVARIANT: an event has no map with keys that are not text, so this cannot fail; were it to,
    // the entry would still be an entry.
    if serde_json::to_writer(&mut json, event).is_err() {
        json = b"{}".to_vec();
    }
    json
}

fn drop_parameters(intent: &mut Intent, excess: usize) {
    let mut dropped = 0;
    while dropped < excess {
        let Some(parameter) = intent.parameters.pop() else { return };
        // With its comma, and escapes as they are written.
        dropped += 1 + serde_json::to_vec(&parameter).map_or(0, |json| json.len());
    }
}

fn cut(event: &mut Event) {
    match event {
        Event::Intent(intent) => cut_intent(intent),
        Event::Administration(act) => {
            cut_text(&mut act.act);
            cut_text(&mut act.object);
            cut_list(&mut act.detail);
        }
        Event::Reveal(reveal) => {
            cut_text(&mut reveal.purpose);
            reveal.reason.iter_mut().for_each(cut_text);
            cut_sealed(&mut reveal.note);
        }
        Event::Token(act) => {
            cut_text(&mut act.client_id);
            cut_text(&mut act.grant_type);
            cut_list(&mut act.scopes);
            cut_list(&mut act.resources);
            act.reason.iter_mut().for_each(cut_text);
        }
        Event::Session(opening) => {
            cut_sealed(&mut opening.address);
            cut_sealed(&mut opening.client);
        }
        Event::SignIn(sign_in) => {
            sign_in.reason.iter_mut().for_each(cut_text);
            cut_sealed(&mut sign_in.address);
        }
        Event::RefusalCount { route, reason, .. } => {
            cut_text(route);
            cut_text(reason);
        }
        Event::Log { state, version, .. } => {
            cut_text(state);
            cut_text(version);
        }
        Event::Outcome(conclusion) => {
            cut_findings(&mut conclusion.findings);
            conclusion.result = conclusion.result.take().filter(|result| result.0.len() <= 64);
        }
    }
}

fn cut_intent(intent: &mut Intent) {
    let sealed = [&mut intent.who, &mut intent.credential, &mut intent.address, &mut intent.client];
    sealed.into_iter().for_each(cut_sealed);
    let texts = [&mut intent.route, &mut intent.upstream, &mut intent.method, &mut intent.name];
    texts.into_iter().for_each(cut_text);
    cut_text(&mut intent.decision);
    let optional = [&mut intent.client_id, &mut intent.stage, &mut intent.trace_id];
    optional.into_iter().flatten().for_each(cut_text);
    cut_list(&mut intent.roles);
    cut_list(&mut intent.rules);
    cut_findings(&mut intent.findings);
    intent.parameters.truncate(16);
    intent.parameters.iter_mut().for_each(|parameter| {
        cut_text(&mut parameter.name);
        parameter.commitment = parameter.commitment.take().filter(|c| c.0.len() <= 64);
    });
}

/// Keeps the first findings that fit into the room an outcome has for them.
fn fit_findings(findings: &mut Vec<FindingCount>) {
    let mut left = OUTCOME_FINDINGS_BYTES;
    findings.retain(|finding| {
        let bytes = 1 + serde_json::to_vec(finding).map_or(left, |json| json.len());
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
}

fn cut_findings(findings: &mut Vec<FindingCount>) {
    findings.truncate(16);
    findings.iter_mut().for_each(|finding| cut_text(&mut finding.path));
}

fn cut_list(list: &mut Vec<String>) {
    list.truncate(16);
    list.iter_mut().for_each(cut_text);
}

/// JSON may take six bytes for one, so fifty such texts still fit into one entry.
fn cut_text(text: &mut String) {
    let end = (0..=128).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end.min(text.len()));
}

/// Half a ciphertext opens nothing.
fn cut_sealed(sealed: &mut Option<Sealed>) {
    if sealed.as_ref().is_some_and(|sealed| sealed.0.len() > 512) {
        *sealed = None;
    }
}
