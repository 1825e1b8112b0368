//! A connection seen from other threads, and the way into its loop.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use super::Snapshot;
use super::feed::Feed;
use super::turn::as_u64;
use crate::frame::CloseFrame;
use crate::http::Response;
use crate::protocol::{Message, Prepared, SendError};

/// Which connection of a server, for as long as the server runs: no other ever has the same.
///
/// ```
/// # fn of(peer: &talkback::server::Peer) {
/// println!("{} said something", peer.id());
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId {
    pub(super) loop_index: u32,
    pub(super) slot: Slot,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.loop_index, self.slot.index, self.slot.generation)
    }
}

/// Where a loop keeps a connection, and the how manieth it keeps there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// A connection of an event-driven server, to send to from any thread.
///
/// Cloning is cheap, and keeps nothing open. A message is handed to the loop of the connection,
/// which writes it; what several threads send in one turn goes out in one write.
///
/// ```
/// use talkback::protocol::SendError;
/// use talkback::server::Peer;
///
/// fn greet(peer: &Peer) {
///     let peer = peer.clone();
///     std::thread::spawn(move || match peer.send("from another thread") {
///         Err(SendError::Full { .. }) => println!("it is slow: later, or never"),
///         Err(_) => println!("it is gone"),
///         Ok(()) => {}
///     });
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Peer(pub(super) Arc<PeerState>);

/// What the threads outside share with the loop: of a connection, of a stream, of a request that is held.
#[derive(Debug)]
pub(super) struct PeerState {
    pub(super) id: PeerId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) max_output_len: u64,
    /// Bytes that were sent from here and that the loop has not taken yet.
    pub(super) mailed_len: AtomicU64,
    /// What of these the loop has taken in this turn, and not written yet.
    pub(super) taken_len: AtomicU64,
    /// Bytes that wait in the loop to be written, at the end of its last turn.
    pub(super) waiting_len: AtomicU64,
    pub(super) closed: AtomicBool,
}

impl Peer {
    /// Which connection this is.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.id
    }

    /// Whether nothing can be sent any more: a close was sent, or the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Hands a message over. `Ok` says that it will be written if the connection lives.
    ///
    /// # Errors
    /// [`SendError::Full`] while more than `Config::max_output_len` waits for this peer, by
    /// whoever it was sent: [`Handler::on_drained`](super::Handler::on_drained) tells when it has
    /// taken all. [`SendError::Closing`] once the connection closes.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        self.post(message.as_bytes().len(), |slot| Command::Send(slot, message))
    }

    /// Hands over a message that was framed before, for many.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), SendError> {
        self.post(prepared.payload().len(), |slot| Command::SendPrepared(slot, prepared.clone()))
    }

    /// Has the connection closed, behind what was sent before.
    pub fn close(&self, frame: impl Into<Option<CloseFrame>>) {
        self.0.mailbox.post(Command::Close(self.0.id.slot, frame.into()));
    }

    fn post(&self, len: usize, command: impl FnOnce(Slot) -> Command) -> Result<(), SendError> {
        let state = &*self.0;
        let reserved = state.reserve(len);
        match &reserved {
            Ok(()) => state.mailbox.post(command(state.id.slot)),
            Err(SendError::Full { .. }) => state.mailbox.post(Command::Refused(state.id.slot)),
            Err(_) => {}
        }
        reserved
    }
}

impl PeerState {
    /// What mail of this length counts as: a command has a length of its own.
    pub(super) fn cost(len: usize) -> u64 {
        as_u64(len.saturating_add(size_of::<Command>()))
    }

    /// Counts mail of this length in, if there is room.
    pub(super) fn reserve(&self, len: usize) -> Result<(), SendError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(SendError::Closing);
        }
        let cost = Self::cost(len);
        // Counted first, so that of many threads not each finds the same room.
        let mailed_len = self.mailed_len.fetch_add(cost, Ordering::Relaxed);
        let waits = mailed_len.saturating_add(self.waiting_len.load(Ordering::Relaxed));
        if waits > self.max_output_len {
            self.mailed_len.fetch_sub(cost, Ordering::Relaxed);
            return Err(SendError::Full { len: waits, max: self.max_output_len });
        }
        Ok(())
    }
}

/// What a loop is told from outside.
#[derive(Debug)]
pub(super) enum Command {
    /// A socket to serve.
    Serve(TcpStream),
    Send(Slot, Message),
    SendPrepared(Slot, Prepared),
    /// A message was refused: tell when there is room again.
    Refused(Slot),
    Close(Slot, Option<CloseFrame>),
    /// Something was published in a room.
    News(Feed),
    /// Data of a stream.
    Chunk(Slot, Vec<u8>),
    EndStream(Slot),
    /// The answer to a request that is held; without one, it gets what was agreed on.
    Respond(Arc<PeerState>, Option<Arc<Response>>),
    /// Close all, spread over this time, then end.
    Drain(Duration),
}

/// The way into a loop from other threads.
#[derive(Debug)]
pub(super) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    waker: mio::Waker,
    /// What the loop has done, as of its last turn.
    pub(super) snapshot: Mutex<Snapshot>,
    ended: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        Ok(Self {
            commands: Mutex::default(),
            waker: mio::Waker::new(registry, token)?,
            snapshot: Mutex::default(),
            ended: AtomicBool::new(false),
        })
    }

    /// Leaves a command. The loop is woken by the first that it finds.
    pub(super) fn post(&self, command: Command) {
        let mut commands = lock(&self.commands);
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        commands.push(command);
        if commands.len() == 1 {
            // It fails where the system has run out of something: the loop then finds it when it next wakes.
            self.waker.wake().unwrap_or_default();
        }
    }

    /// All that was left, in order, into an empty vector.
    pub(super) fn take(&self, taken: &mut Vec<Command>) {
        std::mem::swap(&mut *lock(&self.commands), taken);
    }

    /// Nobody takes anything any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.commands).clear();
    }
}

/// A thread that panicked while it held the lock left nothing half done in there.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
