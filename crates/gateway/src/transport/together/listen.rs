//! `subscriptions/listen`: one stream of what all upstreams tell.

use std::time::Duration;

use futures::future::join_all;
use haechi_core::Action;
use haechi_core::json::{Checked, Limits, Text, quote};
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_guard::{Answer, AnswerBody, AnswerEvent, AnswerItem, Refusal};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::conversation::Target;
use super::errand::{self, Errand, Part};
use super::inward;
use super::streams::WAITING;

/// How long one upstream may take to acknowledge; what it tells later is told all the same.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(5);
/// Ties a message to the request that it is told for.
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// One upstream's stream, and what it began with.
struct Voice {
    items: mpsc::Receiver<AnswerItem>,
    /// What it told before it acknowledged.
    early: Option<AnswerItem>,
    agreed: Option<Value>,
}

impl Errand {
    /// Opens a stream on every upstream that something is wanted of, acknowledges once for all,
    /// and ends when all have ended.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`] when no upstream takes the subscription.
    pub(super) async fn listen(mut self, id: &RequestId) -> Result<Answer, Refusal> {
        if !inward::all_known(&self.body, |upstream| self.target(upstream).is_some()) {
            return self.nobodys().await;
        }
        self.foresee(Action::Subscribe);
        let wanted = self.targets.iter().filter_map(|target| {
            let part = inward::subscription(&self.body, target.name().as_str())?;
            Some((target, part))
        });
        let wanted: Vec<(&Target, Checked)> = wanted.collect();
        if wanted.is_empty() {
            return self.nobodys().await;
        }
        let opened = wanted.iter().map(|(target, part)| self.voice(target, part));
        let (mut voices, mut failed) = (Vec::new(), Vec::new());
        for ((target, _), opened) in wanted.iter().zip(join_all(opened).await) {
            match opened {
                Ok(voice) => voices.push(((*target).clone(), voice)),
                Err(part) => {
                    self.leave_out(target, &part);
                    failed.push(part);
                }
            }
        }
        if voices.is_empty() {
            return errand::nothing_of(failed, id);
        }
        drop(wanted);
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(self.sing(id.clone(), voices, sender));
        let body = AnswerBody::Stream(receiver);
        Ok(Answer { status: 200, headers: Vec::new(), body })
    }

    /// One upstream's stream up to its acknowledgement.
    async fn voice(&self, target: &Target, part: &Checked) -> Result<Voice, Part> {
        let sent = timeout(ACKNOWLEDGE_LIMIT, self.send(target, part.clone(), None)).await;
        let answer = sent.unwrap_or(Err(Refusal::Unavailable(None))).map_err(Part::Refused)?;
        let status = answer.status;
        let mut items = match answer.body {
            AnswerBody::Stream(items) => items,
            AnswerBody::Message(message) => return Err(Part::Error { status, message }),
            AnswerBody::Empty => return Err(Part::Refused(Refusal::Unavailable(None))),
        };
        let first = timeout(ACKNOWLEDGE_LIMIT, first_message(&mut items)).await;
        let (agreed, early) = match first {
            Ok(Some(item)) => match acknowledged(&item) {
                Some(message) => (self.agreed(target, &message), None),
                None => (None, Some(item)),
            },
            Ok(None) | Err(_) => (None, None),
        };
        if let Some(AnswerItem::Refused { refusal, .. }) = early {
            return Err(Part::Refused(refusal));
        }
        Ok(Voice { items, early, agreed })
    }

    /// What an upstream agreed to, under our names.
    fn agreed(&self, target: &Target, message: &Checked) -> Option<Value> {
        let renamed = match self.outward(target.name()).message(message) {
            super::outward::Outcome::Renamed(renamed) => renamed,
            super::outward::Outcome::Same => message.clone(),
            super::outward::Outcome::Dropped(_) => return None,
        };
        renamed.text().path(&["params", "notifications"]).map(Text::to_value)
    }

    /// Tells the client everything until all upstreams have ended or it has gone.
    async fn sing(
        self,
        id: RequestId,
        voices: Vec<(Target, Voice)>,
        sender: mpsc::Sender<AnswerItem>,
    ) {
        let mut agreed = Value::Object(Map::new());
        for (_, voice) in &voices {
            join_agreed(&mut agreed, voice.agreed.as_ref());
        }
        if sender.send(event(acknowledgement(&id, &agreed))).await.is_err() {
            return;
        }
        let carried = voices.into_iter().map(|(target, voice)| {
            let (id, sender, carrier) = (id.clone(), sender.clone(), self.carrier(&target));
            async move {
                // What ends one upstream's part does not end the stream.
                let (inner, items) = mpsc::channel(WAITING);
                let passing = pass(voice, id, inner);
                tokio::join!(passing, carrier.carry(items, sender));
            }
        });
        join_all(carried).await;
        let _ = sender.send(event(farewell(&id))).await;
    }
}

/// Passes on what one upstream tells until its part ends; the acknowledgement was given already.
async fn pass(mut voice: Voice, id: RequestId, sender: mpsc::Sender<AnswerItem>) {
    let mut next = voice.early.take();
    loop {
        let item = match next.take() {
            Some(item) => Some(item),
            None => tokio::select! {
                biased;
                () = sender.closed() => return,
                item = voice.items.recv() => item,
            },
        };
        let Some(item) = item else { return };
        if acknowledged(&item).is_some() {
            continue;
        }
        if ends(&item, &id) || sender.send(item).await.is_err() {
            return;
        }
    }
}

/// The first item that is more than a sign of life.
async fn first_message(items: &mut mpsc::Receiver<AnswerItem>) -> Option<AnswerItem> {
    loop {
        match items.recv().await? {
            AnswerItem::Event(AnswerEvent { message: None, .. }) => {}
            item => return Some(item),
        }
    }
}

/// The acknowledgement that `item` is.
fn acknowledged(item: &AnswerItem) -> Option<Checked> {
    let AnswerItem::Event(AnswerEvent { message: Some(message), .. }) = item else { return None };
    let is_it = match Envelope::read(message.text()).ok()? {
        Envelope::Notification { method, .. } => {
            method == method::NOTIFICATION_SUBSCRIPTIONS_ACKNOWLEDGED
        }
        _ => false,
    };
    is_it.then(|| message.clone())
}

/// Whether `item` ends one upstream's part.
fn ends(item: &AnswerItem, id: &RequestId) -> bool {
    match item {
        AnswerItem::Refused { .. } => true,
        AnswerItem::Event(event) => {
            event.message.as_ref().is_some_and(|message| match Envelope::read(message.text()) {
                Ok(Envelope::Response { id: of, .. }) => of == *id,
                Ok(Envelope::Failure { id: of, .. }) => of.is_none_or(|of| of == *id),
                _ => false,
            })
        }
    }
}

/// Joins what one upstream agreed to: `true` wins, lists grow.
fn join_agreed(all: &mut Value, own: Option<&Value>) {
    let (Value::Object(all), Some(Value::Object(own))) = (all, own) else { return };
    for (name, value) in own {
        match (all.get_mut(name), value) {
            (Some(Value::Array(all)), Value::Array(own)) => all.extend(own.iter().cloned()),
            (Some(Value::Bool(all)), Value::Bool(own)) => *all |= own,
            (Some(_), _) => {}
            (None, _) => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
}

fn acknowledgement(id: &RequestId, agreed: &Value) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":{},"params":{{"_meta":{{{}:{}}},"notifications":{agreed}}}}}"#,
        quote(method::NOTIFICATION_SUBSCRIPTIONS_ACKNOWLEDGED),
        quote(META_SUBSCRIPTION),
        id.raw(),
    )
}

fn farewell(id: &RequestId) -> String {
    let result = format!(
        r#"{{"_meta":{{{}:{}}},"resultType":"complete"}}"#,
        quote(META_SUBSCRIPTION),
        id.raw()
    );
    haechi_core::rpc::result_message(id, &result)
}

fn event(text: String) -> AnswerItem {
    let message = Checked::new(text.into(), &Limits::RESULT).ok();
    AnswerItem::Event(AnswerEvent { event_id: None, message, original: None })
}
