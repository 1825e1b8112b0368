//! What comes for a connection from other threads.

use std::sync::atomic::Ordering;

use super::entry::{Entry, Open, Stage};
use super::means::Means;
use super::peer::{PeerState, Slot};
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
        if let Some(peer) = open.link.peer() {
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
}

impl<S: 'static> Open<S> {
    /// Messages were refused, or are kept no more: it is told when there is room, or closed.
    pub(super) fn overflow<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot, count: u64) {
        means.hub.count_dropped(self.link.tie(), slot, count);
        let outbound = self.protocol(&mut means.pool).outbound();
        if means.overflow == Overflow::Close && !outbound.is_closed() {
            let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too much waits for this connection");
            outbound.close(Some(frame)).unwrap_or_default();
            self.link.tie().overflowed = true;
        }
    }
}
