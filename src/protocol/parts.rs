//! A message given out as it comes, for those that are too large to hold.

use core::ops::Range;

use super::decoder::{Decoder, Delivery, Ready, Step};
use super::inbound::{Inbound, Replay};
use super::progress::Stage;
use super::whole::WholeMessage;
use super::{Event, Message, MessageKind, MessageRef, ProtocolError};
use crate::frame::CloseFrame;

/// A part of what came from the peer: see [`Protocol::next_part`](super::Protocol::next_part).
///
/// ```
/// use talkback::protocol::{Config, MessageKind, Part, Protocol, Role};
///
/// let mut client = Protocol::new(Role::Client, Config::default());
/// client.receive(b"\x02\x03abc"); // a fragment, and more to come
/// assert_eq!(client.next_part(2)?, Some(Part::Start(MessageKind::Binary)));
/// assert_eq!(client.next_part(2)?, Some(Part::Data(b"ab")));
/// assert_eq!(client.next_part(2)?, Some(Part::Data(b"c")));
/// assert_eq!(client.next_part(2)?, None);
/// # Ok::<(), talkback::protocol::ProtocolError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 §5.4 and §5.5: the protocol has no other")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// A message begins.
    Start(MessageKind),
    /// The next bytes of the message. Those of a text message are UTF-8 as far as they go,
    /// and may end inside a character.
    Data(&'a [u8]),
    /// The message is complete.
    End,
    /// A ping, also between the parts of a message; its pong is queued.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer closes; its answer is queued, and nothing follows.
    Close(Option<CloseFrame>),
}

impl<'a> Part<'a> {
    fn control(event: Event<'a>) -> Option<Self> {
        Some(match event {
            Event::Ping(payload) => Self::Ping(payload),
            Event::Pong(payload) => Self::Pong(payload),
            Event::Close(frame) => Self::Close(frame),
            Event::Text(_) | Event::Binary(_) => return None,
        })
    }
}

impl Inbound {
    /// The next part of what came, data in pieces of at most `max_len` bytes. `None`: more
    /// bytes are needed, or the peer has closed, or `max_len` is 0.
    ///
    /// A message that is begun here and not read to its end is skipped by the calls that
    /// hand out whole messages. One that those had begun to gather is gathered to its end,
    /// and then given out from there.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub fn next_part(&mut self, max_len: usize) -> Result<Option<Part<'_>>, ProtocolError> {
        if self.replay.is_some() {
            return Ok(self.replayed(max_len));
        }
        let ready = match self.ready.take() {
            Some(ready) => ready,
            None => match self.decode(Delivery::Parts(max_len))? {
                Some(ready) => ready,
                None => return Ok(None),
            },
        };
        match ready {
            Ready::Start(kind) => Ok(Some(Part::Start(kind))),
            Ready::Data(range) => Ok(self.window.filled().get(range).map(Part::Data)),
            Ready::Inflated(range) => Ok(Some(Part::Data(self.decoder.inflated_part(range)))),
            Ready::End => Ok(Some(Part::End)),
            Ready::Gathered(kind) => {
                let message = self.decoder.take_gathered(kind);
                Ok(Some(self.replay(message)))
            }
            Ready::Message(WholeMessage { kind, .. }) => {
                let event = self.decoder.event(self.window.filled(), ready)?;
                let message = match event {
                    Some(Event::Text(text)) => MessageRef::Text(text).into(),
                    Some(Event::Binary(bytes)) => MessageRef::Binary(bytes).into(),
                    _ => return Ok(Some(Part::Start(kind))),
                };
                Ok(Some(self.replay(message)))
            }
            Ready::Ping(_) | Ready::Pong(_) | Ready::Close(_) => {
                Ok(self.decoder.event(self.window.filled(), ready)?.and_then(Part::control))
            }
        }
    }

    fn replay(&mut self, message: Message) -> Part<'static> {
        let kind = message.kind();
        self.replay = Some(Replay { message, given: 0 });
        Part::Start(kind)
    }

    fn replayed(&mut self, max_len: usize) -> Option<Part<'_>> {
        if self.replay.as_ref().is_some_and(|replay| replay.given == replay.message.as_bytes().len()) {
            self.replay = None;
            return Some(Part::End);
        }
        let replay = self.replay.as_mut()?;
        let rest = replay.message.as_bytes().get(replay.given..).unwrap_or_default();
        let piece = rest.get(..max_len).unwrap_or(rest);
        replay.given += piece.len();
        (!piece.is_empty()).then_some(Part::Data(piece))
    }
}

impl Decoder {
    /// Gives out a piece of a payload.
    pub(super) fn give_part(
        &mut self,
        piece: &[u8],
        range: Range<usize>,
        last: bool,
        delivery: Delivery,
    ) -> Result<Step, ProtocolError> {
        let Some(progress) = &mut self.message else { return Ok(Step::Continue) };
        if progress.kind == MessageKind::Text {
            self.text.decode(piece)?;
        }
        if last {
            self.text.finish()?;
            progress.finish();
        }
        Ok(match delivery {
            Delivery::Parts(_) if !range.is_empty() => Step::Ready(Ready::Data(range)),
            _ => Step::Continue,
        })
    }

    /// What was inflated and not given out yet, of a message that is read in parts.
    pub(super) fn inflated(&mut self, delivery: Delivery) -> Option<Step> {
        let progress = self.message.as_ref().filter(|progress| progress.compressed)?;
        let gathering = self.gathering.as_mut()?;
        if !matches!(progress.stage, Stage::InParts | Stage::PartsGiven) {
            return None;
        }
        let start = self.given;
        let left = gathering.filled_len().saturating_sub(start);
        match (delivery, left) {
            (Delivery::Parts(0), 1..) => return Some(Step::NeedsMore), // nothing of it is lost
            (Delivery::Parts(max_len), 1..) => {
                self.given += left.min(max_len);
                return Some(Step::Ready(Ready::Inflated(start..self.given)));
            }
            (Delivery::Whole { .. }, _) | (_, 0) => {
                gathering.clear();
                self.given = 0;
            }
        }
        None
    }

    /// A piece that was inflated, of a message that is read in parts.
    fn inflated_part(&self, range: Range<usize>) -> &[u8] {
        let gathering = self.gathering.as_ref();
        let inflated =
            gathering.map_or(&[][..], |gathering| gathering.message(MessageKind::Binary).as_bytes());
        inflated.get(range).unwrap_or_default()
    }
}
