//! The receiving half: bytes in, events out.

use super::buffer::Buffer;
use super::decoder::{Decoder, Delivery, Ready};
use super::whole::WholeMessage;
use super::{Config, Message, MessageRef, ProtocolError, Role};
use crate::frame::CloseFrame;
use crate::handshake::DeflateParameters;

/// How much is read at a time where frames are small: it is still in the nearest cache when it
/// is decoded.
const BATCH_LEN: usize = 32 * 1024;
/// Frames from here on are read one at a time.
const MIN_EXACT_LEN: usize = 8 * 1024;
/// Less is never asked for.
const MIN_READ_LEN: usize = 4 * 1024;

/// Something that came from the peer. Payloads point into the receive window.
///
/// The mandatory answers to [`Ping`](Self::Ping) and [`Close`](Self::Close) are queued by
/// the time a [`Protocol`](super::Protocol) hands the event out. An [`Inbound`] that was
/// split off can't: give each of its events to
/// [`Outbound::answer`](super::Outbound::answer).
///
/// ```
/// use talkback::protocol::{Config, Event, Protocol, Role};
///
/// let mut client = Protocol::new(Role::Client, Config::default());
/// client.receive(b"\x81\x05Hello");
/// let (event, _outbound) = client.next_event()?.expect("a whole message came");
/// assert_eq!(event, Event::Text("Hello"));
/// # Ok::<(), talkback::protocol::ProtocolError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 §5.5 and §5.6: the protocol has no other")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping; its pong is queued.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The peer closes; its answer is queued, and no event follows. `None`: without a code.
    Close(Option<CloseFrame>),
}

impl<'a> From<MessageRef<'a>> for Event<'a> {
    #[inline]
    fn from(message: MessageRef<'a>) -> Self {
        match message {
            MessageRef::Text(text) => Self::Text(text),
            MessageRef::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// The receiving half of a connection, for a thread of its own: see
/// [`Protocol::split`](super::Protocol::split).
///
/// ```
/// use talkback::protocol::{Config, Event, Protocol, Role};
///
/// let (mut inbound, mut outbound) = Protocol::new(Role::Client, Config::default()).split();
/// inbound.receive(b"\x89\x00"); // a ping
/// let event = inbound.next_event()?.expect("it is whole");
/// outbound.answer(&event);
/// assert!(!outbound.is_empty());
/// # Ok::<(), talkback::protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Inbound {
    pub(super) window: Buffer,
    pub(super) decoder: Decoder,
    /// What `poll_event` found and nothing has taken.
    pub(super) ready: Option<Ready>,
    /// A gathered message that is being given out in parts.
    pub(super) replay: Option<Replay>,
    max_window_len: usize,
    /// Whether `spare` gave out room in a message's buffer, not in the window.
    direct: bool,
}

/// How far a gathered message was given out.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) message: Message,
    pub(super) given: usize,
}

impl Inbound {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            window: Buffer::default(),
            decoder: Decoder::new(role, config),
            ready: None,
            replay: None,
            max_window_len: config.window_len_limit(),
            direct: false,
        }
    }

    /// Whether it has no memory that could be given back.
    #[inline]
    pub(super) const fn holds_nothing(&self) -> bool {
        self.window.capacity() == 0 && !self.decoder.has_gathering()
    }

    pub(crate) fn set_deflate(&mut self, agreed: Option<&DeflateParameters>) {
        self.decoder.set_deflate(agreed);
    }

    /// Room to read into: in the window, or in the final buffer of a large binary message.
    ///
    /// Take all events first, then read, then call [`received`](Self::received) with the
    /// count. The room is 4 KiB at first (allocated here) and grows while reads
    /// fill it, to 32 KiB, or to what a large frame takes, 256 KiB at most; it may be empty while an event that was polled has not been taken, and while a
    /// full window waits to be decoded.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.wants_direct() {
            return self.decoder.direct_spare().unwrap_or_default();
        }
        if self.ready.is_some() {
            return self.window.rest(); // what is ready must stay where it is
        }
        self.decoder.trim();
        let max_len = self.max_window_len.saturating_sub(self.window.len());
        self.window.spare(self.wanted_len().min(max_len))
    }

    /// Room in the final buffer of a large binary message, if one is under way.
    #[cfg(feature = "server")]
    pub(crate) fn direct_spare(&mut self) -> Option<&mut [u8]> {
        if self.wants_direct() { self.decoder.direct_spare() } else { None }
    }

    /// Gives back what is too large to be kept for messages that may not come.
    #[cfg(feature = "server")]
    pub(super) fn trim(&mut self) {
        self.window.release();
        self.decoder.frame_len = 0;
        self.decoder.trim();
    }

    /// Notes whether what is read next belongs into a message's buffer.
    fn wants_direct(&mut self) -> bool {
        self.direct = self.ready.is_none() && self.window.is_empty() && self.decoder.direct_spare().is_some();
        self.direct
    }

    /// Whether a whole message may be next, in the window or behind it.
    #[inline]
    pub(super) const fn is_between_messages(&self) -> bool {
        self.ready.is_none() && self.replay.is_none() && self.decoder.is_between_messages()
    }

    /// Whether nothing has begun and nothing waits.
    #[cfg(feature = "server")]
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_none() && self.replay.is_none() && self.window.is_empty() && self.decoder.is_idle()
    }

    /// How much to read at a time. Of small frames many; of a large one no more than is missing, or
    /// as much as the last one had: a read that ends with a frame leaves nothing to be moved. Of what
    /// is gathered elsewhere, as much as stays in the cache until then.
    fn wanted_len(&self) -> usize {
        match (self.decoder.frame_len, self.decoder.payload_left()) {
            (MIN_EXACT_LEN.., Some(left)) => left.clamp(MIN_READ_LEN, BATCH_LEN),
            (len @ MIN_EXACT_LEN.., None) if len <= self.max_window_len => {
                len.saturating_sub(self.window.len()).max(MIN_READ_LEN)
            }
            _ => BATCH_LEN,
        }
    }

    /// Says that the first `len` bytes of [`spare`](Self::spare)'s room were filled.
    pub fn received(&mut self, len: usize) {
        if core::mem::take(&mut self.direct) {
            let message_len = self.decoder.direct_fill(len);
            if message_len.is_some_and(|len| len >= self.max_window_len) {
                // Another like it may follow: the less of it comes by way of the window, the better.
                self.window.release();
            }
        } else {
            self.window.fill(len);
        }
    }

    /// Copies bytes that were read elsewhere into the window, however many: those that
    /// came behind a handshake, or in a test.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.ready.is_none() {
            self.window.compact();
        }
        self.window.push(bytes);
    }

    /// Whether [`next_event`](Self::next_event) has an event without more bytes.
    ///
    /// # Errors
    /// See [`ProtocolError`]: give it to [`Outbound::fail`](super::Outbound::fail).
    pub fn poll_event(&mut self) -> Result<bool, ProtocolError> {
        self.poll_whole(self.max_window_len)
    }

    /// The same, where binary frames of at most `waiting_len` bytes wait in the window to be whole.
    pub(super) fn poll_whole(&mut self, waiting_len: usize) -> Result<bool, ProtocolError> {
        if self.ready.is_none() {
            self.ready = self.decode(Delivery::Whole { waiting_len })?;
        }
        Ok(self.ready.is_some())
    }

    /// The next event; `None`: more bytes are needed, or the peer has closed
    /// ([`is_closed`](Self::is_closed)). Give it to
    /// [`Outbound::answer`](super::Outbound::answer).
    ///
    /// A message that lies whole in the window is neither copied nor allocated for.
    ///
    /// # Errors
    /// See [`ProtocolError`]: give it to [`Outbound::fail`](super::Outbound::fail).
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        match self.whole_message() {
            Some(whole) => self.show(whole),
            None => self.next_ready_event(),
        }
    }

    /// A whole message in the window, if one is next, to be [shown](Self::show): the common case,
    /// which is short.
    #[inline]
    pub(crate) fn whole_message(&mut self) -> Option<WholeMessage> {
        if !self.is_between_messages() {
            return None;
        }
        let (input, at) = self.window.decode();
        self.decoder.whole_message(input, at)
    }

    /// A whole message as an event, its text checked.
    #[inline]
    pub(crate) fn show(&mut self, whole: WholeMessage) -> Result<Option<Event<'_>>, ProtocolError> {
        Ok(Some(self.decoder.message(self.window.filled(), whole)?.into()))
    }

    #[inline(never)]
    fn next_ready_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        self.poll_event()?;
        let Some(ready) = self.ready.take() else { return Ok(None) };
        self.decoder.event(self.window.filled(), ready)
    }

    /// The next whole message, owned; control frames are given to `answer` on the way.
    /// `None`: more bytes are needed, or the peer has closed. A message that was gathered
    /// is handed over without a copy, a small one is copied out of the window.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub fn next_message(
        &mut self,
        mut answer: impl FnMut(&Event<'_>),
    ) -> Result<Option<Message>, ProtocolError> {
        while self.poll_event()? {
            if let Some(Ready::Gathered(kind)) = self.ready {
                self.ready = None;
                return Ok(Some(self.decoder.take_gathered(kind)));
            }
            match self.next_event()? {
                Some(Event::Text(text)) => return Ok(Some(Message::Text(text.to_owned()))),
                Some(Event::Binary(bytes)) => return Ok(Some(Message::Binary(bytes.to_owned()))),
                Some(control) => answer(&control),
                None => {}
            }
        }
        Ok(None)
    }

    /// Decodes the window up to the next thing that is ready.
    #[inline]
    pub(super) fn decode(&mut self, delivery: Delivery) -> Result<Option<Ready>, ProtocolError> {
        if matches!(delivery, Delivery::Whole { .. }) {
            self.replay = None;
        }
        let (input, at) = self.window.decode();
        self.decoder.advance(input, at, delivery)
    }

    /// Whether the peer's close came.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.decoder.is_closed()
    }

    /// The error that ended this connection, if one did.
    #[must_use]
    pub const fn error(&self) -> Option<&ProtocolError> {
        self.decoder.error()
    }

    /// Gives back the buffers that hold nothing. Worth a call when a connection falls
    /// silent; the next read allocates again.
    pub fn release(&mut self) {
        if self.ready.is_none() {
            self.window.release();
            self.decoder.release();
        }
    }
}
