//! From the upstream back to the caller: the answer is screened, and the outcome written before
//! its last byte.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use haechi_core::json::Checked;
use haechi_core::rpc::Envelope;
use haechi_core::{Action, Completion, Era, Principal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::line::Ready;
use crate::screen::Screened;
use crate::sessions::Session;
use crate::ticket::{Departure, End, Ticket};
use crate::{
    Answer, AnswerBody, AnswerEvent, AnswerItem, Guard, Incoming, IncomingBody, IncomingItem,
    Refusal, Upstream, UpstreamFailure,
};

/// Events that wait for a slow caller before the upstream has to wait too.
const WAITING: usize = 32;

/// How long a call may still answer after its caller cancelled it by a notification.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// How long the end of a stream is waited for after its answer.
const DRAIN: Duration = Duration::from_secs(2);

type Reply = oneshot::Sender<Result<Answer, Refusal>>;
type Items = BoxStream<'static, Result<IncomingItem, UpstreamFailure>>;

/// One call that has left, until its outcome is written.
struct Journey<'g> {
    guard: &'g Guard,
    ticket: Arc<Ticket>,
    session: Option<Arc<Session>>,
    upstream: &'g dyn Upstream,
    limit: Duration,
}

/// Why waiting for the upstream ended without its word.
enum Ended {
    HungUp,
    Cancelled,
    TimedOut,
}

impl Guard {
    /// Sends a ready call and sees it to its end.
    pub(crate) async fn depart(
        &self,
        principal: &Principal,
        ready: Ready,
        upstream: &dyn Upstream,
        reply: Reply,
    ) {
        let Ready {
            call,
            session,
            subject,
            outgoing,
            proofs,
            owed,
            place,
            entry,
            started,
            settled,
        } = ready;
        let token = Envelope::read(call.body().text()).ok().and_then(|call| call.progress_token());
        let departure = Departure { owed, place, entry, subject, started };
        let ticket = Arc::new(Ticket::new(&call, principal, token, departure));
        if let Some(session) = &session {
            session.remember(Arc::clone(&ticket));
        }
        let (_, limits) = settled.limits(call.upstream()).of(&call.resource().name);
        let journey = Journey { guard: self, ticket, session, upstream, limit: limits.timeout };
        let breaker = settled.breaker(call.upstream());
        let sound = journey.run(outgoing, proofs, reply).await;
        self.breaker().note(&call.upstream().0, breaker, sound, self.now());
    }
}

impl Journey<'_> {
    /// Whether the upstream behaved.
    async fn run(self, outgoing: crate::Outgoing, proofs: crate::Proofs, mut reply: Reply) -> bool {
        let forward = self.upstream.forward(outgoing, proofs);
        let incoming = tokio::select! {
            biased;
            incoming = timeout(self.limit, forward) => incoming.map_err(|_| Ended::TimedOut),
            () = reply.closed(), if self.ticket.era == Era::Modern => Err(Ended::HungUp),
            () = self.cancelled() => Err(Ended::Cancelled),
        };
        match incoming {
            Ok(Ok(incoming)) => self.answer(incoming, reply).await,
            Ok(Err(failure)) => {
                let refusal = self.failed(failure);
                let sound = !counts_against(&refusal);
                let _ = reply.send(Err(refusal));
                sound
            }
            Err(ended) => {
                let refusal = self.ended(&ended);
                let _ = reply.send(Err(refusal));
                !matches!(ended, Ended::TimedOut)
            }
        }
    }

    /// Resolves some time after the caller cancelled by a notification: the upstream may still
    /// answer meanwhile.
    async fn cancelled(&self) {
        self.ticket.cancelled.notified().await;
        tokio::time::sleep(CANCEL_GRACE).await;
    }

    async fn answer(self, incoming: Incoming, reply: Reply) -> bool {
        let Incoming { status, headers, body } = incoming;
        match body {
            IncomingBody::Message(message) => {
                let (answer, sound) = match self.single(&message).await {
                    Ok(message) => {
                        (Ok(Answer { status, headers, body: AnswerBody::Message(message) }), true)
                    }
                    Err(refusal) => (Err(refusal), false),
                };
                let _ = reply.send(answer);
                sound
            }
            IncomingBody::Stream(items) => {
                let (sender, receiver) = mpsc::channel(WAITING);
                let answer = Answer { status, headers, body: AnswerBody::Stream(receiver) };
                if reply.send(Ok(answer)).is_err() && self.ticket.era == Era::Modern {
                    self.conclude(End::without_answer(Completion::Cancelled));
                    return true;
                }
                self.pump(items, sender).await
            }
            IncomingBody::Empty => {
                self.conclude(End {
                    completion: Completion::UpstreamFailed,
                    error_code: Some(i64::from(status)),
                    result: None,
                });
                let _ = reply.send(Ok(Answer { status, headers, body: AnswerBody::Empty }));
                status < 500
            }
        }
    }

    /// One message for the whole answer: it must be the answer.
    async fn single(&self, message: &Checked) -> Result<Checked, Refusal> {
        match self.screen(message).await? {
            Screened::Final { message, completion, error_code, .. } => {
                self.ticket.count(&message);
                self.conclude(End { completion, error_code, result: Some(&message) });
                Ok(message)
            }
            Screened::Pass { .. } | Screened::Drop(_) => Err(self.failed(self.nonsense())),
        }
    }

    async fn pump(self, mut items: Items, sender: mpsc::Sender<AnswerItem>) -> bool {
        loop {
            let next = tokio::select! {
                biased;
                next = self.next(&mut items) => next,
                () = sender.closed(), if self.ticket.era == Era::Modern => Err(Ended::HungUp),
                () = self.cancelled() => Err(Ended::Cancelled),
            };
            let item = match next {
                Ok(Some(Ok(item))) => item,
                Ok(Some(Err(failure))) => {
                    return self.refuse_rest(self.failed(failure), &sender).await;
                }
                Ok(None) => return self.ran_dry(&sender).await,
                Err(ended) => return self.refuse_rest(self.ended(&ended), &sender).await,
            };
            if self.pass_on(item, &sender).await {
                tokio::spawn(drain(items));
                return true;
            }
        }
    }

    /// The next item within the tool's time; a subscription may be silent for ever.
    async fn next(
        &self,
        items: &mut Items,
    ) -> Result<Option<Result<IncomingItem, UpstreamFailure>>, Ended> {
        if self.ticket.action == Action::Subscribe {
            return Ok(items.next().await);
        }
        timeout(self.limit, items.next()).await.map_err(|_| Ended::TimedOut)
    }

    /// Screens one item and sends it on; whether it ended the call.
    async fn pass_on(&self, item: IncomingItem, sender: &mpsc::Sender<AnswerItem>) -> bool {
        let IncomingItem { event_id, message, original } = item;
        let Some(message) = message else {
            let event = AnswerEvent { event_id, message: None, original };
            let _ = sender.send(AnswerItem::Event(event)).await;
            return false;
        };
        let screened = match self.screen(&message).await {
            Ok(screened) => screened,
            Err(refusal) => {
                self.refuse_rest(refusal, sender).await;
                return true;
            }
        };
        let (message, changed, ends) = match screened {
            Screened::Drop(why) => {
                self.guard.drop_message(self.upstream.name(), why);
                return false;
            }
            Screened::Pass { message, changed } => (message, changed, None),
            Screened::Final { message, changed, completion, error_code } => {
                (message, changed, Some((completion, error_code)))
            }
        };
        self.ticket.count(&message);
        if let Some((completion, error_code)) = ends {
            self.conclude(End { completion, error_code, result: Some(&message) });
        }
        let original = original.filter(|_| !changed);
        let event = AnswerEvent { event_id, message: Some(message), original };
        let _ = sender.send(AnswerItem::Event(event)).await;
        ends.is_some()
    }

    /// A stream that ends without the answer: in the legacy era the rest may come on the session's
    /// stream, so the outcome stays open until then.
    async fn ran_dry(&self, sender: &mpsc::Sender<AnswerItem>) -> bool {
        let resumable = self.ticket.era == Era::Legacy && self.session.is_some();
        if !self.ticket.is_open() || resumable {
            return true;
        }
        let failure = UpstreamFailure::Ended(self.upstream.name().clone());
        self.refuse_rest(self.failed(failure), sender).await
    }

    async fn refuse_rest(&self, refusal: Refusal, sender: &mpsc::Sender<AnswerItem>) -> bool {
        let sound = !counts_against(&refusal);
        let item = AnswerItem::Refused { id: self.ticket.id.clone(), refusal };
        let _ = sender.send(item).await;
        sound
    }

    async fn screen(&self, message: &Checked) -> Result<Screened, Refusal> {
        let screened = self.guard.screen_message(&self.ticket, self.session.as_deref(), message);
        match screened {
            Screened::Final { message, changed, completion, error_code } => {
                let (message, rewritten) = self.intercept_result(message).await?;
                let (message, unseen) = match self.screen_unseen(message).await {
                    Ok(screened) => screened,
                    Err(refusal) => return Err(self.guard.take_away(&self.ticket, refusal).await),
                };
                let changed = changed || rewritten || unseen;
                Ok(Screened::Final { message, changed, completion, error_code })
            }
            Screened::Pass { message, changed } => match self.screen_unseen(message).await {
                Ok((message, unseen)) => Ok(Screened::Pass { message, changed: changed || unseen }),
                // The call goes on without what may not be told meanwhile.
                Err(_) => Ok(Screened::Drop("unseen")),
            },
            Screened::Drop(why) => Ok(Screened::Drop(why)),
        }
    }

    /// Takes out what must stay unseen, and notes how often it stood there.
    async fn screen_unseen(&self, message: Checked) -> Result<(Checked, bool), Refusal> {
        let screened = self.guard.screen_ticket(&self.ticket, &message).await;
        let screened = screened?;
        let changed = screened.is_some();
        Ok((screened.unwrap_or(message), changed))
    }

    /// The operator's stages, in reverse. One that refuses takes the result away.
    async fn intercept_result(&self, mut message: Checked) -> Result<(Checked, bool), Refusal> {
        let settled = self.guard.settled();
        let mut rewritten = false;
        for stage in settled.interceptors().iter().rev() {
            match stage.on_result(&self.ticket.principal, &message).await {
                Ok(None) => {}
                Ok(Some(other)) => (message, rewritten) = (other, true),
                Err(refusal) => return Err(self.guard.take_away(&self.ticket, refusal).await),
            }
        }
        Ok((message, rewritten))
    }

    fn conclude(&self, end: End<'_>) {
        self.ticket.conclude(end, &*self.guard.rooms().sealer);
    }

    fn nonsense(&self) -> UpstreamFailure {
        let upstream = self.upstream.name().clone();
        UpstreamFailure::Nonsense { upstream, what: "a message that answers nothing" }
    }

    fn failed(&self, failure: UpstreamFailure) -> Refusal {
        let completion = match failure {
            UpstreamFailure::TimedOut { .. } => Completion::TimedOut,
            _ => Completion::UpstreamFailed,
        };
        self.conclude(End::without_answer(completion));
        tracing::warn!(
            upstream = self.upstream.name().as_str(),
            entry = self.ticket.entry,
            error = %failure,
            "a call failed"
        );
        Refusal::Upstream { failure, entry: self.ticket.entry.clone() }
    }

    fn ended(&self, ended: &Ended) -> Refusal {
        let upstream = self.upstream.name().clone();
        match ended {
            Ended::TimedOut => {
                self.failed(UpstreamFailure::TimedOut { upstream, limit: self.limit })
            }
            Ended::HungUp | Ended::Cancelled => {
                self.conclude(End::without_answer(Completion::Cancelled));
                Refusal::Malformed("the call was cancelled")
            }
        }
    }
}

/// Reads what may follow an answer, briefly, so that the connection it came on can be used again.
async fn drain(mut items: Items) {
    let _ = timeout(DRAIN, async { while items.next().await.is_some() {} }).await;
}

/// Whether a refusal is the upstream's fault.
const fn counts_against(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Upstream {
            failure: UpstreamFailure::Unreachable { .. }
                | UpstreamFailure::Ended(_)
                | UpstreamFailure::Nonsense { .. }
                | UpstreamFailure::NoCredentials { .. }
                | UpstreamFailure::TimedOut { .. },
            ..
        }
    )
}
