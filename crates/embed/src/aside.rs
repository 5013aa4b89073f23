//! What a server says besides its answers: progress, log messages, news, questions to the client.
//! It goes around the handler's results, so it is screened where it leaves.

use std::error::Error;

use bytes::Bytes;
use futures::stream::{self, Stream};
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::Envelope;
use haechi_face::sse::{Decoder, Event};
use haechi_guard::Aside;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::{Caller, Haechi};

/// The longest message that leaves, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// Screens what a server says aside to one caller.
#[derive(Clone, Debug)]
pub(crate) struct Asides {
    pub(crate) haechi: Haechi,
    /// To whom; to somebody of whom nothing is known nothing is said.
    pub(crate) caller: Option<Caller>,
}

impl Asides {
    /// What may leave of one message: `Ok(None)` leaves it as it is, `Err` drops it.
    async fn screen(&self, message: &str) -> Result<Option<Checked>, ()> {
        let message = Checked::new(Bytes::copy_from_slice(message.as_bytes()), &Limits::RESULT);
        let message = message.map_err(|_| ())?;
        let answer = matches!(
            Envelope::read(message.text()),
            Ok(Envelope::Response { .. } | Envelope::Failure { .. })
        );
        if answer {
            // Answers were screened on their way out of the guard.
            return Ok(None);
        }
        let (guard, upstream) = (self.haechi.guard(), &self.haechi.0.name);
        let screened = if self.haechi.identity().has_gateway() {
            guard.screen_aside_for_gateway(upstream, &message).await
        } else {
            let caller = self.caller.as_ref().ok_or(())?;
            guard.screen_aside(caller.principal(), upstream, &message).await
        };
        match screened {
            Aside::Unchanged => Ok(None),
            Aside::Changed(message) => Ok(Some(message)),
            Aside::Dropped(_) => Err(()),
        }
    }

    async fn screened(&self, event: Event) -> Option<Bytes> {
        let Some(message) = event.message() else { return Some(event.original) };
        match self.screen(message).await {
            Ok(None) => Some(event.original),
            Ok(Some(message)) => Some(event.with_data(message.text().raw())),
            Err(()) => None,
        }
    }

    /// Passes on lines from `reader` to `writer` until either ends.
    pub(crate) async fn pump(
        self,
        reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) {
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        while matches!(reader.read_line(&mut line).await, Ok(read) if read > 0) {
            let written = match self.screen(line.trim_end()).await {
                Ok(None) => writer.write_all(line.as_bytes()).await,
                Ok(Some(message)) => {
                    let text = format!("{}\n", message.text().raw());
                    writer.write_all(text.as_bytes()).await
                }
                Err(()) => Ok(()),
            };
            if written.is_err() || writer.flush().await.is_err() {
                return;
            }
            line.clear();
        }
    }

    /// The same stream of events without what may not be said.
    pub(crate) fn events<B>(
        self,
        body: B,
    ) -> impl Body<Data = Bytes, Error = Box<dyn Error + Send + Sync>> + Send + 'static
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let screening =
            Screening { asides: self, decoder: Decoder::new(MAX_BYTES), body: Box::pin(body) };
        StreamBody::new(screening.frames())
    }
}

/// One stream of events on its way out.
struct Screening<B> {
    asides: Asides,
    decoder: Decoder,
    body: std::pin::Pin<Box<B>>,
}

impl<B> Screening<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    fn frames(
        self,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>> + Send + 'static
    {
        stream::unfold(Some(self), |screening| async {
            let mut screening = screening?;
            match screening.next().await {
                Some(Ok(bytes)) => Some((Ok(Frame::data(bytes)), Some(screening))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        })
    }

    /// The next bytes that may leave; a whole event at a time.
    async fn next(&mut self) -> Option<Result<Bytes, Box<dyn Error + Send + Sync>>> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    if let Some(bytes) = self.asides.screened(event).await {
                        return Some(Ok(bytes));
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => return Some(Err(error.into())),
            }
            match self.body.frame().await {
                None => return None,
                Some(Err(error)) => return Some(Err(error.into())),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.decoder.push(&piece);
                    }
                }
            }
        }
    }
}
