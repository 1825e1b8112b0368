//! A connection over a stream, with calls that wait.
//!
//! [`WebSocket`] is for one thread; [`WebSocket::split`] makes a [`Reader`] and a [`Writer`]
//! of it, which can be cloned for many. Every wait has a deadline of
//! [`Config`]. [`connect`](crate::connect) and [`accept`](crate::accept) make one from an
//! address or a socket, handshake included.

mod drain;
mod error;
mod head;
mod link;
mod receiver;
mod split;
mod stream;
mod streaming;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

pub(crate) use drain::drain;
pub use error::{Error, Wait};
pub(crate) use head::{HeadError, read_before, read_head};
use link::{Direct, Link};
use receiver::Receiver;
pub use split::{Reader, Writer};
pub(crate) use stream::never_zero;
pub use stream::{Stream, Untimed};
pub use streaming::{MessageReader, MessageWriter};

use crate::frame::CloseFrame;
use crate::handshake::DeflateParameters;
use crate::protocol::{Config, Deflate, Event, Message, MessageKind, MessageRef, Prepared, Protocol, Role};

/// An open connection over a stream.
///
/// Receive until [`recv`](Self::recv) returns `None`, which is a clean close. Pings are
/// answered, and the peer is pinged and given up, while a call of `recv` waits: call it all
/// the time, or [`split`](Self::split) and give the reader a thread.
///
/// Dropping it ends TCP without a close; call [`close`](Self::close), and `recv` until
/// `None`, to end politely.
///
/// ```
/// use std::net::TcpListener;
/// use talkback::Message;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let url = format!("ws://{}/", listener.local_addr()?);
/// let server = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let mut ws = talkback::accept(listener.accept()?.0)?;
///     while let Some(message) = ws.recv()? {
///         ws.send(&message)?;
///     }
///     Ok(())
/// });
///
/// let mut ws = talkback::connect(&url)?;
/// ws.send("hello")?;
/// assert_eq!(ws.recv()?, Some(Message::from("hello")));
/// ws.close(None)?;
/// assert_eq!(ws.recv()?, None);
/// # server.join().expect("it does not panic").expect("it is closed cleanly");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WebSocket<S> {
    receiver: Receiver,
    link: Direct<S>,
    config: Config,
    subprotocol: Option<String>,
    deflate: Option<DeflateParameters>,
}

/// When a wait that begins now must end; `None`: never, or beyond what a clock can tell.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

impl<S: Stream> WebSocket<S> {
    /// A connection over a stream whose handshake is done. For a stream that knows no
    /// deadlines, wrap it in [`Untimed`]. Allocates nothing for a server.
    #[must_use]
    pub fn from_stream(stream: S, role: Role, config: Config) -> Self {
        let (inbound, outbound) = Protocol::new(role, config.clone()).split();
        let write_timeout = config.write_timeout;
        Self {
            receiver: Receiver::new(inbound, role, &config),
            link: Direct {
                stream,
                outbound,
                write_timeout,
                timed: false,
                unflushed: false,
                close_sent_at: None,
            },
            config,
            subprotocol: None,
            deflate: None,
        }
    }

    /// A connection that was taken over from elsewhere, with bytes that were read already,
    /// such as those in the same segment as the handshake. They are received first.
    ///
    /// ```
    /// use talkback::blocking::{Untimed, WebSocket};
    /// use talkback::protocol::{Config, Message, Role};
    ///
    /// let stream = Untimed(std::io::Cursor::new(Vec::new()));
    /// let mut ws = WebSocket::from_parts(stream, b"\x81\x02hi", Role::Client, Config::default());
    /// assert_eq!(ws.recv()?, Some(Message::from("hi")));
    /// # Ok::<(), talkback::blocking::Error>(())
    /// ```
    #[must_use]
    pub fn from_parts(stream: S, received: &[u8], role: Role, config: Config) -> Self {
        let mut ws = Self::from_stream(stream, role, config);
        ws.receiver.inbound.receive(received);
        ws
    }

    /// Compresses as was agreed on in the handshake, in the way that [`Config::deflate`] says.
    /// For handshakes done elsewhere; [`connect`](crate::connect) and
    /// [`accept`](crate::accept) see to it.
    #[must_use]
    pub fn with_deflate(mut self, agreed: &DeflateParameters) -> Self {
        let options = self.config.deflate.unwrap_or_else(Deflate::private);
        self.receiver.inbound.set_deflate(Some(agreed));
        self.link.outbound.set_deflate(Some(agreed), &options);
        self.deflate = Some(*agreed);
        self
    }

    pub(crate) fn with_agreed_deflate(self, agreed: Option<DeflateParameters>) -> Self {
        match agreed {
            Some(agreed) => self.with_deflate(&agreed),
            None => self,
        }
    }

    pub(crate) fn with_subprotocol(mut self, subprotocol: Option<String>) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// Waits for the next message. `None`: the peer has closed, its close was answered, and
    /// TCP is ended; [`peer_close`](Self::peer_close) says why.
    ///
    /// Sends what [`queue`](Self::queue) left before it waits. Control frames are handled on
    /// the way. A large message is handed over in the buffer that it was received into.
    ///
    /// # Errors
    /// [`Error::Protocol`], after the peer was told; [`Error::Disconnected`];
    /// [`Error::Timeout`] of `Idle`, `Write` or `Close`. After
    /// [`Error::Timeout`] of `Recv` and [`Error::Io`] of `WouldBlock` nothing is lost, call again.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv(&mut self.link)
    }

    /// Waits for the next event, which points into the receive window: no copy, no
    /// allocation; and it shows control frames. `None`: closed, as of [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.receiver.recv_event(&mut self.link)
    }

    /// Waits for the next message to begin, to be read as it comes. `None`: closed, as of
    /// [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        MessageReader::begin(&mut self.receiver, &mut self.link)
    }

    /// Bounds how long each later call of `recv` and its like waits for input: past `timeout`
    /// without what was asked for, it returns [`Error::Timeout`] of [`Wait::Recv`], and can be called again.
    /// What was queued is sent first, within `Config::write_timeout`. Default `None`: it waits as
    /// long as the peer lives.
    pub const fn set_recv_timeout(&mut self, timeout: Option<Duration>) {
        self.receiver.set_recv_timeout(timeout);
    }

    /// Sends a message, and all that was queued before it, in one write if the peer takes it.
    ///
    /// A server's large payload is written from where it is. Blocks while the peer takes
    /// nothing, for `Config::write_timeout` at most. On a stream that doesn't block, what is
    /// left is sent by the next call, or by [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::Send`]; [`Error::Disconnected`]; [`Error::Timeout`] of `Write`. After
    /// [`Error::Io`] of `WouldBlock` the message was not taken: call again.
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), Error> {
        self.make_room()?;
        let result = self.link.send(message.into());
        self.receiver.written(&mut self.link, result)
    }

    /// Queues a message, to be sent before the next `recv` waits, with the next `send`, or
    /// by [`flush`](Self::flush): what one read brought is answered by one write. Blocks
    /// only if more than `Config::max_output_len` waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn queue<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), Error> {
        self.make_room()?;
        Ok(self.link.outbound.send(message)?)
    }

    /// Sends a message that is not to be compressed: see
    /// [`Outbound::send_uncompressed`](crate::protocol::Outbound::send_uncompressed).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_uncompressed<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), Error> {
        self.make_room()?;
        self.link.outbound.send_uncompressed(message)?;
        self.flush_queued()
    }

    /// Sends a message that was framed before, for many connections.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        self.make_room()?;
        self.link.outbound.send_prepared(prepared)?;
        self.flush_queued()
    }

    /// A message to be written piece by piece.
    pub fn writer(&mut self, kind: MessageKind) -> MessageWriter<'_> {
        MessageWriter::new(&mut self.receiver, &mut self.link, kind)
    }

    /// Sends a ping of at most 125 bytes. Its pong is an event.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::ControlTooLong`](crate::protocol::SendError::ControlTooLong).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.make_room()?;
        self.link.outbound.ping(payload)?;
        self.flush_queued()
    }

    /// Sends a close, after which nothing can be sent. Go on with [`recv`](Self::recv) until
    /// `None`: messages may still come before the answer. One that doesn't come within
    /// `Config::close_timeout` is [`Error::Timeout`] of `Close`.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Closing`](crate::protocol::SendError::Closing) where the peer was faster.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), Error> {
        self.receiver.check()?;
        self.link.outbound.close(frame)?;
        self.link.close_sent_at = Some(Instant::now());
        self.flush_queued()
    }

    /// Writes what was queued, or what waits since the stream said `WouldBlock`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn flush(&mut self) -> Result<(), Error> {
        self.receiver.check()?;
        let result = self.link.flush();
        self.receiver.written(&mut self.link, result)
    }

    /// The subprotocol that was agreed on; `None`: none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How messages may be compressed; `None`: not at all.
    #[must_use]
    pub const fn deflate(&self) -> Option<&DeflateParameters> {
        self.deflate.as_ref()
    }

    /// The peer's close, once it came with a code: why the connection ended.
    #[must_use]
    pub const fn peer_close(&self) -> Option<&CloseFrame> {
        self.receiver.peer_close()
    }

    /// The stream below.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.link.stream
    }

    /// Waits until the sending half takes a message.
    fn make_room(&mut self) -> Result<(), Error> {
        self.receiver.check()?;
        if self.link.outbound.is_full() { self.flush() } else { Ok(()) }
    }

    /// Sends what is queued; if the stream would block, later.
    fn flush_queued(&mut self) -> Result<(), Error> {
        match self.flush() {
            Err(error) if !error.is_retryable() => Err(error),
            _ => Ok(()),
        }
    }
}

impl<S: Stream> WebSocket<S>
where
    for<'s> &'s S: Read + Write,
{
    /// Takes the connection apart, for a thread that receives and others that send.
    ///
    /// For streams that can be read and written by reference, as sockets can.
    #[must_use]
    pub fn split(self) -> (Reader<S>, Writer<S>) {
        split::split(self.receiver, self.link, &self.config)
    }
}
