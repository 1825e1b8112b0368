//! Receiving, over as many connections as it takes.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::address;
use super::object::Object;
use super::place::Place;
use super::shared::Shared;
use super::{RoomClient, RoomClientError, RoomEvent, RoomSender, ServerFault, writing};
use crate::blocking::{Reader, Writer};
use crate::client::retry::{min_life, wait};
use crate::entropy::Entropy;
use crate::frame::CloseFrame;
use crate::protocol::Message;
use crate::room::Cursor;

/// The longest that a server may ask to be left alone.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What comes from a room, kept up over lost connections.
///
/// Call [`recv`](Self::recv) until it returns `None`. It connects at the first call, and again by itself when
/// the connection is lost, with the cursor of what it returned last: each publication is received once and in
/// order, or a [`Gap`](RoomEvent::Gap) says that some can't be. Pings are answered, and the server is given
/// up, while a call of `recv` waits.
///
/// Holds a socket, and a thread that writes while there is a connection; what was published and not answered,
/// within the limits of [`RoomClient`]; one message received, within those of its
/// [`config`](RoomClient::config). Dropping it ends the client.
///
/// ```
/// use std::net::TcpListener;
/// use talkback::room::{ClientId, Cursor, RoomClient, RoomEvent};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let url = format!("ws://{}/rooms/lobby/socket", listener.local_addr()?);
/// let server = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let mut ws = talkback::accept(listener.accept()?.0)?;
///     ws.send(r#"{"id":"000000000000feed-0"}"#)?;
///     ws.send(r#"{"id":"000000000000feed-1","at":1700000000000,"client":"bob","message":"1","data":"hi"}"#)?;
///     while ws.recv()?.is_some() {}
///     Ok(())
/// });
///
/// let mut room = RoomClient::new(url, ClientId::new("ada")?).open()?;
/// assert!(matches!(room.recv()?, Some(RoomEvent::Connected)));
/// let Some(RoomEvent::Publication { client, data, .. }) = room.recv()? else { panic!("there is one") };
/// assert_eq!((client.as_str(), data.get()), ("bob", "\"hi\""));
/// assert_eq!(room.cursor(), Some(Cursor::new(0xfeed, 1)));
/// room.sender().close();
/// assert!(room.recv()?.is_none());
/// # server.join().expect("it does not panic").expect("it is closed cleanly");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RoomReader {
    options: RoomClient,
    shared: Arc<Shared>,
    place: Place,
    /// The one that is open; `None` between two.
    connection: Option<Connection>,
    /// How many attempts in a row failed: they brought nothing new, and no connection that lived.
    failed_count: u32,
    /// Since when, and for how long, to wait before the next attempt; `None`: not at all.
    pause: Option<(Instant, Duration)>,
    failure: Option<RoomClientError>,
}

#[derive(Debug)]
struct Connection {
    reader: Reader<TcpStream>,
    writer: Writer<TcpStream>,
    opened_at: Instant,
    /// Whether it brought a publication, or an answer for one.
    has_progressed: bool,
}

impl Connection {
    /// Says why it ends, and waits for the answer.
    fn close(&mut self, frame: impl Into<CloseFrame>) {
        // Whether the server hears it is its own affair.
        self.writer.close(frame.into()).unwrap_or_default();
        self.drain();
    }

    /// Waits for the end of a connection that is closed.
    fn drain(&mut self) {
        while let Ok(Some(_)) = self.reader.recv() {}
    }
}

impl RoomReader {
    pub(super) const fn new(options: RoomClient, shared: Arc<Shared>) -> Self {
        Self {
            place: Place::new(options.after),
            options,
            shared,
            connection: None,
            failed_count: 0,
            pause: None,
            failure: None,
        }
    }

    /// Waits for the next event, as long as it takes. `None`: [closed](RoomSender::close); so does each later
    /// call.
    ///
    /// # Errors
    /// Those that are not [retryable](RoomClientError::is_retryable). The client has ended, and each later
    /// call returns the same.
    /// - [`RoomClientError::Connect`]: the server answers with 4xx, or the request can't be made.
    /// - [`RoomClientError::Closed`]: the server says that the fault is ours.
    /// - [`RoomClientError::TooManyAttempts`], where their count is limited.
    pub fn recv(&mut self) -> Result<Option<RoomEvent>, RoomClientError> {
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.shared.is_closed() {
                self.end();
                return Ok(None);
            }
            let found = if self.connection.is_some() { self.receive() } else { self.open() };
            let event = found.or_else(|error| self.lose(error))?;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// What publishes, and closes it, from any thread.
    #[must_use]
    pub fn sender(&self) -> RoomSender {
        RoomSender::new(Arc::clone(&self.shared))
    }

    /// Behind what `recv` returned last: to be given to [`RoomClient::after`] by a later run of the program.
    /// `None`: the server has not said yet.
    #[must_use]
    pub const fn cursor(&self) -> Option<Cursor> {
        self.place.cursor()
    }

    /// Makes an attempt, after a wait unless it is the first.
    fn open(&mut self) -> Result<Option<RoomEvent>, RoomClientError> {
        if let Some((since, time)) = self.pause.take() {
            self.shared.wait(time.saturating_sub(since.elapsed()));
            if self.shared.is_closed() {
                return Ok(None);
            }
        }
        let RoomClient { connect, client, .. } = &self.options;
        let state = self.shared.state_for_query();
        let connect = connect.clone().to(address(connect.url(), client, self.place, state.as_deref()));
        let (stream, handshake) = connect.connect_tcp()?;
        self.shared.opening(&stream)?;
        let (reader, writer) = connect.open(stream, &handshake)?.split();
        let Some(number) = self.shared.opened() else { return Ok(None) };
        writing::start(writer.clone(), Arc::clone(&self.shared), number)?;
        let opened_at = Instant::now();
        self.connection = Some(Connection { reader, writer, opened_at, has_progressed: false });
        Ok(Some(RoomEvent::Connected))
    }

    /// Waits for an object. `None`: it is nothing to tell.
    fn receive(&mut self) -> Result<Option<RoomEvent>, RoomClientError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let received = connection.reader.recv();
        if received.is_err() && self.shared.is_overdue() {
            return Err(ServerFault::Unanswered.into());
        }
        let Some(message) = received? else {
            return Err(RoomClientError::Closed(connection.reader.peer_close().cloned()));
        };
        let Message::Text(json) = message else { return Err(ServerFault::Binary.into()) };
        let event = take(Object::decode(&json)?, &mut self.place, &self.shared)?;
        connection.has_progressed |= matches!(
            event,
            Some(
                RoomEvent::Publication { .. }
                    | RoomEvent::Acknowledged { .. }
                    | RoomEvent::Refused { message: Some(_), .. }
            )
        );
        Ok(event)
    }

    /// Lets go of the connection, if there is one, and settles whether there will be another. What is
    /// returned as an error stays.
    fn lose(&mut self, error: RoomClientError) -> Result<Option<RoomEvent>, RoomClientError> {
        let has_lived = self.connection.take().is_some_and(|connection| self.has_lived(connection, &error));
        self.shared.lost();
        if self.shared.is_closed() {
            return Ok(None);
        }
        self.failed_count = if has_lived { 0 } else { self.failed_count.saturating_add(1) };
        let failure = if !error.is_retryable() {
            error
        } else if self.options.max_attempt_count.is_some_and(|max| self.failed_count >= max) {
            RoomClientError::TooManyAttempts { count: self.failed_count, last: Box::new(error) }
        } else {
            let retry_in = self.wait_time(&error);
            self.pause = Some((Instant::now(), retry_in));
            return Ok(Some(RoomEvent::Disconnected { error, retry_in }));
        };
        self.failure = Some(failure.clone());
        self.shared.close();
        Err(failure)
    }

    /// Whether a connection that was lost was of use. A server that breaks the rules is told so.
    fn has_lived(&self, mut connection: Connection, error: &RoomClientError) -> bool {
        if let RoomClientError::Server(fault) = error {
            connection.close(fault.close_code());
            return false;
        }
        let min_life = min_life(self.options.reconnection_time, self.options.max_reconnection_time);
        connection.has_progressed || connection.opened_at.elapsed() >= min_life
    }

    /// How long to wait before the next attempt: longer where the server asks for it.
    fn wait_time(&self, error: &RoomClientError) -> Duration {
        let RoomClient { reconnection_time, max_reconnection_time, .. } = self.options;
        let random = Entropy::from_system().word();
        let backoff = wait(reconnection_time, self.failed_count, max_reconnection_time, random);
        retry_after(error).unwrap_or_default().saturating_add(backoff)
    }

    /// Sees the close of an open connection through; its writer has sent it, or will.
    fn end(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.drain();
        }
        self.shared.lost();
    }
}

impl Drop for RoomReader {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What an object means to a client that is at `place`. `None`: nothing that is to be told.
fn take(object: Object, place: &mut Place, shared: &Shared) -> Result<Option<RoomEvent>, ServerFault> {
    Ok(match object {
        Object::Publication { cursor, at, client, message, data } => {
            place.advance(cursor)?.then_some(RoomEvent::Publication { cursor, at, client, message, data })
        }
        Object::Gap(gap) => {
            place.jump(&gap);
            Some(RoomEvent::Gap(gap))
        }
        Object::Place(cursor) => {
            place.confirm(cursor)?;
            None
        }
        Object::Here { present, count } => Some(RoomEvent::Here { present, count }),
        Object::Acknowledged { message, cursor, is_new } => {
            let message = shared.settle(&message);
            message.map(|message| RoomEvent::Acknowledged { message, cursor, is_new })
        }
        Object::Refused { message: None, status, error } => {
            Some(RoomEvent::Refused { message: None, status, error })
        }
        Object::Refused { message: Some(message), status, error } => {
            let message = shared.settle(&message);
            message.map(|message| RoomEvent::Refused { message: Some(message), status, error })
        }
        Object::Unknown(Some(cursor)) => {
            place.advance(cursor)?;
            None
        }
        Object::Unknown(None) => None,
    })
}

/// What a server that is too busy asks for, in seconds: RFC 9110 §10.2.3. A date is not looked at.
fn retry_after(error: &RoomClientError) -> Option<Duration> {
    let response = error.response().filter(|response| matches!(response.status().code(), 429 | 503))?;
    let seconds = response.headers().only("Retry-After").ok()??.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
