//! Which room, as whom, and how to go on when a connection is lost.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::address::address;
use super::place::Place;
use super::queue::{Queue, QueueLimits};
use super::shared::Shared;
use super::{RoomClientError, RoomReader};
use crate::client::{Connect, ConnectError, Url};
use crate::entropy::Entropy;
use crate::http::HeadLimits;
use crate::protocol::Config;
use crate::room::{After, ClientId};

/// Objects are small; and what is read of one takes up to ten times its length, if it is made for that.
const DEFAULT_MAX_MESSAGE_LEN: usize = 1 << 20;

/// Which room to be in, as whom, how long to wait, and how to go on when a connection is lost.
///
/// ```no_run
/// use talkback::room::{ClientId, Cursor, RoomClient};
///
/// let mut room = RoomClient::new("ws://localhost:8080/rooms/lobby/socket", ClientId::new("ada")?)
///     .header("Authorization", "Bearer secret")
///     .after("000000000000feed-41".parse::<Cursor>()?) // the place of an earlier run
///     .state(&serde_json::value::to_raw_value("awake")?)
///     .max_attempt_count(Some(10))
///     .open()?;
/// while let Some(event) = room.recv()? {
///     println!("{event:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RoomClient {
    /// Its address is that of the socket, without what the client adds.
    pub(super) connect: Connect,
    pub(super) client: ClientId,
    pub(super) after: After,
    state: Option<Arc<str>>,
    queue_limits: QueueLimits,
    answer_timeout: Option<Duration>,
    pub(super) reconnection_time: Duration,
    pub(super) max_reconnection_time: Duration,
    pub(super) max_attempt_count: Option<u32>,
}

impl RoomClient {
    /// A client of the room whose socket has this `ws://` address, such as
    /// `ws://localhost/rooms/lobby/socket`. It is looked at by [`open`](Self::open). What else a query has is
    /// kept.
    #[must_use]
    pub fn new(url: impl Into<String>, client: ClientId) -> Self {
        let config = Config::default().max_message_len(Some(DEFAULT_MAX_MESSAGE_LEN));
        Self {
            connect: Connect::new(url).config(config),
            client,
            after: After::Start,
            state: None,
            queue_limits: QueueLimits { max_count: Some(1_000), max_len: Some(1 << 20) },
            answer_timeout: Some(Duration::from_secs(30)),
            reconnection_time: Duration::from_secs(1),
            max_reconnection_time: Duration::from_secs(60),
            max_attempt_count: None,
        }
    }

    /// Sets where to begin. Default [`After::Start`]: with all that the room has kept.
    #[must_use]
    pub fn after(mut self, after: impl Into<After>) -> Self {
        self.after = after.into();
        self
    }

    /// Sets what the client says of itself, until [`RoomSender::set_state`](super::RoomSender::set_state)
    /// changes it. Default: nothing.
    #[must_use]
    pub fn state(mut self, state: &RawValue) -> Self {
        self.state = Some(state.get().into());
        self
    }

    /// Adds a header to each request, such as Origin, Authorization or Cookie.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.connect = self.connect.header(name, value);
        self
    }

    /// Sets the limits and deadlines of each connection. Default: those of [`Config`], but 1 MiB for a message
    /// received.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.connect = self.connect.config(config);
        self
    }

    /// Sets the limits of a response's head.
    #[must_use]
    pub fn head_limits(mut self, head_limits: HeadLimits) -> Self {
        self.connect = self.connect.head_limits(head_limits);
        self
    }

    /// Bounds the search for the host's address and the TCP connection, for each attempt: see
    /// [`Connect::connect_timeout`]. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect = self.connect.connect_timeout(timeout);
        self
    }

    /// Bounds each handshake: see [`Connect::handshake_timeout`]. Default 10 s.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect = self.connect.handshake_timeout(timeout);
        self
    }

    /// Bounds how many messages wait for the server's answer, sent or not: one past it is
    /// [`QueueError::TooManyMessages`](super::QueueError::TooManyMessages). Default 1,000; `None`: without
    /// this limit.
    #[must_use]
    pub const fn max_queue_count(mut self, count: Option<usize>) -> Self {
        self.queue_limits.max_count = count;
        self
    }

    /// Bounds the bytes of data of the messages that wait for the server's answer: what goes past it is
    /// [`QueueError::TooLong`](super::QueueError::TooLong). Default 1 MiB; `None`: without this limit.
    #[must_use]
    pub const fn max_queue_len(mut self, len: Option<usize>) -> Self {
        self.queue_limits.max_len = len;
        self
    }

    /// Bounds how long the server may take to acknowledge or refuse a message that was sent, and so also how
    /// long the program may be about something else than `recv`: past it the connection counts as lost, and
    /// the message is sent over the next one. Default 30 s; `None`: without bound.
    #[must_use]
    pub const fn answer_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Sets how long to wait at least before connecting again. Default 1 s.
    ///
    /// What is waited in fact is drawn at random: up to twice that after a connection that brought something
    /// new or lived for this time. With each attempt in a row that failed, what may be waited beyond it
    /// doubles. Less than 100 ms counts as 100 ms. A server that answers 429 or 503 with a Retry-After in
    /// seconds is left alone for that time besides, an hour at most.
    #[must_use]
    pub const fn reconnection_time(mut self, time: Duration) -> Self {
        self.reconnection_time = time;
        self
    }

    /// Bounds each wait before connecting again, but for what the server asks for. Default 60 s.
    ///
    /// Where the reconnection time is more than half of it, what is waited is drawn between half of it and the
    /// whole, so that not all clients come back at once. Less than 100 ms is taken at its word: it is for tests,
    /// and for servers of one's own.
    #[must_use]
    pub const fn max_reconnection_time(mut self, time: Duration) -> Self {
        self.max_reconnection_time = time;
        self
    }

    /// Sets how many attempts in a row may fail, until `recv` gives up; one has failed that brought no
    /// publication and no answer for one, nor a connection that lived for the reconnection time (100 ms at
    /// least), or if the server broke the rules. Some(0): it never connects again. Default `None`: it never
    /// gives up.
    #[must_use]
    pub const fn max_attempt_count(mut self, count: Option<u32>) -> Self {
        self.max_attempt_count = count;
        self
    }

    /// A client that has yet to connect: the first call of [`RoomReader::recv`] does. Messages can be
    /// published already. Doesn't block.
    ///
    /// # Errors
    /// [`RoomClientError::Connect`], if the address or a header can't be used.
    pub fn open(&self) -> Result<RoomReader, RoomClientError> {
        let url = address(self.connect.url(), &self.client, Place::new(self.after), None);
        let url = Url::parse(&url).map_err(ConnectError::from)?;
        self.connect.client_handshake(&url)?;
        let series = u64::from_le_bytes(Entropy::from_system().bytes());
        let shared =
            Shared::new(Queue::new(series, self.queue_limits), self.answer_timeout, self.state.clone());
        Ok(RoomReader::new(self.clone(), Arc::new(shared)))
    }
}
