//! Rooms beside an application, on one server.

use super::Rooms;
use super::answers::Waiting;
use super::asked::{self, Endpoint, Place};
use super::seat::Seat;
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::Upgrade;
use crate::http::{Request, Response};
use crate::protocol::MessageRef;
use crate::server::{Answer, Closed, Connection, EventPeer, Handler, Held, StreamPeer};

/// A handler that serves rooms, and has an application see to all other requests: see
/// [`Rooms::mount`](super::Rooms::mount).
#[derive(Debug, Clone)]
pub struct Mounted<A> {
    rooms: Rooms,
    app: A,
    /// What was decided, for the next step of the same request.
    pending: Pending,
}

/// Not more than one request is between two steps in a loop.
#[derive(Debug, Default)]
struct Pending {
    waiting: Option<Waiting>,
    seat: Option<Seat>,
}

impl Clone for Pending {
    fn clone(&self) -> Self {
        Self::default() // a loop of its own
    }
}

/// What a connection keeps: that of a room, or the application's.
#[derive(Debug)]
pub struct MountedState<S>(State<S>);

#[derive(Debug)]
enum State<S> {
    Seat(Box<Seat>),
    App(S),
}

impl<A: Handler> Mounted<A> {
    pub(super) fn new(rooms: Rooms, app: A) -> Self {
        Self { rooms, app, pending: Pending::default() }
    }
}

impl<A: Handler> Handler for Mounted<A> {
    type State = MountedState<A::State>;

    fn on_request(&mut self, request: &Request) -> Answer {
        self.pending = Pending::default(); // not every step is followed by the next
        let answer = self.rooms.answer(request, &mut self.pending.waiting);
        answer.unwrap_or_else(|| self.app.on_request(request))
    }

    fn on_body(&mut self, request: &Request, body: &[u8]) -> Answer {
        let answer = self.rooms.answer_body(request, body);
        answer.unwrap_or_else(|| self.app.on_body(request, body))
    }

    fn on_hold(&mut self, held: Held, request: &Request) {
        match self.pending.waiting.take() {
            Some(waiting) => self.rooms.hold(waiting, held, request),
            None => self.app.on_hold(held, request),
        }
    }

    fn on_upgrade(&mut self, request: &Request, upgrade: &mut Upgrade) -> Result<(), Response> {
        match Place::of(request.path(), &self.rooms.0.config.path) {
            Some(Place::Room(name, Endpoint::Socket)) => {
                let seat = self.rooms.0.admit(name, request);
                self.pending.seat = Some(seat.map_err(|refusal| self.rooms.0.refuse(request, &refusal))?);
                Ok(())
            }
            _ => self.app.on_upgrade(request, upgrade),
        }
    }

    fn on_open(&mut self, connection: &mut Connection<'_>, request: &Request) -> Self::State {
        let Some(seat) = self.pending.seat.take() else {
            return MountedState(State::App(self.app.on_open(connection, request)));
        };
        seat.room.join_log(connection, asked::after(request));
        connection.follow(&seat.room.here.of_any(), Some(0));
        MountedState(State::Seat(Box::new(seat)))
    }

    fn on_message(
        &mut self,
        state: &mut Self::State,
        connection: &mut Connection<'_>,
        message: MessageRef<'_>,
    ) {
        let seat = match &mut state.0 {
            State::Seat(seat) => seat,
            State::App(state) => return self.app.on_message(state, connection, message),
        };
        let heard = match message {
            MessageRef::Text(text) => self.rooms.0.hear(seat, text),
            MessageRef::Binary(_) => {
                let frame = CloseFrame::new(CloseCode::UNSUPPORTED_DATA, "text only, please");
                return connection.close(frame).unwrap_or_default();
            }
        };
        match heard {
            // One that isn't told so sends it again, and it is stored once.
            Ok(Some(reply)) => connection.send(&*reply).unwrap_or_default(),
            Ok(None) => {}
            Err(_) => {
                let frame =
                    CloseFrame::new(CloseCode::INVALID_DATA, "this is none of the objects known here");
                connection.close(frame).unwrap_or_default();
            }
        }
    }

    fn on_drained(&mut self, state: &mut Self::State, connection: &mut Connection<'_>) {
        if let State::App(state) = &mut state.0 {
            self.app.on_drained(state, connection);
        }
    }

    fn on_close(&mut self, state: Self::State, closed: &Closed) {
        if let State::App(state) = state.0 {
            self.app.on_close(state, closed);
        }
    }

    fn on_events(&mut self, peer: EventPeer, request: &Request) {
        self.app.on_events(peer, request);
    }

    fn on_stream(&mut self, peer: StreamPeer, request: &Request) {
        self.app.on_stream(peer, request);
    }
}
