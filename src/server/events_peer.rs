//! A stream of server-sent events, kept by a loop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::PeerId;
use super::peer::{Command, PeerState};
use crate::protocol::SendError;
use crate::sse::{Event, encode_comment, encode_retry};

/// An open stream of events, to send to from any thread. Its loop keeps it alive with a comment
/// every 15 s. When the last clone is dropped, the stream stays; [`close`](Self::close) it.
///
/// ```
/// use talkback::server::EventPeer;
/// use talkback::sse::Event;
///
/// fn tell(peer: &EventPeer) -> Result<(), talkback::protocol::SendError> {
///     peer.send(&Event::new("ten bottles"))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct EventPeer(pub(super) Arc<PeerState>);

impl EventPeer {
    /// Which stream this is.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.id
    }

    /// Whether the client is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`SendError::Full`] while more than `Config::max_output_len` waits;
    /// [`SendError::Closing`] once the client is gone.
    pub fn send(&self, event: &Event<'_>) -> Result<(), SendError> {
        self.post(|block| event.encode(block))
    }

    /// Sends a comment, which clients don't show.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn comment(&self, text: &str) -> Result<(), SendError> {
        self.post(|block| encode_comment(text, block))
    }

    /// Tells the client how many milliseconds to wait before it connects again.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn retry(&self, milliseconds: u32) -> Result<(), SendError> {
        self.post(|block| encode_retry(milliseconds, block))
    }

    /// Ends the stream cleanly, behind what was sent. An `EventSource` connects again.
    pub fn close(&self) {
        self.0.mailbox.post(Command::Events(self.0.id.slot, Vec::new()));
    }

    fn post(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), SendError> {
        let state = &*self.0;
        let mut block = Vec::new();
        encode(&mut block);
        state.reserve(block.len())?;
        state.mailbox.post(Command::Events(state.id.slot, block));
        Ok(())
    }
}
