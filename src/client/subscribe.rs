//! What an event source asks for, and how it goes on when a stream ends.

use std::time::Duration;

use super::fetch::Fetch;
use super::request_headers::RequestHeaders;
use super::{EventSource, EventSourceError};
use crate::http::HeadLimits;
use crate::sse::Parser;

/// Heads of requests are bounded to 8 KiB by many a server.
const DEFAULT_MAX_ID_LEN: usize = 4 * 1024;

/// What to ask for when subscribing to events, how long to wait, and how to go on when a stream ends.
///
/// ```no_run
/// use std::time::Duration;
/// use talkback::client::Subscribe;
///
/// let mut source = Subscribe::new("http://localhost:8080/events")
///     .header("Authorization", "Bearer secret")
///     .last_event_id("41")
///     .max_attempt_count(Some(10))
///     .connect()?;
/// while let Some(event) = source.recv()? {
///     println!("{}: {}", event.name, event.data);
/// }
/// # Ok::<(), talkback::client::EventSourceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subscribe {
    pub(super) url: String,
    pub(super) headers: RequestHeaders,
    /// Bears the last event id, and the limits.
    pub(super) parser: Parser,
    pub(super) head_limits: HeadLimits,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) response_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) reconnection_time: Duration,
    pub(super) max_reconnection_time: Duration,
    pub(super) max_attempt_count: Option<u32>,
    pub(super) max_redirect_count: u32,
}

impl Subscribe {
    /// A subscription to the events at this `http://` address. It is looked at by
    /// [`connect`](Self::connect).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: RequestHeaders::new(),
            parser: Parser::new().max_id_len(DEFAULT_MAX_ID_LEN),
            head_limits: HeadLimits::default(),
            connect_timeout: Some(Duration::from_secs(10)),
            response_timeout: Some(Duration::from_secs(10)),
            idle_timeout: Some(Duration::from_secs(45)),
            reconnection_time: Duration::from_secs(3),
            max_reconnection_time: Duration::from_secs(60),
            max_attempt_count: None,
            max_redirect_count: 5,
        }
    }

    /// Adds a header to each request, such as Authorization or Cookie.
    ///
    /// A redirect to another host or port doesn't get it, nor does what follows on that, not even if it leads
    /// back. The Last-Event-ID does travel along: whoever has the stream needs it. Accept, Accept-Encoding, Cache-Control, Connection,
    /// Content-Length, Expect, Host, Last-Event-ID, TE, Transfer-Encoding and Upgrade are reserved.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(name.into(), value.into());
        self
    }

    /// Asks for the events after this one, as if it had been received; for an id that was kept from before.
    /// Default: the empty one, which means none.
    #[must_use]
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.parser = self.parser.resume_after(id);
        self
    }

    /// Sets the longest line to accept, in bytes: see [`Parser::max_line_len`]. Default 1 MiB.
    #[must_use]
    pub fn max_line_len(mut self, len: usize) -> Self {
        self.parser = self.parser.max_line_len(len);
        self
    }

    /// Sets the longest data of an event to accept, in bytes: see [`Parser::max_event_len`]. Default 1 MiB.
    #[must_use]
    pub fn max_event_len(mut self, len: usize) -> Self {
        self.parser = self.parser.max_event_len(len);
        self
    }

    /// Sets the longest id to accept from the server, in bytes: see [`Parser::max_id_len`]. Default 4 KiB here:
    /// each attempt sends it back.
    #[must_use]
    pub fn max_id_len(mut self, len: usize) -> Self {
        self.parser = self.parser.max_id_len(len);
        self
    }

    /// Sets the limits of a response's head.
    #[must_use]
    pub const fn head_limits(mut self, head_limits: HeadLimits) -> Self {
        self.head_limits = head_limits;
        self
    }

    /// Bounds the search for the host's address and the TCP connection, for each request. Default 10 s;
    /// `None`: as long as the system takes. Zero: no time at all, so that each attempt fails.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bounds how long each request takes to be written and its response's head to come, in all. Default
    /// 10 s; `None`: without bound. Zero: no time at all, so that each attempt fails.
    #[must_use]
    pub const fn response_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Sets for how long the server may be silent until the connection counts as lost. Default 45 s: three
    /// times what servers leave between their signs of life. `None`: for ever, also if it is gone unnoticed.
    /// Zero: only what came together with the head is received.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long to wait at least before connecting again, as long as the server has not said it by
    /// `retry`. Default 3 s.
    ///
    /// What is waited in fact is drawn at random: up to twice that after a stream that brought an event or
    /// lived for this time. With each attempt in a row that failed, what may be waited beyond it doubles. Less
    /// than 100 ms, of the server also, counts as 100 ms.
    ///
    /// WHATWG HTML §9.2.3
    #[must_use]
    pub const fn reconnection_time(mut self, time: Duration) -> Self {
        self.reconnection_time = time;
        self
    }

    /// Bounds each wait before connecting again, also one that the server asked for. Default 60 s.
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
    /// event, and no stream that lived for the reconnection time (100 ms at least) or for the idle
    /// timeout. Some(0): it never connects again. Default `None`: it never gives up, as browsers.
    #[must_use]
    pub const fn max_attempt_count(mut self, count: Option<u32>) -> Self {
        self.max_attempt_count = count;
        self
    }

    /// Sets how many redirects (301, 302, 303, 307, 308) are followed on the way to a stream. Default 5.
    #[must_use]
    pub const fn max_redirect_count(mut self, count: u32) -> Self {
        self.max_redirect_count = count;
        self
    }

    /// Connects, and returns once the server has answered with a stream; or with a 204, that there are no
    /// events: that is no error, but the source is closed, and its `recv` returns `None`. Blocks for the timeouts of
    /// connecting and of the response at most, for each redirect anew.
    ///
    /// This first attempt is not repeated, so that a wrong address is heard of at once. Where the server may
    /// be down, see [`unconnected`](Self::unconnected).
    ///
    /// # Errors
    /// [`EventSourceError`]. After one that [is a network error](EventSourceError::is_network_error), another
    /// call may succeed.
    pub fn connect(&self) -> Result<EventSource, EventSourceError> {
        let mut source = self.unconnected()?;
        source.open()?;
        Ok(source)
    }

    /// An event source that has yet to connect: the first call of [`EventSource::recv`] does, and goes on
    /// trying while there are network errors, as a browser's. Doesn't block.
    ///
    /// # Errors
    /// [`EventSourceError::Url`], [`EventSourceError::Header`], [`EventSourceError::ReservedHeader`],
    /// [`EventSourceError::InvalidLastEventId`].
    pub fn unconnected(&self) -> Result<EventSource, EventSourceError> {
        Ok(EventSource::new(Fetch::new(self.clone())?))
    }
}
