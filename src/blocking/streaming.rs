//! Messages too large to hold: read and written as they come.

use std::fmt;
use std::io::{self, Read, Write};

use super::Error;
use super::link::Link;
use super::receiver::Receiver;
use crate::protocol::{MessageKind, MessageRef, Part, SendError};

/// Bytes of a fragment that a [`MessageWriter`] sends.
const FRAGMENT_LEN: usize = 16 * 1024;

/// A message that is read while it comes; memory doesn't grow with its length.
///
/// `Ok(0)` is the end of the message. Pings are answered on the way. What isn't read of it
/// is skipped by the next call of `recv`. The limit of `Config::max_message_len` holds here, too:
/// raise it for what is to be larger.
///
/// ```
/// use std::io::{Cursor, Read};
/// use talkback::blocking::{Untimed, WebSocket};
/// use talkback::protocol::{Config, Role};
///
/// let fragments = Cursor::new(b"\x01\x03Hel\x80\x02lo".to_vec());
/// let mut ws = WebSocket::from_stream(Untimed(fragments), Role::Client, Config::default());
/// let mut text = String::new();
/// ws.recv_reader()?.expect("not closed").read_to_string(&mut text)?;
/// assert_eq!(text, "Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MessageReader<'a> {
    receiver: &'a mut Receiver,
    link: &'a mut dyn Link,
    kind: MessageKind,
    ended: bool,
}

impl<'a> MessageReader<'a> {
    /// Waits for the next message to begin.
    pub(super) fn begin(receiver: &'a mut Receiver, link: &'a mut dyn Link) -> Result<Option<Self>, Error> {
        let kind = receiver.recv_part(link, usize::MAX, |part| match part {
            Part::Start(kind) => Some(*kind),
            _ => None,
        })?;
        Ok(kind.map(|kind| Self { receiver, link, kind, ended: false }))
    }

    /// Whether it is text or binary. Text is checked as it comes: bad UTF-8 is an error.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }
}

impl Read for MessageReader<'_> {
    /// Reads the next bytes of the message; 0: it is complete.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let max_len = buffer.len();
        let len = self.receiver.recv_part(self.link, max_len, |part| match part {
            Part::Data(bytes) => {
                buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(bytes.len())
            }
            Part::End => Some(0),
            _ => None,
        })?;
        // A close inside a message: RFC 6455 lets it stand there, but the message is cut off.
        let len = len.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.ended = len == 0;
        Ok(len)
    }
}

/// A message that is written piece by piece, each 16 KiB a fragment of its own.
///
/// Call [`finish`](Self::finish) at the end. A message that was begun and never finished
/// can't be taken back: until the connection is closed, other messages are refused with
/// [`SendError::Unfinished`].
///
/// ```
/// use std::io::{Cursor, Write};
/// use talkback::blocking::{Untimed, WebSocket};
/// use talkback::protocol::{Config, MessageKind, Role};
///
/// let mut ws = WebSocket::from_stream(Untimed(Cursor::new(Vec::new())), Role::Server, Config::default());
/// let mut writer = ws.writer(MessageKind::Text);
/// write!(writer, "{} bottles", 99)?;
/// writer.finish()?;
/// assert_eq!(ws.stream().0.get_ref(), b"\x81\x0a99 bottles");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MessageWriter<'a> {
    receiver: &'a mut Receiver,
    link: &'a mut dyn Link,
    kind: MessageKind,
    /// What is not sent yet: less than a fragment.
    fragment: Vec<u8>,
}

impl<'a> MessageWriter<'a> {
    pub(super) fn new(receiver: &'a mut Receiver, link: &'a mut dyn Link, kind: MessageKind) -> Self {
        Self { receiver, link, kind, fragment: Vec::new() }
    }

    /// Ends the message and sends what is left of it. On a stream that doesn't block, what it
    /// doesn't take is queued, and sent by the next call, or by
    /// [`flush`](super::WebSocket::flush).
    ///
    /// # Errors
    /// As [`WebSocket::send`](super::WebSocket::send); [`Error::Io`] with `InvalidData` where a text message isn't UTF-8.
    pub fn finish(mut self) -> Result<(), Error> {
        self.send(true)
    }

    /// Sends what has gathered, text up to its last whole character.
    fn send(&mut self, last: bool) -> Result<(), Error> {
        let fragment = match self.kind {
            MessageKind::Binary => MessageRef::Binary(&self.fragment),
            MessageKind::Text => MessageRef::Text(whole_characters(&self.fragment, last)?),
        };
        let sent_len = fragment.as_bytes().len();
        let mut result: Result<(), SendError> = Ok(());
        self.receiver.check()?;
        let flushed = self.link.flush();
        match self.receiver.written(self.link, flushed) {
            // The end is queued all the same: there is nobody left to call again.
            Err(error) if last && error.is_retryable() => {}
            // What waits must go before more is taken on: a slow peer slows the writer down.
            flushed => flushed?,
        }
        self.link.with_outbound(&mut |outbound| result = outbound.send_fragment(fragment, last));
        result?;
        self.fragment.drain(..sent_len);
        let flushed = self.link.flush();
        match self.receiver.written(self.link, flushed) {
            // It is queued, and not to be sent again.
            Err(error) if !error.is_retryable() => Err(error),
            _ => Ok(()),
        }
    }
}

impl Write for MessageWriter<'_> {
    /// Takes as much as the fragment being filled has room for, and sends it when full.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fragment.len() >= FRAGMENT_LEN {
            self.send(false)?;
        }
        let room = FRAGMENT_LEN.saturating_sub(self.fragment.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.fragment.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Sends what has gathered as a fragment.
    fn flush(&mut self) -> io::Result<()> {
        if self.fragment.is_empty() { Ok(()) } else { Ok(self.send(false)?) }
    }
}

impl fmt::Debug for MessageReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The text at the start of `bytes`: all of it, or, if more follows, up to a cut character.
fn whole_characters(bytes: &[u8], last: bool) -> Result<&str, Error> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if !last && error.error_len().is_none() => {
            let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
            Ok(str::from_utf8(whole).unwrap_or_default())
        }
        Err(error) => Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, error))),
    }
}
