//! What comes for an entry from other threads, and streams of events, to which nothing else comes.

use std::sync::atomic::Ordering;

use super::entry::{Entry, Events, Open, Stage, read};
use super::means::Means;
use super::peer::{PeerState, Slot};
use super::timers::Tick;
use super::turn::{GoesOn, as_u64};
use super::{Handler, Overflow};
use crate::frame::{CloseCode, CloseFrame};
use crate::protocol::{Message, Outbound, Prepared, SendError};

impl<S: 'static> Entry<S> {
    /// A message from another thread.
    pub(super) fn mail<H: Handler<State = S>>(&mut self, message: Message, means: &mut Means<H>, slot: Slot) {
        let cost = PeerState::cost(message.as_bytes().len());
        // There was room when it was sent, and its sender was told so.
        self.queue(means, slot, cost, |outbound| {
            outbound.over_limit(|outbound| outbound.send_owned(message))
        });
        self.list(means, slot.index);
    }

    pub(super) fn mail_prepared<H: Handler<State = S>>(
        &mut self,
        prepared: &Prepared,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        let cost = PeerState::cost(prepared.payload().len());
        self.queue(means, slot, cost, |outbound| {
            outbound.over_limit(|outbound| outbound.send_prepared(prepared))
        });
        self.list(means, slot.index);
    }

    /// Another thread found no room: it is to be told when there is.
    pub(super) fn note_refusal<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        let Stage::Open(open) = &mut self.stage else { return };
        open.overflow(means, slot, 1);
        self.list(means, slot.index);
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
        self.list(means, slot.index);
    }

    fn queue<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
        cost: u64,
        send: impl FnOnce(&mut Outbound) -> Result<(), SendError>,
    ) {
        let Stage::Open(open) = &mut self.stage else { return };
        if let Some(peer) = &open.link.peer {
            peer.taken_len.fetch_add(cost, Ordering::Relaxed);
        }
        let outbound = open.protocol(&mut means.pool).outbound();
        match send(outbound) {
            Ok(()) => means.hub.snapshot.sent_count += 1,
            Err(SendError::Full { .. }) => {
                open.overflow(means, slot, 1);
            }
            Err(_) => {}
        }
    }

    /// Has it written to at the end of the turn.
    pub(super) fn list<H: Handler<State = S>>(&mut self, means: &mut Means<H>, index: u32) {
        if !self.ready.listed {
            self.ready.listed = true;
            means.unflushed.push(index);
        }
    }

    pub(super) fn turn_of_events<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> GoesOn {
        let Self { stream, ready, stalled, stage: Stage::Events(events), .. } = self else {
            return Some(false);
        };
        let mut gone = false;
        // A client has nothing more to say; if it does, nobody listens.
        if ready.read {
            match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => gone = true,
                Ok(len) => means.hub.snapshot.received_len += as_u64(len.unwrap_or_default()),
            }
        }
        match events.output.write(stream, ready) {
            Ok(0) => {}
            Ok(len) => {
                means.hub.snapshot.sent_len += as_u64(len);
                *stalled = means.now;
            }
            Err(_) => gone = true,
        }
        events.peer.waiting_len.store(as_u64(events.output.len()), Ordering::Relaxed);
        *stalled = if events.output.is_empty() { Tick::NEVER } else { (*stalled).min(means.now) };
        if gone {
            events.peer.closed.store(true, Ordering::Relaxed);
            means.hub.snapshot.event_stream_count -= 1;
            return None;
        }
        Some(ready.read)
    }

    /// Appends a block to a stream of events; an empty one ends it.
    pub(super) fn add_events<H: Handler<State = S>>(
        &mut self,
        block: &[u8],
        means: &mut Means<H>,
        slot: Slot,
    ) {
        let Stage::Events(events) = &mut self.stage else { return };
        add_chunk(block, events);
        if !block.is_empty() {
            // In this order, so that it is never counted nowhere.
            events.peer.waiting_len.store(as_u64(events.output.len()), Ordering::Relaxed);
            events.peer.mailed_len.fetch_sub(PeerState::cost(block.len()), Ordering::Relaxed);
        }
        events.written = means.now;
        if block.is_empty() {
            events.peer.closed.store(true, Ordering::Relaxed);
            means.hub.snapshot.event_stream_count -= 1;
            let output = std::mem::take(&mut events.output);
            self.end(output, means.now);
        }
        self.list(means, slot.index);
    }
}

impl<S: 'static> Open<S> {
    /// Messages were refused, or are kept no more: it is told when there is room, or closed.
    pub(super) fn overflow<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot, count: u64) {
        means.hub.count_dropped(&mut self.link, slot, count);
        let outbound = self.protocol(&mut means.pool).outbound();
        if means.overflow == Overflow::Close && !outbound.is_closed() {
            let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too much waits for this connection");
            outbound.close(Some(frame)).unwrap_or_default();
            self.link.overflowed = true;
        }
    }
}

/// Appends a chunk (RFC 9112 §7.1); an empty one is the last.
pub(super) fn add_chunk(block: &[u8], events: &mut Events) {
    let bytes = &mut events.output.bytes;
    bytes.extend_from_slice(format!("{:x}\r\n", block.len()).as_bytes());
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(b"\r\n");
}
