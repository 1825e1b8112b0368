//! A stream of server-sent events, kept by a loop.

use super::{PeerId, StreamPeer};
use crate::protocol::SendError;
use crate::sse::{Event, encode_comment, encode_retry};

/// An open stream of events, to send to from any thread. Its loop keeps it alive with a comment
/// every 15 s. When the last clone is dropped, the stream stays; [`close`](Self::close) it.
///
/// It comes with [`Answer::Events`](super::Answer::Events), or is made of the [`StreamPeer`] of a stream that
/// began with [`StreamHead::events`](super::StreamHead::events) and headers besides.
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
pub struct EventPeer(StreamPeer);

impl From<StreamPeer> for EventPeer {
    fn from(peer: StreamPeer) -> Self {
        Self(peer)
    }
}

impl EventPeer {
    /// Which stream this is.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.id()
    }

    /// Whether the client is gone, or the stream was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
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
        self.0.close();
    }

    fn post(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), SendError> {
        let mut block = Vec::new();
        encode(&mut block);
        self.0.send(block)
    }
}
