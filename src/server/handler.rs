//! What an application does with its connections.

use std::io::ErrorKind;

use super::{Connection, EventPeer, Held, Hold, StreamHead, StreamPeer};
use crate::blocking::Wait;
use crate::frame::CloseFrame;
use crate::handshake::Upgrade;
use crate::http::{Request, Response, Status};
use crate::protocol::{MessageRef, ProtocolError};

/// An application of an event-driven server: see [`Server::run`](super::Server::run).
///
/// Each loop has a clone of its own, in its own thread, and so needs no locks: what a connection keeps is its
/// [`State`](Self::State), what a loop keeps are the fields of the handler. No method may block: it would hold up
/// all connections of its loop. Work that takes long belongs into a thread, with a [`Peer`](super::Peer) to
/// answer by.
///
/// A method that panics costs its own connection, which is closed with 1011.
///
/// ```no_run
/// use talkback::http::Request;
/// use talkback::protocol::MessageRef;
/// use talkback::server::{Connection, Handler, Server};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Handler for Echo {
///     type State = ();
///
///     fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}
///
///     fn on_message(&mut self, _: &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
///         connection.send(message).unwrap_or_default(); // nothing to be done for one who doesn't read
///     }
/// }
///
/// Server::bind("127.0.0.1:9001")?.run(Echo)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Handler: Clone + Send + 'static {
    /// What each connection keeps, in its loop alone.
    type State: 'static;

    /// A request came: says what becomes of it. Default: it is upgraded, whatever its path.
    fn on_request(&mut self, request: &Request) -> Answer {
        let _ = request;
        Answer::Upgrade
    }

    /// The body of a request has come, which [`Answer::Receive`] asked for: says what becomes of the request.
    /// Called once, with the whole body; it may be empty. Default: an error, 500.
    ///
    /// ```
    /// # use talkback::protocol::MessageRef;
    /// # use talkback::server::{Connection, Handler};
    /// use talkback::http::{Request, Response, Status};
    /// use talkback::server::{Answer, Room};
    ///
    /// #[derive(Clone)]
    /// struct Board(Room);
    ///
    /// impl Handler for Board {
    /// #   type State = ();
    /// #   fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}
    /// #   fn on_message(&mut self, _: &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}
    ///     fn on_request(&mut self, request: &Request) -> Answer {
    ///         match (request.method(), request.path()) {
    ///             ("POST", "/messages") => Answer::Receive,
    ///             _ => Answer::Respond(Response::refusal(Status::NOT_FOUND, "there is nothing here")),
    ///         }
    ///     }
    ///
    ///     fn on_body(&mut self, _: &Request, body: &[u8]) -> Answer {
    ///         let Ok(text) = str::from_utf8(body) else {
    ///             return Answer::Respond(Response::refusal(Status::BAD_REQUEST, "this is not text"));
    ///         };
    ///         self.0.publish(text);
    ///         Answer::Respond(Response::new(Status::NO_CONTENT))
    ///     }
    /// }
    /// ```
    fn on_body(&mut self, request: &Request, body: &[u8]) -> Answer {
        let _ = (request, body);
        let why = "the server has no use for the body that it asked for";
        Answer::Respond(Response::refusal(Status::INTERNAL_SERVER_ERROR, why))
    }

    /// A request is held, which [`Answer::Hold`] was the answer to: keep it, and answer by it. Default: it is
    /// dropped, and so is answered as the [`Hold`] says.
    fn on_hold(&mut self, held: Held, request: &Request) {
        let _ = (held, request);
    }

    /// A request is about to be upgraded: chooses a subprotocol, adds headers, or refuses. Default:
    /// as [`Accept`](super::Accept) says.
    ///
    /// # Errors
    /// The response to refuse with.
    fn on_upgrade(&mut self, request: &Request, upgrade: &mut Upgrade) -> Result<(), Response> {
        let _ = (request, upgrade);
        Ok(())
    }

    /// A connection is open; what is sent here comes right behind the handshake.
    fn on_open(&mut self, connection: &mut Connection<'_>, request: &Request) -> Self::State;

    /// A message came. It points into the loop's buffer. Control frames are seen to.
    fn on_message(
        &mut self,
        state: &mut Self::State,
        connection: &mut Connection<'_>,
        message: MessageRef<'_>,
    );

    /// The peer has taken all that waited for it, after something was refused with
    /// [`SendError::Full`](crate::protocol::SendError::Full), or after it missed publications of a room that are kept
    /// no more; what is left of those follows.
    fn on_drained(&mut self, state: &mut Self::State, connection: &mut Connection<'_>) {
        let _ = (state, connection);
    }

    /// A connection has ended. Each that was opened comes here once.
    fn on_close(&mut self, state: Self::State, closed: &Closed) {
        let _ = (state, closed);
    }

    /// A stream of events is open: keep the peer, and send by it.
    fn on_events(&mut self, peer: EventPeer, request: &Request) {
        let _ = (peer, request);
    }

    /// A stream is open, which [`Answer::Stream`] was the answer to: keep the peer, and send by it.
    fn on_stream(&mut self, peer: StreamPeer, request: &Request) {
        let _ = (peer, request);
    }
}

/// What becomes of a request.
///
/// ```
/// use talkback::http::{Request, Response, Status};
/// use talkback::server::Answer;
///
/// fn route(request: &Request) -> Answer {
///     match (request.method(), request.path()) {
///         ("GET", "/") => Answer::Respond(Response::new(Status::OK).body("hello")),
///         ("GET", "/socket") => Answer::Upgrade,
///         ("GET", "/events") => Answer::Events,
///         ("POST", "/messages") => Answer::Receive,
///         _ => Answer::Respond(Response::refusal(Status::NOT_FOUND, "there is nothing here")),
///     }
/// }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Answer {
    /// It becomes a WebSocket connection, if it is a valid upgrade; else it is told why not.
    Upgrade,
    /// It gets this response, and may be followed by another request.
    Respond(Response),
    /// Its body is read, and given to [`Handler::on_body`]: at once if it has none. A client that waits to be
    /// told so (`Expect: 100-continue`) is told. See [`Accept::max_body_len`](super::Accept::max_body_len) and
    /// [`Accept::body_timeout`](super::Accept::body_timeout).
    ///
    /// With any other answer, a body that comes is not read, and the connection ends behind the answer.
    /// From `on_body`, this one is an error: 500.
    Receive,
    /// It waits for its answer, which [`Handler::on_hold`] can give later, from any thread. A client that ends
    /// its half of TCP has gone.
    Hold(Hold),
    /// It becomes a stream of server-sent events, which [`Handler::on_events`] gets. GET only.
    Events,
    /// It becomes a stream that begins like this, which [`Handler::on_stream`] gets. Any method but HEAD.
    Stream(StreamHead),
}

/// How a connection ended.
///
/// ```
/// use talkback::server::Closed;
///
/// fn log(closed: &Closed) {
///     match closed {
///         Closed::Cleanly(Some(frame)) => println!("closed: {frame}"),
///         Closed::Cleanly(None) => println!("closed without a code"),
///         other => println!("lost: {other:?}"),
///     }
/// }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// By the closing handshake, with this code and reason of the peer.
    Cleanly(Option<CloseFrame>),
    /// The peer broke the protocol, or a limit; it was told so.
    Protocol(ProtocolError),
    /// TCP ended without a close: what other APIs call 1006.
    Disconnected,
    /// A deadline passed.
    Timeout(Wait),
    /// More waited for the peer than [`Overflow::Close`](super::Overflow) allows; it was told so.
    Overflow,
    /// The handler panicked; the peer was told so.
    Panicked,
    /// The socket failed.
    Io(ErrorKind),
}

impl Closed {
    /// The code to count it under.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Cleanly(Some(frame)) => frame.code().value(),
            Self::Cleanly(None) => 1005,
            Self::Protocol(error) => error.close_code().value(),
            Self::Disconnected | Self::Timeout(_) | Self::Io(_) => 1006,
            Self::Overflow => 1013,
            Self::Panicked => 1011,
        }
    }
}
