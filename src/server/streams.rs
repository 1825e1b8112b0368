//! Streams, of events and of anything else: a response in chunks, without end until somebody ends it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Entry, Stage, Unsent, read};
use super::means::Means;
use super::peer::{PeerState, Slot};
use super::timers::{Tick, Ticks};
use super::turn::{GoesOn, as_u64};
use super::{Handler, StreamHead, StreamPeer};

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    output: Unsent,
    peer: Arc<PeerState>,
    /// When something was written last.
    written: Tick,
    /// What is written when nothing was for `interval`, and nothing waits.
    keep_alive: &'static [u8],
    interval: Ticks,
}

impl Stream {
    /// When something has to happen, as far as that doesn't depend on the client.
    pub(super) fn due(&self) -> Tick {
        self.written.after(self.interval)
    }

    /// Appends a chunk (RFC 9112 §7.1); an empty one is the last.
    fn add_chunk(&mut self, data: &[u8]) {
        let bytes = &mut self.output.bytes;
        bytes.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(b"\r\n");
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
        stream_head.response.encode_chunked_head(&mut output.bytes);
        let peer = means.hub.peer_state(slot);
        means.hub.snapshot.stream_count += 1;
        self.since = means.now;
        self.stage = Stage::Stream(Box::new(Stream {
            output,
            peer: Arc::clone(&peer),
            written: means.now,
            keep_alive: stream_head.keep_alive,
            interval: Ticks::of(stream_head.interval),
        }));
        let Means { handler, .. } = means;
        if catch_unwind(AssertUnwindSafe(|| greet(handler, StreamPeer(peer)))).is_err() {
            self.end_stream(means, slot);
            return Some(false);
        }
        self.turn_of_stream(means)
    }

    pub(super) fn turn_of_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> GoesOn {
        let Self { stream, ready, stalled, stage: Stage::Stream(open), .. } = self else {
            return Some(false);
        };
        // A client has nothing more to say; if it does, nobody listens.
        if ready.read {
            match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return self.lose_stream(means),
                Ok(len) => means.hub.snapshot.received_len += as_u64(len.unwrap_or_default()),
            }
        }
        match open.output.write(stream, ready) {
            Ok(0) => {}
            Ok(len) => {
                means.hub.snapshot.sent_len += as_u64(len);
                *stalled = means.now;
            }
            Err(_) => return self.lose_stream(means),
        }
        open.peer.waiting_len.store(as_u64(open.output.len()), Ordering::Relaxed);
        *stalled = if open.output.is_empty() { Tick::NEVER } else { (*stalled).min(means.now) };
        Some(ready.read)
    }

    /// Its time has come: it takes nothing, or was silent.
    pub(super) fn expire_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> GoesOn {
        if self.stalled.after(means.timeouts.write) <= means.now {
            return self.lose_stream(means);
        }
        let Stage::Stream(stream) = &mut self.stage else { return Some(false) };
        if stream.output.is_empty() {
            stream.add_chunk(stream.keep_alive);
        }
        stream.written = means.now;
        self.turn_of_stream(means)
    }

    /// Data from another thread.
    pub(super) fn add_chunk<H: Handler<State = S>>(&mut self, data: &[u8], means: &mut Means<H>, slot: Slot) {
        let Stage::Stream(stream) = &mut self.stage else { return };
        if !data.is_empty() {
            stream.add_chunk(data);
            stream.written = means.now;
        }
        // In this order, so that it is never counted nowhere.
        stream.peer.waiting_len.store(as_u64(stream.output.len()), Ordering::Relaxed);
        stream.peer.mailed_len.fetch_sub(PeerState::cost(data.len()), Ordering::Relaxed);
        self.list(means, slot.index);
    }

    /// Ends a stream cleanly, behind what waits.
    pub(super) fn end_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) {
        let Stage::Stream(stream) = &mut self.stage else { return };
        stream.add_chunk(b"");
        stream.peer.closed.store(true, Ordering::Relaxed);
        means.hub.snapshot.stream_count -= 1;
        let output = std::mem::take(&mut stream.output);
        self.end(output, means.now);
        self.list(means, slot.index);
    }

    /// The client is gone.
    fn lose_stream<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> GoesOn {
        if let Stage::Stream(stream) = &self.stage {
            stream.peer.closed.store(true, Ordering::Relaxed);
            means.hub.snapshot.stream_count -= 1;
        }
        None
    }
}
