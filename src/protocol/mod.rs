//! The connection after the handshake, as a state machine without I/O (RFC 6455 §5 to §7).
//!
//! ```text
//!                     ┌────────── Inbound ──────────┐
//! bytes ─▶ spare ─────┤ window ─▶ decoder ─▶ Event  ├─▶ the application
//!          received   └──────────────┬──────────────┘
//!                               answer, fail
//!                     ┌──────────────▼──────────────┐
//! bytes ◀─ output ────┤ output ◀─ frames            ◀── send, ping, close
//!          sent       └────────── Outbound ─────────┘
//! ```
//!
//! Nothing here reads a socket or a clock: [`Protocol`] is fed bytes and hands out bytes,
//! [`Keepalive`] is told the time. The states of RFC 6455 follow from two facts, whether
//! the peer's close came ([`Inbound::is_closed`]) and whether ours is queued
//! ([`Outbound::is_closed`]).

mod buffer;
mod config;
mod decoder;
mod deflate;
mod direct;
mod error;
mod gathering;
mod inbound;
mod keepalive;
mod lent;
mod message;
mod outbound;
mod output;
mod parts;
mod prepared;
mod progress;
mod short;
mod whole;

pub use config::Config;
pub use deflate::Deflate;
pub use error::{ProtocolError, SendError};
pub use inbound::{Event, Inbound};
pub use keepalive::{Beat, Keepalive};
pub use lent::Lent;
pub use message::{Message, MessageKind, MessageRef};
pub use outbound::Outbound;
pub(crate) use output::Output;
pub use parts::Part;
pub use prepared::Prepared;

use crate::entropy::Entropy;
use crate::handshake::DeflateParameters;

/// Which side of the connection this is.
///
/// ```
/// use talkback::protocol::{Config, Protocol, Role};
///
/// let client = Protocol::new(Role::Client, Config::default()); // masks what it sends
/// # drop(client);
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 §1.2: a connection has two ends")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that connected: it masks what it sends.
    Client,
    /// The side that accepted: it requires masks.
    Server,
}

/// A WebSocket connection after the handshake: bytes in, events out, bytes out.
///
/// Feed it with [`spare`](Self::spare) and [`received`](Self::received), or
/// [`lend`](Self::lend); take events with [`next_event`](Self::next_event) until there are
/// none; write [`output`](Self::output) and say [`sent`](Self::sent). A new one takes a few
/// hundred bytes and allocates nothing for a server.
///
/// ```
/// use talkback::protocol::{Config, Event, Protocol, Role};
///
/// let mut client = Protocol::new(Role::Client, Config::default());
/// let mut server = Protocol::new(Role::Server, Config::default());
/// client.outbound().send("hello")?;
///
/// // The bytes cross the wire.
/// let bytes: Vec<u8> = client.output().flatten().copied().collect();
/// client.sent(bytes.len());
/// server.spare()[..bytes.len()].copy_from_slice(&bytes);
/// server.received(bytes.len());
///
/// while let Some((event, outbound)) = server.next_event()? {
///     if let Event::Text(text) = event {
///         outbound.send(text)?; // while `text` still points into the window
///     }
/// }
/// assert_eq!(server.output().flatten().copied().collect::<Vec<u8>>(), b"\x81\x05hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Protocol {
    inbound: Inbound,
    outbound: Outbound,
}

impl Protocol {
    /// An open connection. A client draws 32 bytes of seed for its mask keys from the system.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a connection takes its configuration over")]
    pub fn new(role: Role, config: Config) -> Self {
        Self { inbound: Inbound::new(role, &config), outbound: Outbound::new(role, &config) }
    }

    /// Has a client draw its mask keys from `entropy`: for tests that need the same bytes
    /// each time. Of no effect on a server.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Entropy) -> Self {
        self.outbound.set_entropy(entropy);
        self
    }

    /// Compresses as was agreed on in the handshake, in the way that `config.deflate` says.
    /// Allocates nothing: the states are made when they are first used.
    #[must_use]
    pub fn with_deflate(mut self, agreed: &DeflateParameters, options: &Deflate) -> Self {
        self.set_deflate(Some(agreed), options);
        self
    }

    pub(crate) fn set_deflate(&mut self, agreed: Option<&DeflateParameters>, options: &Deflate) {
        self.inbound.set_deflate(agreed);
        self.outbound.set_deflate(agreed, options);
    }

    /// Whether it could be exchanged for a new one, and nobody would know.
    #[cfg(feature = "server")]
    pub(crate) fn is_idle(&self) -> bool {
        self.inbound.is_idle() && self.outbound.is_idle()
    }

    /// Gives back what is too large to be kept for messages that may not come.
    #[cfg(feature = "server")]
    pub(crate) fn trim(&mut self) {
        self.inbound.trim();
    }

    /// Whether more memory than `len` is kept for a message.
    #[cfg(feature = "server")]
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        self.inbound.decoder.has_room_for(len)
    }

    /// The receiving half.
    #[cfg(feature = "server")]
    pub(crate) const fn inbound(&mut self) -> &mut Inbound {
        &mut self.inbound
    }

    /// Room to read into: see [`Inbound::spare`].
    pub fn spare(&mut self) -> &mut [u8] {
        self.inbound.spare()
    }

    /// Says that `len` bytes of the room were filled: see [`Inbound::received`].
    pub fn received(&mut self, len: usize) {
        self.inbound.received(len);
    }

    /// Copies bytes that were read elsewhere into the window: see [`Inbound::receive`].
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbound.receive(bytes);
    }

    /// Lends a buffer that bytes were read into, to be decoded in place: for loops that
    /// read for many connections into one buffer.
    pub const fn lend<'a>(&'a mut self, input: &'a mut [u8]) -> Lent<'a> {
        Lent::new(&mut self.inbound, &mut self.outbound, input)
    }

    /// The next event, and the half to answer it with. Pongs and the answer to a close are
    /// queued already. `None`: more bytes are needed, or the peer has closed.
    ///
    /// # Errors
    /// See [`ProtocolError`]. The close that it calls for is queued: write the output, then
    /// end TCP.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, &mut Outbound)>, ProtocolError> {
        match self.inbound.next_event() {
            Ok(Some(event)) => {
                self.outbound.answer(&event);
                Ok(Some((event, &mut self.outbound)))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.outbound.fail(&error);
                Err(error)
            }
        }
    }

    /// The next part of what came, for messages too large to hold: see
    /// [`Inbound::next_part`]. Pongs and the answer to a close are queued already.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub fn next_part(&mut self, max_len: usize) -> Result<Option<Part<'_>>, ProtocolError> {
        match self.inbound.next_part(max_len) {
            Ok(Some(part)) => {
                self.outbound.answer_part(&part);
                Ok(Some(part))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.outbound.fail(&error);
                Err(error)
            }
        }
    }

    /// The sending half, to send and close with.
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// What waits to be written: see [`Outbound::output`].
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.outbound.output()
    }

    /// How many bytes of output wait.
    #[cfg(feature = "server")]
    pub(crate) const fn output_len(&self) -> usize {
        self.outbound.output_len()
    }

    /// Says that the first `len` bytes of the output were written.
    pub fn sent(&mut self, len: usize) {
        self.outbound.sent(len);
    }

    /// Whether both closes are through: write the output, then end TCP, the server first.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.inbound.is_closed() && self.outbound.is_closed()
    }

    /// Gives back the buffers that hold nothing: an idle connection then holds none.
    pub fn release(&mut self) {
        self.inbound.release();
        self.outbound.release();
    }

    /// Takes the halves apart, for two threads. Whoever has the inbound one hands its
    /// events to [`Outbound::answer`] and its error to [`Outbound::fail`].
    #[must_use]
    pub fn split(self) -> (Inbound, Outbound) {
        (self.inbound, self.outbound)
    }
}

/// A length on the wire has 64 bits.
fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
