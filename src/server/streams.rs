//! Streams, of events and of anything else: a response in chunks, without end until somebody ends it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Entry, Stage, Unsent, read};
use super::feed::{Form, encode_chunk};
use super::means::Means;
use super::peer::{PeerState, Slot};
use super::ties::Ties;
use super::timers::{Tick, Ticks};
use super::turn::{GoesOn, as_u64};
use super::{Handler, StreamHead, StreamPeer};
use crate::sse::encode_retry;

/// When who reads events comes back at the earliest to a server that has gone down, in ms; and at the latest 4,095 ms
/// after that.
const MIN_RETRY: u32 = 1_000;

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) output: Unsent,
    pub(super) ties: Ties,
    /// How rooms write to it.
    pub(super) form: Form,
    is_events: bool,
    #[expect(dead_code, reason = "it is to be dropped with the stream, and says so to whom it concerns")]
    seat: Option<Arc<dyn fmt::Debug + Send + Sync>>,
    /// When something was written last.
    pub(super) written: Tick,
    /// What is written when nothing was for `interval`, and nothing waits.
    keep_alive: &'static [u8],
    interval: Ticks,
}

impl Stream {
    /// When something has to happen, as far as that doesn't depend on the client.
    pub(super) fn due(&self) -> Tick {
        self.written.after(self.interval)
    }

    fn add_chunk(&mut self, data: &[u8]) {
        encode_chunk(data, &mut self.output.bytes);
    }

    /// Tells others how much waits.
    fn note_waiting(&self) {
        if let Some(peer) = &self.ties.peer {
            peer.waiting_len.store(as_u64(self.output.len()), Ordering::Relaxed);
        }
    }
}

impl<S: 'static> Entry<S> {
    /// Answers with the head of a stream; `greet` hands its peer to the handler.
    pub(super) fn open_stream<H: Handler<State = S>>(
        &mut self,
        stream_head: StreamHead,
        means: &mut Means<H>,
        slot: Slot,
        greet: impl FnOnce(&mut H, StreamPeer),
    ) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let mut output = std::mem::take(&mut head.output);
        let StreamHead { response, keep_alive, interval, is_events, follow } = stream_head;
        response.encode_chunked_head(&mut output.bytes);
        means.hub.count_answer(slot, response.status());
        means.hub.snapshot.stream_count += 1;
        self.since = means.now;
        let mut stream = Box::new(Stream {
            output,
            ties: Ties::default(),
            form: follow.as_ref().map_or(Form::Events, |follow| follow.form),
            is_events,
            seat: follow.as_ref().map(|follow| Arc::clone(&follow.seat)),
            written: means.now,
            keep_alive,
            interval: Ticks::of(interval),
        });
        let Some(follow) = follow else {
            let peer = means.hub.peer_state(slot);
            stream.ties.peer = Some(Arc::clone(&peer));
            self.stage = Stage::Stream(stream);
            let Means { handler, .. } = means;
            if catch_unwind(AssertUnwindSafe(|| greet(handler, StreamPeer(peer)))).is_err() {
                self.end_stream(means, slot);
                return Some(false);
            }
            return self.turn_of_stream(means, slot);
        };
        follow.first.iter().for_each(|piece| stream.add_chunk(piece));
        for (feed, after) in &follow.feeds {
            means.hub.join(&mut stream.ties, feed, *after, slot);
        }
        self.stage = Stage::Stream(stream);
        self.turn_of_stream(means, slot)
    }

    pub(super) fn turn_of_stream<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Self { stream, ready, stalled, stage: Stage::Stream(open), .. } = self else {
            return Some(false);
        };
        // A client has nothing more to say; if it does, nobody listens.
        if ready.read {
            match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return self.lose_stream(means, slot),
                Ok(len) => means.hub.snapshot.received_len += as_u64(len.unwrap_or_default()),
            }
        }
        match open.output.write(stream, ready) {
            Ok(0) => {}
            Ok(len) => {
                means.hub.snapshot.sent_len += as_u64(len);
                *stalled = means.now;
            }
            Err(_) => return self.lose_stream(means, slot),
        }
        open.note_waiting();
        if !open.output.is_empty() {
            *stalled = (*stalled).min(means.now);
            return Some(ready.read);
        }
        if !open.ties.behind {
            *stalled = Tick::NEVER;
            return Some(ready.read);
        }
        match self.catch_up(means, slot) {
            Ok(goes_on) => Some(goes_on.unwrap_or_default() || self.ready.read),
            Err(_) => self.lose_stream(means, slot),
        }
    }

    /// Its time has come: it takes nothing, or was silent.
    pub(super) fn expire_stream<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        if self.stalled.after(means.timeouts.write) <= means.now {
            return self.lose_stream(means, slot);
        }
        let Stage::Stream(stream) = &mut self.stage else { return Some(false) };
        if stream.output.is_empty() && !stream.ties.behind {
            stream.add_chunk(stream.keep_alive);
        }
        stream.written = means.now;
        self.turn_of_stream(means, slot)
    }

    /// Data from another thread.
    pub(super) fn add_chunk<H: Handler<State = S>>(&mut self, data: &[u8], means: &mut Means<H>, slot: Slot) {
        let Stage::Stream(stream) = &mut self.stage else { return };
        if !data.is_empty() {
            stream.add_chunk(data);
            stream.written = means.now;
        }
        // In this order, so that it is never counted nowhere.
        stream.note_waiting();
        if let Some(peer) = &stream.ties.peer {
            peer.mailed_len.fetch_sub(PeerState::cost(data.len()), Ordering::Relaxed);
        }
        self.list(means, slot.index);
    }

    /// The server goes down: ends a stream, whose reader comes back in a time of its own.
    pub(super) fn drain_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        let Stage::Stream(stream) = &mut self.stage else { return };
        if stream.is_events {
            // Neighbours are far from each other, and all are spread evenly: a multiple of the golden ratio.
            let spread = slot.index.wrapping_mul(0x9e37_79b9) >> 20;
            let mut retry = Vec::new();
            encode_retry(MIN_RETRY + spread, &mut retry);
            stream.add_chunk(&retry);
        }
        self.end_stream(means, slot);
    }

    /// Ends a stream cleanly, behind what waits.
    pub(super) fn end_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        let Stage::Stream(stream) = &mut self.stage else { return };
        stream.add_chunk(b"");
        stream.ties.forget(&mut means.hub, slot);
        means.hub.snapshot.stream_count -= 1;
        let output = std::mem::take(&mut stream.output);
        self.end(output, means.now);
        self.list(means, slot.index);
    }

    /// The client is gone.
    fn lose_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        if let Stage::Stream(stream) = &self.stage {
            stream.ties.forget(&mut means.hub, slot);
            means.hub.snapshot.stream_count -= 1;
        }
        None
    }
}
