//! Receiving server-sent events, over as many connections as it takes: WHATWG HTML §9.2.

use std::time::Duration;

use super::event_body::EventBody;
use super::fetch::Fetch;
use super::retry::{min_life, wait};
use super::{Closer, EventSourceError, Subscribe};
use crate::entropy::Entropy;
use crate::sse::{Parser, ServerEvent};

/// A stream of server-sent events, kept up over lost connections.
///
/// Call [`recv`](Self::recv) until it returns `None`. It connects again by itself when a stream ends, with
/// the id of the last event that it returned: a server that resumes behind it loses nothing and repeats
/// nothing. What was unfinished is dropped.
///
/// Each attempt begins at the address that was given, also after a redirect. This is on purpose, and differs
/// from the standard, whose next attempt begins where the last redirect led: so a temporary redirect doesn't
/// stay for good, the caller's headers are sent again, and a server that is gone is left for another.
///
/// Holds a socket, and a second handle of it for the [`Closer`]; 8 KiB of input; and what [`Parser`] says: by
/// default 1 MiB at most for each of the line under way, the event's data and its name (3 MiB where that is
/// not UTF-8), and 4 KiB for each of two ids; up to twice that as buffers grow. Dropping it ends TCP.
///
/// WHATWG HTML §9.2.3
///
/// ```
/// use std::net::TcpListener;
/// use talkback::client::EventSource;
/// use talkback::server::{Accept, Exchange};
/// use talkback::sse::Event;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let url = format!("http://{}/events", listener.local_addr()?);
/// let server = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let mut events = Exchange::read(listener.accept()?.0, &Accept::new())?.events()?;
///     events.send(&Event::new("ten bottles").id("7")?)?;
///     Ok(())
/// });
///
/// let mut source = EventSource::connect(&url)?;
/// let event = source.recv()?.expect("the server sends one");
/// assert_eq!((event.name, event.data), ("message", "ten bottles"));
/// assert_eq!(source.last_event_id(), "7");
/// # server.join().expect("it does not panic").expect("it sends");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventSource {
    fetch: Fetch,
    parser: Parser,
    closer: Closer,
    /// The stream that is open; `None` between two.
    body: Option<EventBody>,
    /// How many attempts in a row failed: they brought no event, and no stream that lived.
    failed_count: u32,
    /// Whether the next attempt is to be waited for: all but the first.
    is_again: bool,
    last_error: Option<EventSourceError>,
    failure: Option<EventSourceError>,
}

impl EventSource {
    /// Connects to the events at an `http://` address, as of [`Subscribe::connect`], which has the options.
    ///
    /// # Errors
    /// As there.
    pub fn connect(url: &str) -> Result<Self, EventSourceError> {
        Subscribe::new(url).connect()
    }

    pub(super) fn new(fetch: Fetch) -> Self {
        Self {
            parser: fetch.subscribe().parser.clone(),
            fetch,
            closer: Closer::default(),
            body: None,
            failed_count: 0,
            is_again: false,
            last_error: None,
            failure: None,
        }
    }

    /// Waits for the next event, as long as it takes: connects again when the stream ends, is cut off, or is
    /// silent for the idle timeout.
    ///
    /// The event points into the parser, which copied it once, or twice where a line was cut. `None`: the
    /// server said by a 204 that there are no more, or it [was closed](Closer::close); so does each later
    /// call.
    ///
    /// # Errors
    /// Each later call returns the same.
    /// - [`EventSourceError::Refused`], [`EventSourceError::ContentType`]: the server answers with something
    ///   else than a stream of events.
    /// - [`EventSourceError::Redirect`], [`EventSourceError::TooManyRedirects`]: there is no way to one.
    /// - [`EventSourceError::Parse`]: a limit was passed. Another attempt would bring the same again.
    /// - [`EventSourceError::InvalidLastEventId`]: the server's own id can't be sent back to it.
    /// - [`EventSourceError::Body`] of an unknown transfer encoding.
    /// - [`EventSourceError::TooManyAttempts`], where their count is limited.
    pub fn recv(&mut self) -> Result<Option<ServerEvent<'_>>, EventSourceError> {
        Ok(self.find_event()?.then(|| self.parser.event()))
    }

    /// What closes it from another thread.
    #[must_use]
    pub fn closer(&self) -> Closer {
        self.closer.clone()
    }

    /// The id that the next attempt sends: the last one that the server sent with an event that was returned,
    /// or in a block without data; if empty, none is sent.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// The address as it was given, also after a redirect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.fetch.subscribe().url
    }

    /// Why the last stream ended, or the last attempt failed: what made `recv` connect again, for a log. It
    /// stays until the next one. `None`: nothing has ended but by [`Closer::close`], or by a 204.
    #[must_use]
    pub const fn last_error(&self) -> Option<&EventSourceError> {
        self.last_error.as_ref()
    }

    /// Whether there is an event; if not, it was closed.
    fn find_event(&mut self) -> Result<bool, EventSourceError> {
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.closer.is_closed() {
                return Ok(false);
            }
            let found = match &mut self.body {
                Some(body) => body.find_event(&mut self.parser).map(|()| true),
                None => self.open().map(|()| false),
            };
            match found {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => self.lose(error),
            }
        }
    }

    /// Makes an attempt, after a wait unless it is the first. It is closed where the server says so.
    pub(super) fn open(&mut self) -> Result<(), EventSourceError> {
        if std::mem::replace(&mut self.is_again, true) {
            self.closer.wait(self.wait_time());
            if self.closer.is_closed() {
                return Ok(());
            }
        }
        self.parser.restart();
        self.body = self.fetch.open(self.parser.last_event_id(), &self.closer)?;
        if self.body.is_none() {
            self.closer.close();
        }
        Ok(())
    }

    /// What the server asked for, or else the caller.
    fn reconnection_time(&self) -> Duration {
        self.parser.retry().unwrap_or(self.fetch.subscribe().reconnection_time)
    }

    fn wait_time(&self) -> Duration {
        let subscribe = self.fetch.subscribe();
        let random = Entropy::from_system().word();
        wait(self.reconnection_time(), self.failed_count, subscribe.max_reconnection_time, random)
    }

    /// Lets go of the stream, if there is one, and settles whether there will be another.
    fn lose(&mut self, error: EventSourceError) {
        let min_life = min_life(self.reconnection_time(), self.fetch.subscribe().max_reconnection_time);
        // A stream that was there but quiet is as good as one that lived for long.
        let is_quiet = matches!(error, EventSourceError::IdleTimeout);
        let has_lived = self.body.take().is_some_and(|body| is_quiet || body.has_lived(min_life));
        self.closer.unwatch();
        if self.closer.is_closed() {
            return;
        }
        self.last_error = Some(error.clone());
        self.failed_count = if has_lived { 0 } else { self.failed_count.saturating_add(1) };
        let max = self.fetch.subscribe().max_attempt_count;
        let failure = if !error.is_network_error() {
            error
        } else if max.is_some_and(|max| self.failed_count >= max) {
            EventSourceError::TooManyAttempts { count: self.failed_count, last: Box::new(error) }
        } else {
            return;
        };
        self.failure = Some(failure);
        self.closer.close();
    }
}

impl Drop for EventSource {
    /// A `Closer` holds a handle of the stream, which would keep TCP open.
    fn drop(&mut self) {
        self.closer.close();
    }
}
