//! An application that does what requests and messages tell it, and notes each call; and a server that runs it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use talkback::handshake::Upgrade;
use talkback::http::{Request, Response, Status};
use talkback::protocol::{Deflate, MessageRef, SendError};
use talkback::server::{
    Answer, Closed, Connection, EventPeer, Handler, Held, Hold, Peer, PeerId, Room, Server, ServerHandle,
    StreamHead, StreamPeer,
};
use talkback::{Accept, CloseCode, CloseFrame, Config};

use crate::net::*;

/// How many bytes `/large` answers with: more than all buffers of the system take.
pub(crate) const LARGE_LEN: usize = 16 * 1024 * 1024;

/// A call of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Request(String),
    Upgrade(String),
    Open(PeerId),
    Message(PeerId, String),
    /// A message was refused: it was full.
    Full(PeerId),
    Drained(PeerId),
    Close(PeerId, Closed),
    Events(PeerId),
    Stream(PeerId),
    /// A body, or how long it is.
    Body(String),
    Hold(PeerId),
}

impl Call {
    fn id(&self) -> Option<PeerId> {
        match self {
            Self::Request(_) | Self::Upgrade(_) | Self::Body(_) => None,
            Self::Events(_) | Self::Stream(_) | Self::Hold(_) => None,
            Self::Open(id)
            | Self::Message(id, _)
            | Self::Full(id)
            | Self::Drained(id)
            | Self::Close(id, _) => Some(*id),
        }
    }
}

/// Echoes, and obeys: a target with `?greet`, `?join`, `?panic`, `?close` or `?panic-later`, a text that
/// begins with `!`.
#[derive(Clone, Default)]
pub(crate) struct App {
    calls: Arc<Mutex<Vec<Call>>>,
    peers: Arc<Mutex<Vec<Peer>>>,
    event_peers: Arc<Mutex<Vec<EventPeer>>>,
    stream_peers: Arc<Mutex<Vec<StreamPeer>>>,
    held: Arc<Mutex<Vec<Held>>>,
    room: Option<Room>,
    /// Whether messages are not noted.
    quiet: bool,
}

impl App {
    /// One that doesn't note messages.
    pub(crate) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    pub(crate) fn with_room(room: &Room) -> Self {
        Self { room: Some(room.clone()), ..Self::default() }
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    fn room(&self) -> &Room {
        self.room.as_ref().unwrap()
    }

    fn obey(&self, connection: &mut Connection<'_>, command: &str) -> Result<(), SendError> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "!panic" => fail(),
            "!join" => drop(connection.join(self.room())),
            "!leave" => drop(connection.leave(self.room())),
            "!publish" => self.room().publish(rest),
            "!ping" => connection.ping(rest.as_bytes())?,
            "!len" => connection.send(&vec![7; rest.parse().unwrap()])?,
            "!close" => {
                let code = rest.parse().ok().and_then(CloseCode::new);
                connection.close(code.map(|code| CloseFrame::new(code, "as told")))?;
            }
            // Sends until it is full.
            "!fill" => loop {
                connection.send(&[7; 4000])?;
            },
            _ => unreachable!("{command}"),
        }
        Ok(())
    }
}

/// Nothing is 204, after the time that the query tells.
fn hold(request: &Request) -> Answer {
    let nothing = Response::new(Status::NO_CONTENT).header("X-Held", "yes").unwrap();
    let wait = request.query_value("wait").and_then(|wait| wait.parse().ok());
    let hold = Hold::new(nothing);
    Answer::Hold(if let Some(wait) = wait { hold.timeout(millis(wait)) } else { hold })
}

fn stream(request: &Request) -> Answer {
    if request.query() == Some("events") {
        let head = StreamHead::events().header("Access-Control-Allow-Origin", "*").unwrap();
        return Answer::Stream(head);
    }
    let head = StreamHead::new("application/x-ndjson").unwrap();
    let interval = request.query_value("alive").and_then(|alive| alive.parse().ok());
    Answer::Stream(if let Some(interval) = interval {
        head.keep_alive(b"\n", millis(interval))
    } else {
        head
    })
}

/// Panics, without a line on standard error.
fn fail() -> ! {
    resume_unwind(Box::new("as told"))
}

pub(crate) struct Visit {
    id: PeerId,
    panics: bool,
}

impl Handler for App {
    type State = Visit;

    fn on_request(&mut self, request: &Request) -> Answer {
        self.note(Call::Request(request.target().to_owned()));
        let respond = |status, body: &str| Answer::Respond(Response::new(status).body(body));
        match request.path() {
            "/" => respond(Status::OK, "hello"),
            "/query" => respond(Status::OK, request.query().unwrap_or_default()),
            "/nothing" => Answer::Respond(Response::new(Status::NO_CONTENT)),
            "/large" => Answer::Respond(Response::new(Status::OK).body(vec![7; LARGE_LEN])),
            "/close" => {
                let response = Response::new(Status::OK).body("bye");
                Answer::Respond(response.header("Connection", "close").unwrap())
            }
            "/panic" => fail(),
            "/events" => Answer::Events,
            "/receive" => Answer::Receive,
            "/hold" => hold(request),
            "/lines" => stream(request),
            "/chat" | "/refused" | "/panic-on-upgrade" => Answer::Upgrade,
            _ => Answer::Respond(Response::refusal(Status::NOT_FOUND, "there is nothing here")),
        }
    }

    fn on_body(&mut self, request: &Request, body: &[u8]) -> Answer {
        let text = String::from_utf8(body.to_vec()).unwrap();
        self.note(Call::Body(if text.len() < 40 { text } else { text.len().to_string() }));
        match request.query() {
            Some("panic") => fail(),
            Some("again") => Answer::Receive,
            Some("upgrade") => Answer::Upgrade,
            Some("hold") => hold(request),
            Some("lines") => stream(request),
            _ => Answer::Respond(Response::new(Status::OK).body(body)),
        }
    }

    fn on_hold(&mut self, held: Held, request: &Request) {
        self.note(Call::Hold(held.id()));
        match request.query() {
            Some("panic") => fail(),
            Some("drop") => drop(held),
            Some("at-once") => held.respond(Response::new(Status::OK).body("at once")),
            _ => self.held.lock().unwrap().push(held),
        }
    }

    fn on_stream(&mut self, peer: StreamPeer, request: &Request) {
        self.note(Call::Stream(peer.id()));
        if request.query() == Some("panic") {
            fail();
        }
        self.stream_peers.lock().unwrap().push(peer);
    }

    fn on_upgrade(&mut self, request: &Request, upgrade: &mut Upgrade) -> Result<(), Response> {
        self.note(Call::Upgrade(request.target().to_owned()));
        match request.path() {
            "/refused" => return Err(Response::refusal(Status::FORBIDDEN, "not you")),
            "/panic-on-upgrade" => fail(),
            _ => upgrade.header("X-App", "yes").unwrap(),
        }
        Ok(())
    }

    fn on_open(&mut self, connection: &mut Connection<'_>, request: &Request) -> Visit {
        let id = connection.id();
        let peer = connection.peer();
        assert_eq!(peer.id(), id);
        self.peers.lock().unwrap().push(peer);
        match request.query() {
            Some("greet") => connection.send("welcome").unwrap(),
            Some("join") => assert!(connection.join(self.room())),
            Some("close") => connection.close(CloseFrame::new(CloseCode::POLICY_VIOLATION, "no")).unwrap(),
            Some("panic") => fail(),
            _ => {}
        }
        self.note(Call::Open(id));
        Visit { id, panics: request.query() == Some("panic-later") }
    }

    fn on_message(&mut self, visit: &mut Visit, connection: &mut Connection<'_>, message: MessageRef<'_>) {
        assert_eq!(connection.id(), visit.id);
        if !self.quiet {
            let text = match message {
                MessageRef::Text(text) if text.len() < 40 => text.to_owned(),
                message => message.as_bytes().len().to_string(),
            };
            self.note(Call::Message(visit.id, text));
        }
        let result = match message {
            MessageRef::Text(text) if text.starts_with('!') => self.obey(connection, text),
            message => connection.send(message),
        };
        if let Err(SendError::Full { .. }) = result {
            self.note(Call::Full(visit.id));
        }
    }

    fn on_drained(&mut self, visit: &mut Visit, connection: &mut Connection<'_>) {
        self.note(Call::Drained(visit.id));
        connection.send("drained").unwrap_or_default(); // or it closes
        if visit.panics {
            fail();
        }
    }

    fn on_close(&mut self, visit: Visit, closed: &Closed) {
        self.note(Call::Close(visit.id, closed.clone()));
        if visit.panics {
            fail();
        }
    }

    fn on_events(&mut self, peer: EventPeer, request: &Request) {
        self.note(Call::Events(peer.id()));
        if request.query() == Some("panic") {
            fail();
        }
        self.event_peers.lock().unwrap().push(peer);
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) handle: ServerHandle,
    pub(crate) app: App,
    task: Task<std::io::Result<()>>,
}

/// Limits for tests: what has to end ends soon.
pub(crate) fn config() -> Config {
    Config::default()
        .deflate(Some(Deflate::shared()))
        .close_timeout(Some(millis(500)))
        .linger_timeout(Some(millis(500)))
}

pub(crate) fn accept(config: Config) -> Accept {
    Accept::new().config(config)
}

pub(crate) fn serve() -> Running {
    serve_with(App::default(), |server| server.loop_count(1).accept(accept(config())))
}

pub(crate) fn serve_config(config: Config) -> Running {
    serve_with(App::default(), |server| server.loop_count(1).accept(accept(config)))
}

pub(crate) fn serve_with(app: App, set: impl FnOnce(Server) -> Server) -> Running {
    watch();
    let server = set(Server::bind("127.0.0.1:0").unwrap());
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let runs = app.clone();
    Running { address, handle, app, task: start(move || server.run(runs)) }
}

impl Running {
    /// A socket, and nothing sent yet.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        patient(&stream);
        stream
    }

    /// An open connection.
    pub(crate) fn open(&self, target: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request_to(target, "").as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 ") && header(&head, "X-App") == Some("yes"), "{head}");
        stream
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.app.calls.lock().unwrap().clone()
    }

    /// The peer of the connection that was opened as the `n`th.
    pub(crate) fn peer(&self, n: usize) -> Peer {
        wait_until(|| self.app.peers.lock().unwrap().len() > n);
        self.app.peers.lock().unwrap()[n].clone()
    }

    pub(crate) fn event_peer(&self) -> EventPeer {
        wait_until(|| !self.app.event_peers.lock().unwrap().is_empty());
        self.app.event_peers.lock().unwrap().remove(0)
    }

    pub(crate) fn stream_peer(&self) -> StreamPeer {
        wait_until(|| !self.app.stream_peers.lock().unwrap().is_empty());
        self.app.stream_peers.lock().unwrap().remove(0)
    }

    /// The first that is held and was not taken yet.
    pub(crate) fn held(&self) -> Held {
        wait_until(|| !self.app.held.lock().unwrap().is_empty());
        self.app.held.lock().unwrap().remove(0)
    }

    /// How all connections ended so far.
    pub(crate) fn ends(&self) -> Vec<Closed> {
        ends(&self.calls())
    }

    /// Waits until a connection has ended, and says how the first one did.
    #[track_caller]
    pub(crate) fn first_end(&self) -> Closed {
        wait_until(|| !self.ends().is_empty());
        self.ends().remove(0)
    }

    /// Ends it; all calls that there were. Each connection that was opened was closed once, and nothing was
    /// called for it before and after that.
    #[track_caller]
    pub(crate) fn end(self) -> Vec<Call> {
        self.handle.drain(Duration::ZERO);
        self.ended()
    }

    /// The same, of one that is being drained.
    #[track_caller]
    pub(crate) fn ended(self) -> Vec<Call> {
        self.task.end().unwrap();
        let snapshot = self.handle.snapshot();
        assert_eq!((snapshot.connection_count, snapshot.stream_count), (0, 0), "{snapshot:?}");
        assert_eq!(snapshot.held_count, 0, "{snapshot:?}");
        assert_eq!((snapshot.socket_count, snapshot.waiting_len), (0, 0), "{snapshot:?}");
        assert_eq!(snapshot.closed.values().sum::<u64>(), snapshot.opened_count, "{snapshot:?}");
        let calls = self.app.calls.lock().unwrap().clone();
        let opened: Vec<PeerId> = calls
            .iter()
            .filter_map(|call| if let Call::Open(id) = call { Some(*id) } else { None })
            .collect();
        assert_eq!(opened.len() as u64, snapshot.opened_count);
        assert_eq!(ends(&calls).len(), opened.len());
        for id in opened {
            let own: Vec<&Call> = calls.iter().filter(|call| call.id() == Some(id)).collect();
            assert_eq!(own[0], &Call::Open(id));
            assert!(matches!(own.last(), Some(Call::Close(..))), "{own:?}");
            let opens_and_closes = |call: &&&Call| matches!(call, Call::Open(_) | Call::Close(..));
            assert_eq!(own.iter().filter(opens_and_closes).count(), 2, "{own:?}");
        }
        for peer in &*self.app.peers.lock().unwrap() {
            assert!(peer.is_closed());
            assert_eq!(peer.send("too late"), Err(SendError::Closing));
        }
        calls
    }
}

fn ends(calls: &[Call]) -> Vec<Closed> {
    calls
        .iter()
        .filter_map(|call| if let Call::Close(_, closed) = call { Some(closed.clone()) } else { None })
        .collect()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(true, 0x81, text.as_bytes())
}

/// Sends a text and reads its echo.
#[track_caller]
pub(crate) fn ask(stream: &mut TcpStream, question: &str) {
    stream.write_all(&text(question)).unwrap();
    assert_eq!(read_text(stream), question);
}

#[track_caller]
pub(crate) fn read_text(stream: &mut impl Read) -> String {
    let (first, payload) = read_frame(false, stream);
    assert_eq!(first, 0x81, "{payload:?}");
    String::from_utf8(payload).unwrap()
}

pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    frame(true, 0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

/// Closes, and expects the echo and the end of TCP from the server.
#[track_caller]
pub(crate) fn close(mut stream: TcpStream) {
    stream.write_all(&close_frame(1000, "")).unwrap();
    assert_eq!(frames(false, &read_to_end(&mut stream)), [(0x88, b"\x03\xe8".to_vec())]);
}

pub(crate) fn cleanly(code: u16, reason: &str) -> Closed {
    Closed::Cleanly(Some(CloseFrame::new(CloseCode::new(code).unwrap(), reason)))
}

/// Looks at the head of a stream.
#[track_caller]
pub(crate) fn assert_streams(head: &str, content_type: &str) {
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for (name, value) in [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ] {
        assert_eq!(header(head, name), Some(value), "{head}");
    }
    assert_eq!(header(head, "Content-Length"), None);
}
