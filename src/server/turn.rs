//! What an entry does when it is its turn: read, let the handler handle, write.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use mio::net::TcpStream;

use super::connection::Connection;
use super::entry::{Entry, Open, Ready, Stage, Unsent, read, write_output};
use super::head::Awaits;
use super::means::{Means, Timeouts};
use super::peer::Slot;
use super::ties::Ties;
use super::timers::Tick;
use super::{Closed, Handler, trace};
use crate::blocking::Wait;
use crate::frame::{CloseCode, CloseFrame};
use crate::protocol::{Event, MessageRef, Protocol, ProtocolError};

/// What is read of a message behind one that didn't fit into the loop's buffer: it may be as large, and the rest of it is
/// read straight into place.
const FIRST_LEN: usize = 16 * 1024;

/// Whether an entry goes on at once; `None`: it is gone.
pub(super) type GoesOn = Option<bool>;

impl<S: 'static> Entry<S> {
    pub(super) fn turn<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        match &mut self.stage {
            Stage::Head(_) => self.turn_of_head(means, slot),
            Stage::Open(_) => self.turn_of_open(means, slot),
            Stage::Stream(_) => self.turn_of_stream(means, slot),
            Stage::Ending(_) => {
                let ended = self.finish(&mut means.buffer, means.now, &mut means.hub.snapshot);
                (!ended).then_some(self.ready.read)
            }
        }
    }

    /// When something has to happen.
    #[inline]
    pub(super) fn due(&self, timeouts: &Timeouts) -> Tick {
        let written = self.stalled.after(timeouts.write);
        match &self.stage {
            Stage::Head(head) if !head.output.is_empty() => self.since.after(timeouts.write),
            Stage::Head(head) => match &head.awaits {
                Awaits::Request => self.since.after(timeouts.handshake),
                Awaits::Body(body) => body.until,
                Awaits::Answer(holding) => holding.until,
            },
            Stage::Ending(ending) if !ending.shut => self.since.after(timeouts.write),
            Stage::Ending(_) => self.since.after(timeouts.linger),
            Stage::Stream(stream) => written.min(stream.due()),
            Stage::Open(open) if open.close_sent != Tick::NEVER => open.close_sent.after(timeouts.close),
            Stage::Open(open) => {
                let ping = if open.pinged { Tick::NEVER } else { self.since.after(timeouts.ping) };
                ping.min(self.since.after(timeouts.idle)).min(written)
            }
        }
    }

    /// It has not happened.
    pub(super) fn expire<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let (now, timeouts) = (means.now, means.timeouts);
        let stalled = self.stalled.after(timeouts.write) <= now;
        match &mut self.stage {
            Stage::Ending(_) => None,
            Stage::Head(_) => self.expire_head(means, slot),
            Stage::Stream(_) => self.expire_stream(means, slot),
            Stage::Open(open) => {
                let closed = if open.close_sent != Tick::NEVER {
                    Closed::Timeout(Wait::Close)
                } else if stalled {
                    Closed::Timeout(Wait::Write)
                } else if self.since.after(timeouts.idle) <= now {
                    Closed::Timeout(Wait::Idle)
                } else {
                    open.pinged = true;
                    // Where it can't be queued, output waits, or a close: that serves as well.
                    open.protocol(&mut means.pool).outbound().ping(b"").unwrap_or_default();
                    return self.turn_of_open(means, slot);
                };
                self.leave(&closed, means, slot);
                None
            }
        }
    }

    pub(super) fn turn_of_open<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let outcome = self.work(means, slot);
        let Self { stage: Stage::Open(open), .. } = self else { return Some(false) };
        open.note_waiting(&mut means.hub.snapshot.waiting_len);
        match outcome {
            Ok(goes_on) => {
                open.release(&mut means.pool);
                Some(goes_on)
            }
            Err(closed) => self.turn_of_closed(&closed, means, slot),
        }
    }

    /// The connection is over; what is left to be said is written.
    #[cold]
    fn turn_of_closed<H: Handler<State = S>>(
        &mut self,
        closed: &Closed,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Self { stage: Stage::Open(open), .. } = self else { return Some(false) };
        let last_words =
            matches!(closed, Closed::Cleanly(_) | Closed::Protocol(_) | Closed::Overflow | Closed::Panicked);
        let mut output = Unsent::default();
        if let (true, Some(protocol)) = (last_words, &open.protocol) {
            protocol.output().for_each(|piece| output.bytes.extend_from_slice(piece));
        }
        self.leave(closed, means, slot);
        if !last_words {
            return None;
        }
        self.end(output, means.now);
        self.turn(means, slot)
    }

    /// Writes what waits, reads once, handles what came, writes the answers. Whether there is more to do at once;
    /// an error if the connection is over.
    fn work<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> Result<bool, Closed> {
        let Self { stage: Stage::Open(open), .. } = self else { return Ok(false) };
        if (open.protocol.is_some() || open.link.was_full()) && self.flush_waiting(means, slot)? > 0 {
            return Ok(false); // who doesn't read his answers isn't read either
        }
        if let Some(goes_on) = self.catch_up(means, slot)? {
            return Ok(goes_on);
        }
        let Self { stream, ready, since, stage: Stage::Open(open), .. } = self else { return Ok(false) };
        let mut len = 0;
        if !std::mem::take(&mut open.kept_input) {
            if !ready.read {
                return Ok(false);
            }
            len = match open.read(stream, ready, means) {
                Ok(None) => return Ok(false),
                Ok(Some(len)) => len,
                Err(closed) => return Err(closed),
            };
            *since = means.now;
            open.pinged = false;
        }
        open.handle(stream, ready, means, slot, len)?;
        let goes_on = open.kept_input || ready.read;
        self.flush(means, slot)?;
        Ok(goes_on)
    }

    /// As [`flush`](Self::flush), of what has waited already.
    #[cold]
    fn flush_waiting<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> Result<usize, Closed> {
        self.flush(means, slot)
    }

    /// Writes all that waits, as far as the socket takes it; how much still waits.
    #[inline(always)]
    fn flush<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> Result<usize, Closed> {
        let Self { stream, ready, since, stalled, stage: Stage::Open(open), .. } = self else { return Ok(0) };
        if open.link.was_full() {
            open.protocol(&mut means.pool); // there is something to be told
        }
        let Some(protocol) = &mut open.protocol else { return Ok(0) };
        while ready.write && protocol.output_len() > 0 {
            let len = write_output(stream, ready, protocol.outbound()).map_err(|error| lost(&error))?;
            protocol.sent(len);
            means.hub.snapshot.sent_len += as_u64(len);
            if len > 0 {
                if *stalled != Tick::NEVER {
                    // It isn't read while something waits: that it takes it is the sign of life.
                    *since = means.now;
                    open.pinged = false;
                }
                *stalled = means.now;
            }
        }
        if open.close_sent == Tick::NEVER && protocol.outbound().is_closed() {
            open.close_sent = means.now;
            if let Some(peer) = open.link.peer() {
                peer.closed.store(true, Ordering::Relaxed);
            }
        }
        if protocol.output_len() > 0 {
            *stalled = (*stalled).min(means.now);
            return Ok(protocol.output_len());
        }
        if !open.link.is_behind() {
            *stalled = Tick::NEVER;
        }
        if open.link.take_was_full() {
            self.tell_drained(means, slot)?;
        }
        Ok(0)
    }

    /// The handler was told that there is no room: there is now.
    #[cold]
    fn tell_drained<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> Result<(), Closed> {
        let Self { stream, ready, stage: Stage::Open(open), .. } = self else { return Ok(()) };
        let Open { state, link, protocol: Some(protocol), .. } = open else { return Ok(()) };
        let (outbound, Means { handler, hub, .. }) = (protocol.outbound(), &mut *means);
        let mut connection = Connection { outbound, stream, ready, link, hub, slot };
        if catch_unwind(AssertUnwindSafe(|| handler.on_drained(state, &mut connection))).is_err() {
            return Err(panicked(protocol));
        }
        // What was sent there is written in the next turn, which comes at once.
        if protocol.output_len() > 0 {
            self.list(means, slot.index);
        }
        Ok(())
    }

    /// It is over: whoever has to know is told.
    fn leave<H: Handler<State = S>>(&mut self, closed: &Closed, means: &mut Means<H>, slot: Slot) {
        let Stage::Open(open) = self.end(Unsent::default(), means.now) else { return };
        let closed = match open.link.ties() {
            Some(Ties { overflowed: true, .. }) => &Closed::Overflow,
            _ => closed,
        };
        open.link.forget(&mut means.hub, slot);
        let snapshot = &mut means.hub.snapshot;
        snapshot.waiting_len = snapshot.waiting_len.saturating_sub(as_u64(open.counted_len));
        snapshot.connection_count -= 1;
        *snapshot.closed.entry(closed.code()).or_default() += 1;
        trace::closed(means.hub.peer_id(slot), closed);
        let Means { handler, .. } = means;
        // It has ended already: there is nobody to be told of a panic.
        drop(catch_unwind(AssertUnwindSafe(|| handler.on_close(open.state, closed))));
    }
}

impl<S: 'static> Open<S> {
    /// Reads once: into the loop's buffer, how much; or straight into a large message, 0. `None`: nothing came.
    #[inline(always)]
    fn read<H: Handler<State = S>>(
        &mut self,
        stream: &TcpStream,
        ready: &mut Ready,
        means: &mut Means<H>,
    ) -> Result<Option<usize>, Closed> {
        let Means { buffer, pool, .. } = means;
        let after_large = match &self.protocol {
            Some(protocol) => protocol.has_room_for(buffer.len()),
            None => pool.has_room_for(buffer.len()),
        };
        let direct = self.protocol.as_mut().map(|protocol| protocol.inbound());
        let (room, direct) = match direct.and_then(|inbound| inbound.direct_spare()) {
            Some(room) => (room, true),
            None if after_large => (buffer.get_mut(..FIRST_LEN).unwrap_or_default(), false),
            None => (&mut buffer[..], false),
        };
        let len = match read(stream, ready, room) {
            Ok(Some(0)) => return Err(Closed::Disconnected),
            Ok(Some(len)) => len,
            Ok(None) => return Ok(None),
            Err(error) => return Err(lost(&error)),
        };
        means.hub.snapshot.received_len += as_u64(len);
        match (direct, &mut self.protocol) {
            (true, Some(protocol)) => {
                protocol.received(len);
                Ok(Some(0))
            }
            _ => Ok(Some(len)),
        }
    }

    /// Has the handler handle what came: `len` bytes in the loop's buffer, behind what was kept.
    #[inline(never)]
    fn handle<H: Handler<State = S>>(
        &mut self,
        stream: &TcpStream,
        ready: &mut Ready,
        means: &mut Means<H>,
        slot: Slot,
        len: usize,
    ) -> Result<(), Closed> {
        self.protocol(&mut means.pool);
        let Self { state, link, protocol: Some(protocol), kept_input, .. } = self else { return Ok(()) };
        let Means { handler, hub, buffer, .. } = means;
        let input = buffer.get_mut(..len).unwrap_or_default();
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let mut lent = protocol.lend(input);
            loop {
                let (message, outbound) = match lent.whole_message() {
                    Some(whole) => lent.show(whole)?,
                    None if lent.is_used_up() => break,
                    None => match lent.next_other_event()? {
                        Some((Event::Text(text), outbound)) => (MessageRef::Text(text), outbound),
                        Some((Event::Binary(bytes), outbound)) => (MessageRef::Binary(bytes), outbound),
                        Some((Event::Close(frame), _)) => return Ok(Some(Closed::Cleanly(frame))),
                        Some((Event::Ping(_) | Event::Pong(_), _)) => continue,
                        None => break,
                    },
                };
                hub.snapshot.received_count += 1;
                let mut connection = Connection { outbound, stream, ready, link, hub, slot };
                handler.on_message(state, &mut connection, message);
                if connection.outbound.is_full() {
                    *kept_input = true; // what is left is kept until there is room for the answers
                    break;
                }
            }
            Ok::<_, ProtocolError>(None)
        }));
        match handled {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(closed))) => Err(closed),
            Ok(Err(error)) => Err(Closed::Protocol(error)),
            Err(_) => Err(panicked(protocol)),
        }
    }
}

/// Tells the peer that the handler has panicked.
fn panicked(protocol: &mut Protocol) -> Closed {
    let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "the server has failed");
    protocol.outbound().close(Some(frame)).unwrap_or_default();
    Closed::Panicked
}

#[cold]
pub(super) fn lost(error: &io::Error) -> Closed {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Closed::Disconnected
        }
        kind => Closed::Io(kind),
    }
}

pub(super) fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
