//! A connection in two halves, for different threads.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::error::Failure;
use super::link::{Direct, Link, flush_stream, write_some};
use super::receiver::Receiver;
use super::stream::never_zero;
use super::{Error, MessageReader, Stream, Wait};
use crate::frame::CloseFrame;
use crate::protocol::{Config, Event, Message, MessageRef, Outbound, Output, Prepared, SendError};

/// How long a reader's write may block: a peer that waits for us to read first must not be
/// kept waiting.
const READER_PATIENCE: Duration = Duration::from_millis(1);
/// How soon a reader tries again to write what the peer didn't take. More than the kernel's
/// clock may be off: a read that took less was not cut short by it, but would block.
const RETRY_INTERVAL: Duration = Duration::from_millis(25);

/// What the halves share.
///
/// Lock order: `sink` before `outbound`. `sink` is held while writing; `outbound` never is,
/// so that a reader can always queue its pong. Whoever had `sink` looks at `outbound` again
/// after letting go: what was queued meanwhile is never left behind.
#[derive(Debug)]
struct Shared<S> {
    stream: S,
    sink: Mutex<Sink>,
    outbound: Mutex<Outbound>,
    close_sent_at: Mutex<Option<Instant>>,
    close_timeout: Option<Duration>,
}

/// The writing end of the stream.
#[derive(Debug)]
struct Sink {
    /// Taken from the outbound half, and not written yet.
    output: Output,
    write_timeout: Option<Duration>,
    /// What the stream's write timeout was set to last; `None`: not yet.
    armed: Option<Option<Duration>>,
    /// Since when the peer took nothing from the reader.
    stalled_at: Option<Instant>,
    /// Whether the stream may hold back what was written.
    unflushed: bool,
    failure: Option<Failure>,
}

/// The receiving half of a split connection, for one thread.
///
/// It answers pings and closes by itself, and never waits for a write of another thread; what
/// the peer doesn't take at once, it writes later, between its reads.
/// The peer is pinged, and given up, by whoever calls [`recv`](Self::recv): call it all the time.
///
/// ```
/// # use std::net::{TcpListener, TcpStream};
/// # use talkback::blocking::WebSocket;
/// # use talkback::protocol::{Config, Message, Role};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let client = TcpStream::connect(listener.local_addr()?)?;
/// # let server = listener.accept()?.0;
/// # let client = WebSocket::from_stream(client, Role::Client, Config::default());
/// # let server = WebSocket::from_stream(server, Role::Server, Config::default());
/// let (mut reader, writer) = server.split();
/// let other = writer.clone();
/// std::thread::spawn(move || other.send("from another thread"));
/// # let (mut peer_reader, peer_writer) = client.split();
/// # peer_writer.send("hello")?;
/// assert_eq!(reader.recv()?, Some(Message::from("hello")));
/// # assert_eq!(peer_reader.recv()?, Some(Message::from("from another thread")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<S> {
    receiver: Receiver,
    link: SharedLink<S>,
}

/// The sending half of a split connection. Clone it for each thread that sends: messages
/// of different threads don't mix.
///
/// Dropping the writers sends no close; call [`close`](Self::close).
///
/// ```
/// # use std::net::{TcpListener, TcpStream};
/// # use talkback::blocking::WebSocket;
/// # use talkback::protocol::{Config, Role};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let stream = TcpStream::connect(listener.local_addr()?)?;
/// # let ws = WebSocket::from_stream(stream, Role::Client, Config::default());
/// let (_reader, writer) = ws.split();
/// let other = writer.clone();
/// std::thread::spawn(move || other.send("from there")).join().expect("it does not panic")?;
/// writer.send("from here")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Writer<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Takes a connection apart.
pub(super) fn split<S: Stream>(
    receiver: Receiver,
    link: Direct<S>,
    config: &Config,
) -> (Reader<S>, Writer<S>) {
    let Direct { stream, outbound, write_timeout, timed, unflushed, close_sent_at } = link;
    let sink = Sink {
        output: Output::default(),
        write_timeout,
        armed: timed.then_some(write_timeout),
        stalled_at: None,
        unflushed,
        failure: None,
    };
    let shared = Arc::new(Shared {
        stream,
        sink: Mutex::new(sink),
        outbound: Mutex::new(outbound),
        close_sent_at: Mutex::new(close_sent_at),
        close_timeout: config.close_timeout,
    });
    (Reader { receiver, link: SharedLink(Arc::clone(&shared)) }, Writer { shared })
}

impl<S: Stream> Reader<S>
where
    for<'s> &'s S: Read + Write,
{
    /// Waits for the next message: see [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// # Errors
    /// As there.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv(&mut self.link)
    }

    /// Waits for the next event: see [`WebSocket::recv_event`](super::WebSocket::recv_event).
    ///
    /// # Errors
    /// As there.
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.receiver.recv_event(&mut self.link)
    }

    /// Waits for the next message, to be read as it comes: see
    /// [`WebSocket::recv_reader`](super::WebSocket::recv_reader).
    ///
    /// # Errors
    /// As there.
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        MessageReader::begin(&mut self.receiver, &mut self.link)
    }

    /// Bounds later calls of `recv`: see
    /// [`WebSocket::set_recv_timeout`](super::WebSocket::set_recv_timeout).
    pub const fn set_recv_timeout(&mut self, timeout: Option<Duration>) {
        self.receiver.set_recv_timeout(timeout);
    }

    /// The peer's close, once it came with a code: see
    /// [`WebSocket::peer_close`](super::WebSocket::peer_close).
    #[must_use]
    pub const fn peer_close(&self) -> Option<&CloseFrame> {
        self.receiver.peer_close()
    }

    /// The stream below.
    #[must_use]
    pub fn stream(&self) -> &S {
        &self.link.0.stream
    }
}

impl<S: Stream> Writer<S>
where
    for<'s> &'s S: Read + Write,
{
    /// Sends a message: see [`WebSocket::send`](super::WebSocket::send). Waits for other
    /// threads that write.
    ///
    /// # Errors
    /// As there.
    pub fn send<'m>(&self, message: impl Into<MessageRef<'m>>) -> Result<(), Error> {
        self.write(|outbound| outbound.frame_lent(message.into()))
    }

    /// Sends a message that is not to be compressed: see
    /// [`Outbound::send_uncompressed`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_uncompressed<'m>(&self, message: impl Into<MessageRef<'m>>) -> Result<(), Error> {
        self.write(|outbound| outbound.send_uncompressed(message).map(|()| &[][..]))
    }

    /// Sends a message that was framed before, for many connections.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.write(|outbound| outbound.send_prepared(prepared).map(|()| &[][..]))
    }

    /// Sends a ping of at most 125 bytes. Its pong is an event of the reader.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.write(|outbound| outbound.ping(payload).map(|()| &[][..]))
    }

    /// Sends a close, after which nothing can be sent. The reader goes on until it returns
    /// `None`; an answer that never comes ends it after `Config::close_timeout`, or up to
    /// twice that if it waits in a read already.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn close(&self, frame: impl Into<Option<CloseFrame>>) -> Result<(), Error> {
        self.write(|outbound| outbound.close(frame).map(|()| &[][..]))?;
        lock(&self.shared.close_sent_at).get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Writes what waits since the stream said `WouldBlock`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn flush(&self) -> Result<(), Error> {
        self.write(|_| Ok(&[]))
    }

    /// The stream below.
    #[must_use]
    pub fn stream(&self) -> &S {
        &self.shared.stream
    }

    /// Queues by `queue`, then writes all that is queued and the payload that it returns.
    fn write<'m>(
        &self,
        queue: impl FnOnce(&mut Outbound) -> Result<&'m [u8], SendError>,
    ) -> Result<(), Error> {
        let shared = &*self.shared;
        let mut sink = lock(&shared.sink);
        let result = shared.queue_and_write(&mut sink, queue);
        drop(sink);
        // Whether that went well or not: a reader may have left its pong to this thread.
        let flushed = shared.flush_queued(Turn::Writer);
        result.and(flushed)
    }
}

/// On whose behalf something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Reader,
    Writer,
}

impl<S: Stream> Shared<S>
where
    for<'s> &'s S: Read + Write,
{
    fn queue_and_write<'m>(
        &self,
        sink: &mut Sink,
        queue: impl FnOnce(&mut Outbound) -> Result<&'m [u8], SendError>,
    ) -> Result<(), Error> {
        sink.write(&self.stream, &[], Turn::Writer)?;
        let payload = {
            let mut outbound = lock(&self.outbound);
            let payload = queue(&mut outbound)?;
            outbound.take_output(&mut sink.output);
            payload
        };
        match sink.write(&self.stream, payload, Turn::Writer) {
            // It is queued, and not to be sent again: `flush` goes on with it.
            Err(error) if error.is_retryable() => Ok(()),
            result => result,
        }
    }

    /// Writes what is queued, unless another thread is writing: it will look here again.
    fn flush_queued(&self, turn: Turn) -> Result<(), Error> {
        loop {
            let mut sink = match self.sink.try_lock() {
                Ok(sink) => sink,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            match self.write_queued(&mut sink, turn) {
                Err(error) if !error.is_retryable() => return Err(error),
                Err(_) => return Ok(()),
                Ok(()) => {}
            }
            drop(sink);
            if lock(&self.outbound).is_empty() {
                return Ok(());
            }
        }
    }

    /// Until what was taken before is written, the rest stays where pongs replace each other.
    fn write_queued(&self, sink: &mut Sink, turn: Turn) -> Result<(), Error> {
        sink.write(&self.stream, &[], turn)?;
        lock(&self.outbound).take_output(&mut sink.output);
        sink.write(&self.stream, &[], turn)
    }
}

impl Sink {
    /// Writes all of the output and `payload` after it. Where the stream would block, what
    /// is left waits here; another error ends the connection for everybody.
    fn write<S: Stream>(&mut self, stream: &S, mut payload: &[u8], turn: Turn) -> Result<(), Error>
    where
        for<'s> &'s S: Read + Write,
    {
        if let Some(failure) = &self.failure {
            return Err(failure.error());
        }
        let result = self.write_all(stream, &mut payload, turn);
        let Some(failure) = result.as_ref().err().and_then(Failure::of) else {
            self.output.extend(payload);
            return result;
        };
        // What a peer sent before it went away can still be received.
        let gone = matches!(failure, Failure::Disconnected);
        stream.shutdown(if gone { Shutdown::Write } else { Shutdown::Both }).unwrap_or_default();
        self.failure = Some(failure);
        self.output = Output::default();
        result
    }

    fn write_all<S: Stream>(&mut self, stream: &S, payload: &mut &[u8], turn: Turn) -> Result<(), Error>
    where
        for<'s> &'s S: Read + Write,
    {
        let mut writer = stream;
        while !self.output.is_empty() || !payload.is_empty() {
            let slices = self.output.slices_and([payload, &[]]);
            let timeout = match turn {
                Turn::Reader => Some(READER_PATIENCE),
                Turn::Writer => self.write_timeout,
            };
            if self.armed != Some(timeout) {
                stream.set_write_timeout(never_zero(timeout))?;
                self.armed = Some(timeout);
            }
            let len = match write_some(&mut writer, slices, timeout) {
                Err(Error::Timeout(_)) if turn == Turn::Reader => return Err(self.stalled()),
                result => result?,
            };
            self.stalled_at = None;
            self.unflushed = true;
            let queued = len.min(self.output.len());
            self.output.sent(queued);
            *payload = payload.get(len - queued..).unwrap_or_default();
        }
        if self.unflushed {
            flush_stream(&mut writer)?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// The peer took nothing from the reader: for now, or for too long.
    fn stalled(&mut self) -> Error {
        let stalled_at = *self.stalled_at.get_or_insert_with(Instant::now);
        match self.write_timeout {
            Some(timeout) if stalled_at.elapsed() >= timeout => Error::Timeout(Wait::Write),
            _ => Error::Io(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// A reader's way to the stream and the sending half.
#[derive(Debug)]
struct SharedLink<S>(Arc<Shared<S>>);

impl<S: Stream> Link for SharedLink<S>
where
    for<'s> &'s S: Read + Write,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = &self.0.stream;
        reader.read(buffer)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.stream.set_read_timeout(timeout)
    }

    fn with_outbound(&mut self, act: &mut dyn FnMut(&mut Outbound)) {
        act(&mut lock(&self.0.outbound));
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush_queued(Turn::Reader)
    }

    fn flush_last(&mut self) -> Result<(), Error> {
        self.0.write_queued(&mut lock(&self.0.sink), Turn::Writer)
    }

    fn shutdown(&mut self, how: Shutdown) {
        self.0.stream.shutdown(how).unwrap_or_default();
    }

    fn max_wait(&self) -> Option<Duration> {
        let sink = self.0.sink.try_lock();
        let waits = sink.is_ok_and(|sink| !sink.output.is_empty() || sink.unflushed);
        if waits { Some(RETRY_INTERVAL) } else { self.0.close_timeout }
    }

    fn close_sent_at(&mut self) -> Option<Instant> {
        *lock(&self.0.close_sent_at)
    }

    fn failure(&mut self) -> Option<Error> {
        lock(&self.0.sink).failure.as_ref().map(Failure::error)
    }
}

/// A thread that panicked while it held the lock left nothing half done in there.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
