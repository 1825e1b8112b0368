//! One socket of a loop, and what has become of it: requests, a connection, a stream, an end.
//!
//! ```text
//! Head ──▶ Open ──▶ Ending ──▶ gone
//!   ├────▶ Stream ──▲
//!   └───────────────┘   (refused, or answered and not kept alive)
//! ```

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::net::TcpStream;

use super::Snapshot;
use super::head::Head;
use super::peer::PeerState;
use super::streams::Stream;
use super::ties::Link;
use super::timers::Tick;
use super::turn::as_u64;
use crate::handshake::DeflateParameters;
use crate::http::RequestDecoder;
use crate::protocol::{Outbound, Protocol, Role};

/// How many pieces are given to one write at most.
const MAX_SLICE_COUNT: usize = 64;

/// Aligned to lines of a cache: most connections need one. (Where assertions are on, streams are larger.)
#[derive(Debug)]
#[cfg_attr(not(debug_assertions), repr(align(64)))]
pub(super) struct Entry<S> {
    pub(super) stream: TcpStream,
    pub(super) generation: u32,
    pub(super) ready: Ready,
    /// When it is looked at next, whatever happens.
    pub(super) scheduled: Tick,
    /// When the stage began; of a connection, when something last came; of answers and ends, when something
    /// was last taken.
    pub(super) since: Tick,
    /// Since when the peer takes nothing of what waits; never: nothing waits.
    pub(super) stalled: Tick,
    pub(super) stage: Stage<S>,
}

/// What the system has said of a socket, and not taken back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ready {
    pub(super) read: bool,
    pub(super) write: bool,
    /// The peer has ended its half: reads go on until they say so.
    pub(super) read_closed: bool,
    /// Whether it is among those to be looked at in this turn again, or at its end.
    pub(super) listed: bool,
}

#[derive(Debug)]
pub(super) enum Stage<S> {
    Head(Box<Head>),
    Open(Open<S>),
    Stream(Box<Stream>),
    Ending(Box<Ending>),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open<S> {
    pub(super) state: S,
    pub(super) link: Link,
    /// `None` while there is nothing that a new one would not know.
    pub(super) protocol: Option<Box<Protocol>>,
    pub(super) agreed: Option<DeflateParameters>,
    /// Whether input that came has not been handled, because its answers would not have had room.
    pub(super) kept_input: bool,
    /// Whether the silence was pinged into.
    pub(super) pinged: bool,
    /// When our close was sent; never: not yet.
    pub(super) close_sent: Tick,
    /// How much of what waits was counted.
    pub(super) counted_len: usize,
}

/// Last bytes, and then the end of TCP.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) output: Unsent,
    /// Whether our half was ended.
    pub(super) shut: bool,
}

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    pub(super) const fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what the socket takes; how much.
    pub(super) fn write(&mut self, stream: &TcpStream, ready: &mut Ready) -> io::Result<usize> {
        let mut written = 0;
        while !self.is_empty() && ready.write {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            let len = write(stream, ready, rest)?;
            self.sent += len;
            written += len;
        }
        if self.is_empty() {
            *self = Self::default();
        }
        Ok(written)
    }
}

impl<S> Entry<S> {
    pub(super) fn new(stream: TcpStream, generation: u32, decoder: RequestDecoder, now: Tick) -> Self {
        Self {
            stream,
            generation,
            ready: Ready::default(),
            scheduled: Tick::NEVER,
            since: now,
            stalled: Tick::NEVER,
            stage: Stage::Head(Box::new(Head::new(decoder))),
        }
    }

    /// Goes over to its end, with what is still to be written.
    pub(super) fn end(&mut self, output: Unsent, now: Tick) -> Stage<S> {
        self.since = now;
        let ending = Stage::Ending(Box::new(Ending { output, shut: false }));
        std::mem::replace(&mut self.stage, ending)
    }

    /// Writes the last bytes, ends our half, and listens until the peer has ended its own; `true`: it has.
    pub(super) fn finish(&mut self, scrap: &mut [u8], now: Tick, snapshot: &mut Snapshot) -> bool {
        let Self { stream, ready, since, stage: Stage::Ending(ending), .. } = self else { return true };
        match ending.output.write(stream, ready) {
            Ok(0) => {}
            Ok(len) => {
                *since = now;
                snapshot.sent_len += as_u64(len);
            }
            Err(_) => return true,
        }
        if ending.output.is_empty() && !ending.shut {
            ending.shut = true;
            *since = now;
            if stream.shutdown(Shutdown::Write).is_err() {
                return true;
            }
        }
        if ready.read {
            match read(stream, ready, scrap) {
                Ok(Some(0)) | Err(_) => return true,
                Ok(len) => snapshot.received_len += as_u64(len.unwrap_or_default()),
            }
        }
        false
    }
}

impl<S> Open<S> {
    /// Lends the state machine: its own, or one of those that are kept for all.
    pub(super) fn protocol(&mut self, pool: &mut Pool) -> &mut Protocol {
        let agreed = self.agreed.as_ref();
        self.protocol.get_or_insert_with(|| pool.take(agreed))
    }

    /// Gives it back if nobody would know.
    #[inline(always)]
    pub(super) fn release(&mut self, pool: &mut Pool) {
        if let Some(protocol) = self.protocol.take_if(|protocol| protocol.is_idle()) {
            pool.give(protocol, self.agreed.as_ref());
        }
    }

    pub(super) fn waiting_len(&self) -> usize {
        self.protocol.as_ref().map_or(0, |protocol| protocol.output_len())
    }

    /// Tells others how much waits.
    pub(super) fn note_waiting(&mut self, counted: &mut u64) {
        let waiting_len = self.waiting_len();
        let taken = |peer: &Arc<PeerState>| peer.taken_len.load(Ordering::Relaxed);
        let taken_len = self.link.peer().map_or(0, taken);
        if waiting_len == 0 && self.counted_len == 0 && taken_len == 0 {
            return;
        }
        *counted = (*counted + as_u64(waiting_len)).saturating_sub(as_u64(self.counted_len));
        self.counted_len = waiting_len;
        if let Some(peer) = self.link.peer() {
            peer.waiting_len.store(as_u64(waiting_len), Ordering::Relaxed);
            peer.taken_len.store(0, Ordering::Relaxed);
            peer.mailed_len.fetch_sub(taken_len, Ordering::Relaxed);
        }
    }
}

/// State machines that hold nothing, for connections that something has come for.
#[derive(Debug)]
pub(super) struct Pool {
    config: crate::protocol::Config,
    /// The last one may still have the buffer of a large message, for the next; the others have none.
    #[expect(clippy::vec_box, reason = "they come and go as boxes: a pointer is moved")]
    free: Vec<Box<Protocol>>,
}

impl Pool {
    /// How many are kept.
    const MAX_COUNT: usize = 16;

    pub(super) const fn new(config: crate::protocol::Config) -> Self {
        Self { config, free: Vec::new() }
    }

    #[inline]
    pub(super) fn take(&mut self, agreed: Option<&DeflateParameters>) -> Box<Protocol> {
        let mut protocol = self.free.pop().unwrap_or_else(|| self.another());
        if let (Some(agreed), Some(options)) = (agreed, &self.config.deflate) {
            protocol.set_deflate(Some(agreed), options);
        }
        protocol
    }

    #[cold]
    fn another(&self) -> Box<Protocol> {
        Box::new(Protocol::new(Role::Server, self.config.clone()))
    }

    /// Whether the next one has more memory for a message than `len`.
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        self.free.last().is_some_and(|protocol| protocol.has_room_for(len))
    }

    /// Takes one back, which was lent for what was agreed on.
    #[inline]
    fn give(&mut self, mut protocol: Box<Protocol>, agreed: Option<&DeflateParameters>) {
        if self.free.len() == Self::MAX_COUNT {
            return;
        }
        self.free.last_mut().into_iter().for_each(|other| other.trim());
        if let (Some(_), Some(options)) = (agreed, &self.config.deflate) {
            protocol.set_deflate(None, options);
        }
        self.free.push(protocol);
    }
}

/// Reads once; `None`: nothing is there.
#[inline]
pub(super) fn read(
    mut stream: &TcpStream,
    ready: &mut Ready,
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    loop {
        match stream.read(buffer) {
            Ok(len) => {
                // Less than there was room for was all; but then the end may still be there.
                ready.read = len == buffer.len() || ready.read_closed || len == 0 || cfg!(windows);
                return Ok(Some(len));
            }
            Err(error) if is_interrupted(&error) => {}
            Err(error) => return if_blocked(error, &mut ready.read, None),
        }
    }
}

/// Writes once; 0: it takes nothing now.
pub(super) fn write(mut stream: &TcpStream, ready: &mut Ready, bytes: &[u8]) -> io::Result<usize> {
    write_by(ready, || stream.write(bytes)) // a shorter way into the system than that of several pieces
}

fn write_by(ready: &mut Ready, mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => return Ok(len),
            Err(error) if is_interrupted(&error) => {}
            Err(error) => return if_blocked(error, &mut ready.write, 0),
        }
    }
}

#[cold]
fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Interrupted
}

/// `blocked` if it isn't ready any more, and not an error.
#[cold]
fn if_blocked<T>(error: io::Error, ready: &mut bool, blocked: T) -> io::Result<T> {
    if error.kind() != ErrorKind::WouldBlock {
        return Err(error);
    }
    *ready = false;
    Ok(blocked)
}

/// Writes pieces, as many as one call takes; 0: it takes nothing now.
pub(super) fn write_pieces<'p>(
    mut stream: &TcpStream,
    ready: &mut Ready,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICE_COUNT];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
        count += 1;
    }
    match slices.get(..count).unwrap_or_default() {
        [] => Ok(0),
        [one] => write(stream, ready, one),
        slices => write_by(ready, || stream.write_vectored(slices)),
    }
}

/// Writes what waits, once; 0: it takes nothing now.
#[inline(always)]
pub(super) fn write_output(stream: &TcpStream, ready: &mut Ready, outbound: &Outbound) -> io::Result<usize> {
    match outbound.output_in_one() {
        Some(bytes) => write(stream, ready, bytes),
        None => write_pieces(stream, ready, outbound.output()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle connection costs beside its state: what else there is to know is in boxes.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Open<()>>(), 40);
        // Where assertions are on, a stream knows what it is registered with.
        let len = if cfg!(debug_assertions) { 80 } else { 64 };
        assert_eq!(size_of::<Option<Entry<()>>>(), len);
    }

    /// A client's message in a frame, its mask all zeros.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let len = u64::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0x82, 0xff][..], &len, &[0; 4], payload].concat()
    }

    /// Has one of the pool take a message in two pieces, so that it must be put together.
    fn pass_through(protocol: &mut Protocol, len: usize) {
        let mut bytes = frame(&vec![7; len]);
        let (first, last) = bytes.split_at_mut(len / 2);
        assert!(protocol.lend(first).next_event().unwrap().is_none());
        let mut lent = protocol.lend(last);
        assert!(lent.next_event().unwrap().is_some());
        assert!(lent.next_event().unwrap().is_none());
        drop(lent);
        assert!(protocol.is_idle());
    }

    #[test]
    fn a_pool_keeps_the_buffer_of_one_large_message_until_another_comes() {
        const LARGE: usize = 1 << 20;
        let mut pool = Pool::new(crate::protocol::Config::default());
        let mut protocols = [pool.take(None), pool.take(None), pool.take(None)];
        for protocol in &mut protocols {
            pass_through(protocol, LARGE);
        }
        protocols.into_iter().for_each(|protocol| pool.give(protocol, None));
        let large = pool.free.iter().map(|protocol| protocol.has_room_for(LARGE - 1)).collect::<Vec<bool>>();
        assert_eq!(large, [false, false, true]);
        assert!(pool.has_room_for(LARGE - 1));

        let mut protocol = pool.take(None);
        assert!(!pool.has_room_for(0));
        pass_through(&mut protocol, 70_000);
        assert!(!protocol.has_room_for(LARGE / 2));
        pool.give(protocol, None);
        assert!(!pool.has_room_for(LARGE / 2));
    }
}
