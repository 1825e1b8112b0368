//! What an entry does when it is its turn: read, let the handler handle, write.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use mio::net::TcpStream;

use super::connection::{Connection, Hub};
use super::entry::{Entry, Events, Link, Open, Pool, Ready, Stage, Unsent, read, write_pieces};
use super::exchange::encode_answer;
use super::peer::Slot;
use super::timers::{Tick, Ticks};
use super::{Accept, Answer, Closed, EventPeer, Handler, Overflow};
use crate::blocking::Wait;
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::HandshakeError;
use crate::http::{Request, Response, Status};
use crate::protocol::{Event, Message, MessageRef, Outbound, Prepared, Protocol, ProtocolError, SendError};
use crate::sse::{KEEP_ALIVE, RESPONSE_HEADERS};

/// How long an event stream is silent before a comment is sent.
const EVENTS_KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(15);

/// What a loop lends to the entry whose turn it is.
pub(super) struct Means<H: Handler> {
    pub(super) handler: H,
    pub(super) hub: Hub,
    /// What everything is read into.
    pub(super) buffer: Vec<u8>,
    pub(super) pool: Pool,
    pub(super) accept: Accept,
    pub(super) overflow: Overflow,
    pub(super) timeouts: Timeouts,
    pub(super) now: Tick,
    /// Those that were given something from outside, to be written at the end of the turn.
    pub(super) unflushed: Vec<u32>,
}

/// The deadlines of all connections, in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    handshake: Ticks,
    ping: Ticks,
    idle: Ticks,
    write: Ticks,
    close: Ticks,
    linger: Ticks,
    events: Ticks,
}

impl Timeouts {
    pub(super) fn new(accept: &Accept) -> Self {
        let config = &accept.config;
        Self {
            handshake: Ticks::of(accept.handshake_timeout),
            ping: Ticks::of(config.ping_interval),
            idle: Ticks::of(config.idle_timeout),
            write: Ticks::of(config.write_timeout),
            close: Ticks::of(config.close_timeout),
            linger: Ticks::of(config.linger_timeout),
            events: Ticks::of(Some(EVENTS_KEEP_ALIVE)),
        }
    }
}

/// Whether an entry goes on at once; `None`: it is gone.
type GoesOn = Option<bool>;

impl<S: 'static> Entry<S> {
    pub(super) fn turn<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        match &mut self.stage {
            Stage::Head(_) => self.turn_of_head(means, slot),
            Stage::Open(_) => self.turn_of_open(means, slot),
            Stage::Events(_) => self.turn_of_events(means),
            Stage::Ending(_) => {
                if self.finish(&mut means.buffer, slot) {
                    return None;
                }
                Some(false)
            }
        }
    }

    /// When something has to happen.
    pub(super) fn due(&self, timeouts: &Timeouts) -> Tick {
        let written = self.stalled.after(timeouts.write);
        match &self.stage {
            Stage::Head(_) => self.since.after(timeouts.handshake),
            Stage::Ending(_) => self.since.after(timeouts.linger),
            Stage::Events(events) => written.min(events.written.after(timeouts.events)),
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
            Stage::Head(head) => {
                if head.received.is_empty() {
                    return None; // nobody has asked anything
                }
                let why = "the request was not complete in time";
                self.refuse(&Response::refusal(Status::REQUEST_TIMEOUT, why), means, slot)
            }
            Stage::Events(events) => {
                if stalled {
                    events.peer.closed.store(true, Ordering::Relaxed);
                    means.hub.snapshot.event_stream_count -= 1;
                    return None;
                }
                add_chunk(KEEP_ALIVE, events);
                events.written = now;
                self.turn_of_events(means)
            }
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

    fn turn_of_head<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Self { stream, ready, stage: Stage::Head(head), .. } = self else { return Some(false) };
        match head.output.write(stream, ready) {
            Ok(len) => means.hub.snapshot.sent_len += as_u64(len),
            Err(_) => return None,
        }
        if !head.output.is_empty() {
            return Some(false); // first the answers to what came before
        }
        if ready.read {
            let len = match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return None,
                Ok(len) => len.unwrap_or_default(),
            };
            means.hub.snapshot.received_len += as_u64(len);
            head.received.extend_from_slice(means.buffer.get(..len).unwrap_or_default());
        }
        match head.decoder.decode(&head.received) {
            Ok(None) => Some(ready.read),
            Ok(Some((request, head_len))) => {
                let rest = head.received.split_off(head_len.min(head.received.len()));
                self.answer(&request, rest, means, slot)
            }
            Err(error) => self.refuse(&HandshakeError::from(error).response(), means, slot),
        }
    }

    fn answer<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        rest: Vec<u8>,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        if let Err(error) = means.accept.policy.check_host(request) {
            return self.refuse(&error.response(), means, slot);
        }
        let Means { handler, .. } = means;
        match catch_unwind(AssertUnwindSafe(|| handler.on_request(request))) {
            Ok(Answer::Upgrade) => self.upgrade(request, rest, means, slot),
            Ok(Answer::Events) if request.method() != "GET" => {
                self.refuse(&HandshakeError::NotGet.response(), means, slot)
            }
            Ok(Answer::Events) => self.open_events(request, means, slot),
            Ok(Answer::Respond(response)) => self.respond(request, &response, rest, means, slot),
            Err(_) => {
                let why = "the server has failed on this request";
                self.refuse(&Response::refusal(Status::INTERNAL_SERVER_ERROR, why), means, slot)
            }
        }
    }

    /// Answers, and goes on with the next request if both want to.
    fn respond<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        response: &Response,
        rest: Vec<u8>,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let closes = |headers: &crate::http::Headers| headers.has_token("Connection", "close");
        let keep_alive = !closes(request.headers()) && !closes(response.headers()) && !request.has_body();
        *means.hub.snapshot.answered.entry(response.status().code()).or_default() += 1;
        encode_answer(request, response, keep_alive, &mut head.output.bytes);
        if !keep_alive {
            let output = std::mem::take(&mut head.output);
            self.end(output, means.now);
            return self.turn(means, slot);
        }
        head.received = rest;
        self.since = means.now;
        let wrote = head.output.write(&self.stream, &mut self.ready);
        if wrote.is_err() {
            return None;
        }
        // One request a turn, and the next when its answer is written.
        Some(head.output.is_empty() && (!head.received.is_empty() || self.ready.read))
    }

    /// Says no, and ends it.
    fn refuse<H: Handler<State = S>>(
        &mut self,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        *means.hub.snapshot.answered.entry(response.status().code()).or_default() += 1;
        let Stage::Head(head) = &mut self.stage else { return None };
        let mut output = std::mem::take(&mut head.output);
        response.encode(&mut output.bytes);
        self.end(output, means.now);
        self.turn(means, slot)
    }

    fn upgrade<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        rest: Vec<u8>,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let mut upgrade = match means.accept.upgrade(request) {
            Ok(upgrade) => upgrade,
            Err(error) => return self.refuse(&error.response(), means, slot),
        };
        let Means { handler, .. } = means;
        let chosen = catch_unwind(AssertUnwindSafe(|| handler.on_upgrade(request, &mut upgrade)));
        match chosen {
            Ok(Ok(())) => {}
            Ok(Err(response)) => return self.respond_last(request, &response, means, slot),
            Err(_) => {
                let why = "the server has failed on this request";
                return self.refuse(&Response::refusal(Status::INTERNAL_SERVER_ERROR, why), means, slot);
            }
        }
        let agreed = means.accept.agree_on_deflate(&mut upgrade);
        let mut response = Vec::new();
        upgrade.accept().encode(&mut response);
        let mut protocol = means.pool.take(agreed.as_ref());
        protocol.outbound().send_raw(&response);
        let mut link = Link::default();
        let Self { stream, ready, .. } = self;
        let Means { handler, hub, .. } = means;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let outbound = protocol.outbound();
            let mut connection = Connection { outbound, stream, ready, link: &mut link, hub, slot };
            handler.on_open(&mut connection, request)
        }));
        let Ok(state) = opened else {
            forget_link(&link, hub, slot);
            let why = "the server has failed on this request";
            return self.refuse(&Response::refusal(Status::INTERNAL_SERVER_ERROR, why), means, slot);
        };
        protocol.receive(&rest);
        hub.snapshot.opened_count += 1;
        hub.snapshot.connection_count += 1;
        self.since = means.now;
        self.stage = Stage::Open(Open {
            state,
            link,
            kept_input: !rest.is_empty(),
            protocol: Some(protocol),
            agreed,
            pinged: false,
            close_sent: Tick::NEVER,
            counted_len: 0,
        });
        self.turn_of_open(means, slot)
    }

    /// Answers instead of upgrading, and ends it.
    fn respond_last<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        *means.hub.snapshot.answered.entry(response.status().code()).or_default() += 1;
        let Stage::Head(head) = &mut self.stage else { return None };
        let mut output = std::mem::take(&mut head.output);
        encode_answer(request, response, false, &mut output.bytes);
        self.end(output, means.now);
        self.turn(means, slot)
    }

    fn turn_of_open<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let outcome = self.work(means, slot);
        let Self { stage: Stage::Open(open), .. } = self else { return Some(false) };
        open.note_waiting(&mut means.hub.snapshot.waiting_len);
        match outcome {
            Ok(goes_on) => {
                open.release(&mut means.pool);
                Some(goes_on)
            }
            Err(closed) => {
                let last_words = matches!(
                    closed,
                    Closed::Cleanly(_) | Closed::Protocol(_) | Closed::Overflow | Closed::Panicked
                );
                let mut output = Unsent::default();
                if let (true, Some(protocol)) = (last_words, &open.protocol) {
                    protocol.output().for_each(|piece| output.bytes.extend_from_slice(piece));
                }
                self.leave(&closed, means, slot);
                if !last_words {
                    return None;
                }
                self.end(output, means.now);
                self.turn(means, slot)
            }
        }
    }

    /// Writes what waits, reads once, handles what came, writes the answers. Whether there is more to do at once;
    /// an error if the connection is over.
    fn work<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> Result<bool, Closed> {
        if self.flush(means, slot)? > 0 {
            return Ok(false); // who doesn't read his answers isn't read either
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

    /// Writes all that waits, as far as the socket takes it; how much still waits.
    fn flush<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> Result<usize, Closed> {
        let Self { stream, ready, stalled, stage: Stage::Open(open), .. } = self else { return Ok(0) };
        let Some(protocol) = &mut open.protocol else { return Ok(0) };
        while ready.write && protocol.output_len() > 0 {
            let len = write_pieces(stream, ready, protocol.output()).map_err(|error| lost(&error))?;
            protocol.sent(len);
            means.hub.snapshot.sent_len += as_u64(len);
            if len > 0 {
                *stalled = means.now;
            }
        }
        if open.close_sent == Tick::NEVER && protocol.outbound().is_closed() {
            open.close_sent = means.now;
            if let Some(peer) = &open.link.peer {
                peer.closed.store(true, Ordering::Relaxed);
            }
        }
        if protocol.output_len() > 0 {
            *stalled = (*stalled).min(means.now);
            return Ok(protocol.output_len());
        }
        *stalled = Tick::NEVER;
        if std::mem::take(&mut open.link.was_full) {
            let Means { handler, hub, .. } = means;
            let Open { state, link, .. } = open;
            let outbound = protocol.outbound();
            let mut connection = Connection { outbound, stream, ready, link, hub, slot };
            if catch_unwind(AssertUnwindSafe(|| handler.on_drained(state, &mut connection))).is_err() {
                return Err(panicked(protocol));
            }
            // What was sent there is written in the next turn, which comes at once.
            if protocol.output_len() > 0 {
                self.list(means, slot);
            }
        }
        Ok(0)
    }

    /// It is over: whoever has to know is told.
    fn leave<H: Handler<State = S>>(&mut self, closed: &Closed, means: &mut Means<H>, slot: Slot) {
        let Stage::Open(open) = self.end(Unsent::default(), means.now) else { return };
        let closed = if open.link.overflowed { &Closed::Overflow } else { closed };
        forget_link(&open.link, &mut means.hub, slot);
        let snapshot = &mut means.hub.snapshot;
        snapshot.waiting_len = snapshot.waiting_len.saturating_sub(as_u64(open.counted_len));
        snapshot.connection_count -= 1;
        *snapshot.closed.entry(closed.code()).or_default() += 1;
        let Means { handler, .. } = means;
        // It has ended already: there is nobody to be told of a panic.
        drop(catch_unwind(AssertUnwindSafe(|| handler.on_close(open.state, closed))));
    }

    /// A message from another thread.
    pub(super) fn mail<H: Handler<State = S>>(&mut self, message: Message, means: &mut Means<H>, slot: Slot) {
        let len = message.as_bytes().len();
        self.queue(means, slot, len, |outbound| outbound.send_owned(message));
    }

    pub(super) fn mail_prepared<H: Handler<State = S>>(
        &mut self,
        prepared: &Prepared,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        self.queue(means, slot, prepared.payload().len(), |outbound| outbound.send_prepared(prepared));
    }

    /// A publication of a room.
    pub(super) fn publish<H: Handler<State = S>>(
        &mut self,
        prepared: &Prepared,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        self.queue(means, slot, 0, |outbound| outbound.send_prepared(prepared));
    }

    /// Another thread found no room: it is to be told when there is.
    pub(super) fn note_refusal<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        let Stage::Open(open) = &mut self.stage else { return };
        open.link.was_full = true;
        means.hub.snapshot.dropped_count += 1;
        open.protocol(&mut means.pool);
        self.list(means, slot);
    }

    pub(super) fn close<H: Handler<State = S>>(
        &mut self,
        frame: Option<CloseFrame>,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        let Stage::Open(open) = &mut self.stage else { return };
        // If one was sent before, that one counts.
        open.protocol(&mut means.pool).outbound().close(frame).unwrap_or_default();
        self.list(means, slot);
    }

    fn queue<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
        mailed_len: usize,
        send: impl FnOnce(&mut Outbound) -> Result<(), SendError>,
    ) {
        let Stage::Open(open) = &mut self.stage else { return };
        if let Some(peer) = &open.link.peer {
            peer.mailed_len.fetch_sub(as_u64(mailed_len), Ordering::Relaxed);
        }
        let outbound = open.protocol(&mut means.pool).outbound();
        match send(outbound) {
            Ok(()) => means.hub.snapshot.sent_count += 1,
            Err(SendError::Full { .. }) => {
                means.hub.snapshot.dropped_count += 1;
                if means.overflow == Overflow::Close {
                    let frame =
                        CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too much waits for this connection");
                    outbound.close(Some(frame)).unwrap_or_default();
                    open.link.overflowed = true;
                }
                open.link.was_full = true;
            }
            Err(_) => {}
        }
        self.list(means, slot);
    }

    /// Has it written to at the end of the turn.
    fn list<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        if !self.ready.listed {
            self.ready.listed = true;
            means.unflushed.push(slot.index);
        }
    }

    fn open_events<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let response = RESPONSE_HEADERS.iter().chain(&[("Connection", "close")]).fold(
            Response::new(Status::OK),
            // They are constants, and valid: it can't fail.
            |response, (name, value)| response.clone().header(name, value).unwrap_or(response),
        );
        let mut output = std::mem::take(&mut head.output);
        response.encode_chunked_head(&mut output.bytes);
        let peer = means.hub.peer_state(slot);
        means.hub.snapshot.event_stream_count += 1;
        self.since = means.now;
        self.stage = Stage::Events(Box::new(Events {
            output,
            peer: std::sync::Arc::clone(&peer),
            written: means.now,
        }));
        let Means { handler, .. } = means;
        if catch_unwind(AssertUnwindSafe(|| handler.on_events(EventPeer(peer), request))).is_err() {
            self.add_events(&[], means, slot);
        }
        self.turn_of_events(means)
    }

    fn turn_of_events<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> GoesOn {
        let Self { stream, ready, stalled, stage: Stage::Events(events), .. } = self else {
            return Some(false);
        };
        let mut gone = false;
        // A client has nothing more to say; if it does, nobody listens.
        while ready.read && !gone {
            gone = matches!(read(stream, ready, &mut means.buffer), Ok(Some(0)) | Err(_));
        }
        match events.output.write(stream, ready) {
            Ok(len) => means.hub.snapshot.sent_len += as_u64(len),
            Err(_) => gone = true,
        }
        events.peer.waiting_len.store(as_u64(events.output.len()), Ordering::Relaxed);
        *stalled = if events.output.is_empty() { Tick::NEVER } else { (*stalled).min(means.now) };
        if gone {
            events.peer.closed.store(true, Ordering::Relaxed);
            means.hub.snapshot.event_stream_count -= 1;
            return None;
        }
        Some(false)
    }

    /// Appends a block to a stream of events; an empty one ends it.
    pub(super) fn add_events<H: Handler<State = S>>(
        &mut self,
        block: &[u8],
        means: &mut Means<H>,
        slot: Slot,
    ) {
        let Stage::Events(events) = &mut self.stage else { return };
        events.peer.mailed_len.fetch_sub(as_u64(block.len()), Ordering::Relaxed);
        add_chunk(block, events);
        events.written = means.now;
        if block.is_empty() {
            events.peer.closed.store(true, Ordering::Relaxed);
            means.hub.snapshot.event_stream_count -= 1;
            let output = std::mem::take(&mut events.output);
            self.end(output, means.now);
        }
        self.list(means, slot);
    }
}

impl<S: 'static> Open<S> {
    /// Reads once: into the loop's buffer, how much; or straight into a large message, 0. `None`: nothing came.
    fn read<H: Handler<State = S>>(
        &mut self,
        stream: &TcpStream,
        ready: &mut Ready,
        means: &mut Means<H>,
    ) -> Result<Option<usize>, Closed> {
        let direct = self.protocol.as_mut().map(|protocol| protocol.inbound());
        let (result, direct) = match direct.and_then(|inbound| inbound.direct_spare()) {
            Some(room) => (read(stream, ready, room), true),
            None => (read(stream, ready, &mut means.buffer), false),
        };
        let len = match result {
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
            while let Some((event, outbound)) = lent.next_event()? {
                let message = match event {
                    Event::Text(text) => MessageRef::Text(text),
                    Event::Binary(bytes) => MessageRef::Binary(bytes),
                    Event::Close(frame) => return Ok(Some(Closed::Cleanly(frame))),
                    Event::Ping(_) | Event::Pong(_) => continue,
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

/// What other threads and rooms know of a connection is no more.
fn forget_link(link: &Link, hub: &mut Hub, slot: Slot) {
    if let Some(peer) = &link.peer {
        peer.closed.store(true, Ordering::Relaxed);
    }
    link.rooms.iter().for_each(|room| hub.members.leave(*room, slot.index));
}

fn lost(error: &io::Error) -> Closed {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Closed::Disconnected
        }
        kind => Closed::Io(kind),
    }
}

/// Appends a chunk (RFC 9112 §7.1); an empty one is the last.
fn add_chunk(block: &[u8], events: &mut Events) {
    let bytes = &mut events.output.bytes;
    bytes.extend_from_slice(format!("{:x}\r\n", block.len()).as_bytes());
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(b"\r\n");
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
