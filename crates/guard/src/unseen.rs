//! What must stay unseen, on its way to an upstream and back.

use std::borrow::Cow;

use haechi_core::json::{Checked, Editor, Limits, Text};
use haechi_core::rpc::{Envelope, method};
use haechi_core::{FindingCount, Sid};
use haechi_policy::Permitted;
use haechi_privacy::{Direction, Privacy, PrivacyError, Scene, SubjectSource};

use crate::line::{Line, Stop};
use crate::mirrored;
use crate::onlooker::{Onlooker, tool_of};
use crate::payload::{self, PROTOCOL_RESULT, is_payload};
use crate::pipeline::Settled;
use crate::ticket::Ticket;
use crate::{Guard, Refusal};

/// How many findings a refusal names.
const NAMED: usize = 8;

/// The stage that speaks when something must not pass.
const STAGE: &str = "privacy";

/// A message that was screened.
#[derive(Debug)]
pub(crate) struct Unseen {
    /// The message in its place; `None` when nothing had to change.
    pub(crate) message: Option<Checked>,
    pub(crate) counts: Vec<FindingCount>,
}

impl Line<'_> {
    /// Opens tokens that this caller hands back and may have opened for this tool, provisionally:
    /// policy judges the values themselves.
    pub(crate) async fn restore(&mut self) -> Result<(), Stop> {
        let settled = self.settled();
        let Some(privacy) = settled.privacy() else { return Ok(()) };
        self.subject = self.subject_of(privacy).await.map_err(stop)?;
        let Some(params) = self.call.params() else { return Ok(()) };
        let scene = self.onlooker().scene(Direction::Arguments, &[]);
        let tool = self.guard.catalog().tool(self.call.upstream(), scene.tool);
        let schema = tool.as_ref().and_then(|tool| tool.input_schema.as_ref());
        let mut editor = Editor::new(self.call.body().text());
        let mut counts = Vec::new();
        for member in
            params.members().filter(|member| is_payload(&member.key) || member.key == "uri")
        {
            let schema = schema.filter(|_| member.key == "arguments");
            let restored = privacy.restore_structured(&scene, member.value, schema).await;
            let restored = restored.map_err(|error| stop(refused(error)))?;
            counts.extend(restored.counts);
            if let Some(text) = restored.text {
                editor.replace(member.value, text);
            }
        }
        let edited = finish(editor).map_err(stop)?;
        self.findings.extend(counts);
        self.put(edited)
    }

    /// Does with the arguments what the settings ask. May only remove or seal: where a rule reads
    /// arguments, what is left is judged again.
    pub(crate) async fn screen_arguments(
        &mut self,
        permitted: Permitted,
    ) -> Result<Permitted, Stop> {
        let settled = self.settled();
        let Some(privacy) = settled.privacy() else { return Ok(permitted) };
        let onlooker = self.onlooker();
        let screened =
            screen_params(privacy, onlooker, Direction::Arguments, self.call.body()).await;
        if let Err(refusal) = &screened {
            self.findings.extend(refusal.findings());
        }
        let Unseen { message, counts } = screened.map_err(stop)?;
        self.findings.extend(counts);
        let Some(message) = message else { return Ok(permitted) };
        self.put(Some(message))?;
        let (policy, resource) = (self.guard.policy(), self.call.resource());
        let reads = policy.reads_arguments(resource.upstream.as_str(), self.call.action());
        if reads { self.authorize() } else { Ok(permitted) }
    }

    /// The message in the place of what stood there, and the headers that mirror it.
    fn put(&mut self, message: Option<Checked>) -> Result<(), Stop> {
        let Some(message) = message else { return Ok(()) };
        let headers =
            mirrored::follow(self.call.headers(), self.call.body().text(), message.text());
        self.call.rewrite(message, headers).map_err(stop)
    }

    fn onlooker(&self) -> Onlooker<'_> {
        Onlooker {
            principal: self.principal,
            upstream: self.call.upstream(),
            tool: tool_of(self.call.method(), &self.call.resource().name, self.call.action()),
            subject: self.subject.as_ref(),
        }
    }

    /// Whom the values of this call are about.
    async fn subject_of(&self, privacy: &Privacy) -> Result<Option<Sid>, Refusal> {
        let onlooker = self.onlooker();
        let Some(rule) =
            privacy.obligations().subject_rule(onlooker.upstream.as_str(), onlooker.tool)
        else {
            return Ok(None);
        };
        let id = match &rule.source {
            SubjectSource::Caller => return Ok(Some(self.principal.sid.clone())),
            SubjectSource::Argument(pointer) => {
                self.call.arguments().and_then(|arguments| leaf(arguments, pointer))
            }
        };
        let Some(id) = id else { return Ok(None) };
        let sid = self.guard.rooms().sealer.sid(&rule.namespace, &id).await;
        sid.map(Some).map_err(|error| Refusal::Unavailable(Some(error.into())))
    }
}

impl Guard {
    /// Screens a message from an upstream before its caller sees it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when the settings refuse what stands in it, or the vault cannot keep it.
    pub(crate) async fn screen_unseen(
        &self,
        settled: &Settled,
        onlooker: Onlooker<'_>,
        asked: Option<&str>,
        message: &Checked,
    ) -> Result<Unseen, Refusal> {
        let untouched = Unseen { message: None, counts: Vec::new() };
        let Some(privacy) = settled.privacy() else { return Ok(untouched) };
        let Ok(envelope) = Envelope::read(message.text()) else { return Ok(untouched) };
        let scene = onlooker.scene(Direction::Results, &[]);
        match envelope {
            Envelope::Response { .. } if asked.is_some_and(lists) => Ok(untouched),
            Envelope::Response { result, .. } => {
                let questions = payload::of_questions(result);
                let questions = screen_each(privacy, &scene, &questions, message).await?;
                let rest = questions.message.as_ref().unwrap_or(message);
                let rest = self.screen_statement(privacy, onlooker, rest).await?;
                let counts = questions.counts.into_iter().chain(rest.counts).collect();
                Ok(Unseen { message: rest.message.or(questions.message), counts })
            }
            Envelope::Failure { .. } => {
                let Some(error) = message.text().member("error") else { return Ok(untouched) };
                let screened = privacy.screen(&scene, error).await.map_err(refused)?;
                replaced(message, error, screened)
            }
            Envelope::Request { .. } | Envelope::Notification { .. } => {
                screen_params(privacy, onlooker, Direction::Results, message).await
            }
        }
    }

    /// Screens a result but for the questions in it.
    async fn screen_statement(
        &self,
        privacy: &Privacy,
        onlooker: Onlooker<'_>,
        message: &Checked,
    ) -> Result<Unseen, Refusal> {
        let Some(result) = message.text().member("result") else {
            return Ok(Unseen { message: None, counts: Vec::new() });
        };
        let schema = self.catalog().output_schema(onlooker.upstream, onlooker.tool);
        let scene = onlooker.scene(Direction::Results, &PROTOCOL_RESULT);
        let screened = privacy.screen_structured(&scene, result, schema.as_deref()).await;
        replaced(message, result, screened.map_err(refused)?)
    }

    /// Screens a message of the call of `ticket`, and notes what stood in it.
    pub(crate) async fn screen_ticket(
        &self,
        ticket: &Ticket,
        message: &Checked,
    ) -> Result<Option<Checked>, Refusal> {
        let (settled, asked) = (self.settled(), Some(&*ticket.method));
        let unseen = self.screen_unseen(&settled, ticket.onlooker(), asked, message).await;
        let unseen = unseen.inspect_err(|refusal| ticket.note_findings(refusal.findings()))?;
        ticket.note_findings(unseen.counts);
        Ok(unseen.message)
    }

    /// Screens what a client tells or answers under a pass.
    pub(crate) async fn screen_relayed(
        &self,
        settled: &Settled,
        onlooker: Onlooker<'_>,
        message: &Checked,
    ) -> Result<Option<Checked>, Refusal> {
        let Some(privacy) = settled.privacy() else { return Ok(None) };
        let Ok(envelope) = Envelope::read(message.text()) else { return Ok(None) };
        let scene = onlooker.scene(Direction::Arguments, &[]);
        let payload = match envelope {
            Envelope::Response { result, .. } => result,
            Envelope::Failure { .. } => match message.text().member("error") {
                Some(error) => error,
                None => return Ok(None),
            },
            Envelope::Request { .. } | Envelope::Notification { .. } => {
                let screened =
                    screen_params(privacy, onlooker, Direction::Arguments, message).await;
                return screened.map(|unseen| unseen.message);
            }
        };
        let restored = privacy.restore(&scene, payload).await.map_err(refused)?;
        let restored = replace(message, payload, restored.text)?;
        let standing = restored.as_ref().unwrap_or(message);
        let member = if standing.text().member("result").is_some() { "result" } else { "error" };
        let Some(payload) = standing.text().member(member) else { return Ok(restored) };
        let screened = privacy.screen(&scene, payload).await.map_err(refused)?;
        Ok(replace(standing, payload, screened.text)?.or(restored))
    }
}

/// Lists are definitions, filtered by policy; what they name must be found again as it was.
fn lists(asked: &str) -> bool {
    crate::filter::listed(asked).is_some() || asked == method::TASKS_LIST
}

async fn screen_params(
    privacy: &Privacy,
    onlooker: Onlooker<'_>,
    direction: Direction,
    message: &Checked,
) -> Result<Unseen, Refusal> {
    let scene = onlooker.scene(direction, &[]);
    let payload = message.text().member("params").map(payload::of_params).unwrap_or_default();
    screen_each(privacy, &scene, &payload, message).await
}

/// Screens `parts` of a message one by one.
async fn screen_each(
    privacy: &Privacy,
    scene: &Scene<'_>,
    parts: &[Text<'_>],
    message: &Checked,
) -> Result<Unseen, Refusal> {
    let mut editor = Editor::new(message.text());
    let mut counts = Vec::new();
    for part in parts {
        let screened = privacy.screen(scene, *part).await.map_err(refused)?;
        counts.extend(screened.counts);
        if let Some(text) = screened.text {
            editor.replace(*part, text);
        }
    }
    Ok(Unseen { message: finish(editor)?, counts })
}

fn replaced(
    message: &Checked,
    part: Text<'_>,
    screening: haechi_privacy::Screening,
) -> Result<Unseen, Refusal> {
    Ok(Unseen { message: replace(message, part, screening.text)?, counts: screening.counts })
}

fn replace(
    message: &Checked,
    part: Text<'_>,
    text: Option<String>,
) -> Result<Option<Checked>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let mut editor = Editor::new(message.text());
    editor.replace(part, text);
    finish(editor)
}

fn finish(editor: Editor<'_>) -> Result<Option<Checked>, Refusal> {
    if editor.is_empty() {
        return Ok(None);
    }
    let too_large = || Refusal::Malformed("the message is too large once it is protected");
    let text = editor.finish().map_err(|_| too_large())?;
    Checked::new(text.into(), &Limits::RESULT).map(Some).map_err(|_| too_large())
}

/// The text of the leaf that `pointer` (RFC 6901) leads to; nothing for objects and arrays.
fn leaf<'a>(value: Text<'a>, pointer: &str) -> Option<Cow<'a, str>> {
    let steps = pointer.strip_prefix('/')?.split('/');
    let found = steps
        .into_iter()
        .try_fold(value, |value, step| value.member(&step.replace("~1", "/").replace("~0", "~")))?;
    found.string().or_else(|| found.number().map(|_| Cow::Borrowed(found.raw())))
}

fn stop(refusal: Refusal) -> Stop {
    Stop::at(STAGE, refusal)
}

fn refused(error: PrivacyError) -> Refusal {
    match error {
        PrivacyError::Refused { found } => {
            let named = found.iter().take(NAMED).map(|it| format!("{} in {}", it.kind, it.path));
            Refusal::Personal { found: named.collect(), findings: found, entry: None }
        }
        PrivacyError::TooMuch { .. } => {
            Refusal::Personal { found: Vec::new(), findings: Vec::new(), entry: None }
        }
        error => Refusal::Unavailable(Some(error.into())),
    }
}
