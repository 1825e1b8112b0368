//! A connection as its handler sees it, in its loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::{fmt, io};

use mio::net::TcpStream;

use super::entry::{Ready, write_pieces};
use super::feed::Feed;
use super::members::Members;
use super::peer::{Mailbox, PeerState, Slot};
use super::ties::{Link, Ties};
use super::{Peer, PeerId, Room, Snapshot, trace};
use crate::frame::CloseFrame;
use crate::http::Status;
use crate::protocol::{MessageRef, Outbound, Prepared, SendError};

/// Payloads from here on are written from where they are, at once, and not copied to be written with others.
const MIN_DIRECT_LEN: usize = 16 * 1024;
/// Most connections are in so many rooms at the most, and take no room for more.
const FEW_ROOMS: usize = 2;

/// What all connections of a loop share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) loop_index: u32,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) members: Members,
    pub(super) max_output_len: u64,
    pub(super) snapshot: Snapshot,
}

impl Hub {
    pub(super) const fn peer_id(&self, slot: Slot) -> PeerId {
        PeerId { loop_index: self.loop_index, slot }
    }

    /// A request was answered, and not upgraded.
    pub(super) fn count_answer(&mut self, slot: Slot, status: Status) {
        *self.snapshot.answered.entry(status.code()).or_default() += 1;
        trace::answered(self.peer_id(slot), status);
    }

    /// Messages were not sent, for want of room: the handler is to be told when there is.
    pub(super) fn count_dropped(&mut self, ties: &mut Ties, slot: Slot, count: u64) {
        self.snapshot.dropped_count += count;
        if !std::mem::replace(&mut ties.was_full, true) {
            trace::dropped(self.peer_id(slot));
        }
    }

    /// Lets one into a room, behind `after` or from now on; whether it was not in there.
    pub(super) fn join(&mut self, ties: &mut Ties, feed: &Feed, after: Option<u64>, slot: Slot) -> bool {
        let joined = self.members.join(feed, after, slot.index, &self.mailbox);
        if let Some(behind) = joined {
            if ties.rooms.len() < FEW_ROOMS {
                ties.rooms.reserve_exact(1);
            }
            ties.rooms.push(feed.number());
            ties.behind |= behind;
        }
        joined.is_some()
    }

    /// What other threads know a connection, or a stream of events, by.
    pub(super) fn peer_state(&self, slot: Slot) -> Arc<PeerState> {
        Arc::new(PeerState {
            id: self.peer_id(slot),
            mailbox: Arc::clone(&self.mailbox),
            max_output_len: self.max_output_len,
            mailed_len: AtomicU64::new(0),
            taken_len: AtomicU64::new(0),
            waiting_len: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }
}

/// An open connection, lent to a [`Handler`](super::Handler) while it handles something: to answer by.
///
/// What is sent waits until all that came with the message is handled, and goes out in one write; a
/// large message is written at once. [`peer`](Self::peer) is for later, and for other threads.
pub struct Connection<'a> {
    pub(super) outbound: &'a mut Outbound,
    pub(super) stream: &'a TcpStream,
    pub(super) ready: &'a mut Ready,
    pub(super) link: &'a mut Link,
    pub(super) hub: &'a mut Hub,
    pub(super) slot: Slot,
}

impl fmt::Debug for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Connection<'_> {
    /// Which connection this is.
    #[must_use]
    pub const fn id(&self) -> PeerId {
        self.hub.peer_id(self.slot)
    }

    /// What to send by later, or from other threads. The first call allocates.
    #[must_use]
    pub fn peer(&mut self) -> Peer {
        let Self { link, hub, slot, .. } = self;
        Peer(Arc::clone(link.tie().peer.get_or_insert_with(|| hub.peer_state(*slot))))
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// Those of the system: the other end has gone.
    pub fn remote_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`SendError::Full`] while more than `Config::max_output_len` waits for the peer:
    /// [`Handler::on_drained`](super::Handler::on_drained) tells when it has taken all.
    /// [`SendError::Closing`] behind a close.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let sent = if message.as_bytes().len() < MIN_DIRECT_LEN {
            self.outbound.send(message)
        } else {
            let Self { outbound, stream, ready, hub, .. } = self;
            outbound.send_with(message, |pieces| {
                if !ready.write {
                    return Ok(0);
                }
                // An error comes again when the rest is written.
                let len = write_pieces(stream, ready, pieces.iter().copied()).unwrap_or_default();
                hub.snapshot.sent_len += u64::try_from(len).unwrap_or_default();
                Ok(len)
            })
        };
        self.count(sent)
    }

    /// Sends a message that was framed before, for many.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let sent = self.outbound.send_prepared(prepared);
        self.count(sent)
    }

    /// Sends a ping of at most 125 bytes. Connections that fall silent are pinged anyway.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::ControlTooLong`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outbound.ping(payload)
    }

    /// Sends a close, behind what was sent before. The connection ends when the peer has answered.
    ///
    /// # Errors
    /// [`SendError::Closing`] where one was sent before.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        self.outbound.close(frame)
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.outbound.output_len()
    }

    /// Joins a room, to be sent what is published from now on; whether it was not in there. It leaves by itself
    /// when it ends.
    pub fn join(&mut self, room: &Room) -> bool {
        self.follow(&room.feed(), None)
    }

    /// Has it sent what is published behind `after`, or from now on; whether it was not before.
    pub(crate) fn follow(&mut self, feed: &Feed, after: Option<u64>) -> bool {
        self.hub.join(self.link.tie(), feed, after, self.slot)
    }

    /// Leaves a room; whether it was in there.
    pub fn leave(&mut self, room: &Room) -> bool {
        let Some(ties) = self.link.ties_mut() else { return false };
        let (room, before) = (room.feed().number(), ties.rooms.len());
        ties.rooms.retain(|number| *number != room);
        self.hub.members.leave(room, self.slot.index, &self.hub.mailbox);
        ties.rooms.len() < before
    }

    #[inline]
    fn count(&mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        match &sent {
            Ok(()) => self.hub.snapshot.sent_count += 1,
            Err(SendError::Full { .. }) => {
                self.hub.count_dropped(self.link.tie(), self.slot, 1);
            }
            Err(_) => {}
        }
        sent
    }
}
