//! A response that stays open, kept by a loop: of any type, and sent to from any thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::PeerId;
use super::feed::{Feed, Form};
use super::peer::{Command, PeerState};
use crate::http::{HeaderError, Response, Status};
use crate::protocol::SendError;
use crate::sse::{KEEP_ALIVE, MEDIA_TYPE, RESPONSE_HEADERS};

/// How long a stream of events is silent before it is kept alive.
const EVENTS_INTERVAL: Duration = Duration::from_secs(15);

/// How a stream begins, and what keeps it alive.
///
/// It is answered with 200, and with headers that keep caches and proxies from storing it or holding it back.
///
/// ```
/// use std::time::Duration;
/// use talkback::server::{Answer, StreamHead};
///
/// // A value of JSON a line; an empty line now and then, which readers of lines skip.
/// let lines = StreamHead::new("application/x-ndjson")?.keep_alive(b"\n", Duration::from_secs(15));
/// // Server-sent events that pages of other origins may read.
/// let events = StreamHead::events().header("Access-Control-Allow-Origin", "*")?;
/// # drop((Answer::Stream(lines), Answer::Stream(events)));
/// # Ok::<(), talkback::http::HeaderError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamHead {
    pub(super) response: Response,
    pub(super) keep_alive: &'static [u8],
    pub(super) interval: Option<Duration>,
    /// Whether it is one of events, whose reader can be told when to come back.
    pub(super) is_events: bool,
    pub(super) follow: Option<Follow>,
}

/// What a stream gets that nobody has a peer of: rooms send to it.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) form: Form,
    /// What it gets first.
    pub(crate) first: Vec<Bytes>,
    /// Then what is published behind these numbers, or from now on.
    pub(crate) feeds: Vec<(Feed, Option<u64>)>,
    /// Dropped when it ends.
    pub(crate) seat: Arc<dyn fmt::Debug + Send + Sync>,
}

impl StreamHead {
    /// Of this `Content-Type`, with nothing to keep it alive.
    ///
    /// # Errors
    /// [`HeaderError::InvalidValue`].
    pub fn new(content_type: &str) -> Result<Self, HeaderError> {
        let mut response = Response::new(Status::OK);
        for (name, value) in RESPONSE_HEADERS.iter().chain(&[("Connection", "close")]) {
            let value = if *name == "Content-Type" { content_type } else { value };
            response = response.header(name, value)?;
        }
        Ok(Self::of(response))
    }

    /// Of server-sent events, with a comment after every 15 s of silence: what
    /// [`Answer::Events`](super::Answer::Events) begins with. When the server is drained, each reader is told to come
    /// back after another time, so that they don't all come at once.
    #[must_use]
    pub fn events() -> Self {
        // The type is a constant, and valid: it can't fail.
        let head = Self::new(MEDIA_TYPE).unwrap_or_else(|_| Self::of(Response::new(Status::OK)));
        Self { is_events: true, ..head }.keep_alive(KEEP_ALIVE, EVENTS_INTERVAL)
    }

    const fn of(response: Response) -> Self {
        Self { response, keep_alive: b"", interval: None, is_events: false, follow: None }
    }

    /// Adds a header behind those that are there.
    ///
    /// # Errors
    /// As [`Response::header`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        self.response = self.response.header(name, value)?;
        Ok(self)
    }

    /// Sends these bytes after every so much silence; of no bytes, nothing. 15 s are good: proxies cut what is
    /// silent, and only a write shows that a client is gone that didn't say so.
    #[must_use]
    pub const fn keep_alive(mut self, bytes: &'static [u8], interval: Duration) -> Self {
        self.keep_alive = bytes;
        self.interval = if bytes.is_empty() { None } else { Some(interval) };
        self
    }

    /// Has rooms send to it, and nobody else.
    #[cfg(feature = "rooms")]
    pub(crate) fn follow(mut self, follow: Follow) -> Self {
        self.follow = Some(follow);
        self
    }
}

/// An open stream, to send to from any thread. When the last clone is dropped, the stream stays;
/// [`close`](Self::close) it.
///
/// ```
/// use talkback::server::StreamPeer;
///
/// fn tell(peer: &StreamPeer) -> Result<(), talkback::protocol::SendError> {
///     peer.send("{\"bottles\":10}\n")
/// }
/// ```
#[derive(Debug, Clone)]
pub struct StreamPeer(pub(super) Arc<PeerState>);

impl StreamPeer {
    /// Which stream this is.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.id
    }

    /// Whether the client is gone, or the stream was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Sends bytes, as a chunk of their own; none, and nothing is sent.
    ///
    /// # Errors
    /// [`SendError::Full`] while more than `Config::max_output_len` waits;
    /// [`SendError::Closing`] once the client is gone.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) -> Result<(), SendError> {
        let (state, bytes) = (&*self.0, bytes.into());
        state.reserve(bytes.len())?;
        state.mailbox.post(Command::Chunk(state.id.slot, bytes));
        Ok(())
    }

    /// Ends the stream cleanly, behind what was sent.
    pub fn close(&self) {
        self.0.mailbox.post(Command::EndStream(self.0.id.slot));
    }
}
