//! The columns of the comparison: for each transport a server of its own over the same rooms, whose sockets are
//! counted, and which can go away and come back.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use serde_json::{Map, Value, json};
use talkback::handshake::Origins;
use talkback::http::{Response, Status};
use talkback::room::Rooms;
use talkback::server::{Pages, Server, ServerHandle, Snapshot};

const TRANSPORTS: [&str; 6] = ["polling", "long-polling", "streaming", "events", "websocket", "automatic"];
/// How long a column is away.
const AWAY: Duration = Duration::from_secs(5);
/// How often, and after what time, a port is asked for again that the system has not given back yet.
const BIND_COUNT: u32 = 50;
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// All columns. Cloning gives the same ones.
#[derive(Clone)]
pub(crate) struct Columns(Arc<[Column]>);

struct Column {
    transport: &'static str,
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The server that is there, or was the last.
    server: Option<ServerHandle>,
    /// What those before it have done.
    before: Meter,
    /// How long it is away when its server ends; `None`: for good.
    pause: Option<Duration>,
}

/// What went through the sockets of a column.
#[derive(Clone, Copy, Default)]
struct Meter {
    requests: u64,
    received: u64,
    sent: u64,
}

impl Columns {
    /// Has each column served by a thread, on a free port of this address.
    pub(crate) fn start(ip: IpAddr, rooms: &Rooms) -> io::Result<Self> {
        let servers = TRANSPORTS.map(|transport| (transport, Server::bind((ip, 0))));
        let (mut columns, mut listening) = (Vec::new(), Vec::new());
        for (transport, server) in servers {
            let server = server?;
            columns.push(Column { transport, address: server.local_addr()?, state: Mutex::default() });
            listening.push(server);
        }
        let columns = Self(columns.into());
        for (index, server) in listening.into_iter().enumerate() {
            let (columns, rooms) = (columns.clone(), rooms.clone());
            let serve = move || columns.0.get(index).map_or(Ok(()), |column| column.serve(server, &rooms));
            thread::Builder::new().name(format!("column {index}")).spawn(serve)?;
        }
        Ok(columns)
    }

    /// Where each column is, for a page that was asked for under this host.
    pub(crate) fn list(&self, host: &str) -> Value {
        let of =
            |column: &Column| json!({"transport": column.transport, "origin": column.origin("http", host)});
        self.0.iter().map(of).collect()
    }

    /// What a page must be allowed to connect to.
    pub(crate) fn origins(&self, host: &str) -> Vec<String> {
        self.0.iter().flat_map(|column| [column.origin("http", host), column.origin("ws", host)]).collect()
    }

    /// What went through the sockets of each, since the start.
    pub(crate) fn meters(&self) -> Value {
        let of = |column: &Column| {
            let (Meter { requests, received, sent }, connections) = column.meter();
            let meter =
                json!({"requests": requests, "received": received, "sent": sent, "connections": connections});
            (column.transport.to_owned(), meter)
        };
        Value::Object(self.0.iter().map(of).collect::<Map<_, _>>())
    }

    /// Cuts the connections of a column, which takes new ones at once; whether there is such a column.
    pub(crate) fn cut(&self, transport: &str) -> bool {
        let column = self.0.iter().find(|column| column.transport == transport);
        column.map(|column| column.leave(Some(Duration::ZERO))).is_some()
    }

    /// Has all be away for a while.
    pub(crate) fn away(&self) {
        self.0.iter().for_each(|column| column.leave(Some(AWAY)));
    }

    /// Ends all.
    pub(crate) fn end(&self, farewell: Duration) {
        self.0.iter().for_each(|column| column.leave(None));
        thread::sleep(farewell);
    }
}

impl Column {
    fn serve(&self, mut server: Server, rooms: &Rooms) -> io::Result<()> {
        loop {
            self.lock().server = Some(server.handle());
            let nothing = |_: &_| Response::refusal(Status::NOT_FOUND, "only rooms are here");
            // The page is of another origin; `Limits` tells which room it may read.
            // Nothing is compressed: what is said there is made up, and would shrink as nothing real does.
            let accept = crate::accept(None).origins(Origins::Any);
            server.accept(accept).loop_count(1).run(rooms.mount(Pages::new(nothing)))?;
            let pause = {
                let mut state = self.lock();
                let done = state.server.take().map(|server| Meter::of(&server.snapshot()));
                state.before = state.before.plus(done.unwrap_or_default());
                state.pause
            };
            let Some(pause) = pause else { return Ok(()) };
            thread::sleep(pause);
            server = self.bind()?;
        }
    }

    fn bind(&self) -> io::Result<Server> {
        for _ in 1..BIND_COUNT {
            match Server::bind(self.address) {
                Ok(server) => return Ok(server),
                Err(_) => thread::sleep(BIND_PAUSE),
            }
        }
        Server::bind(self.address)
    }

    /// Ends its server, which is away for so long then.
    fn leave(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        state.pause = pause;
        if let Some(server) = &state.server {
            server.drain(Duration::ZERO);
        }
    }

    /// What it has done, and how many connections it has.
    fn meter(&self) -> (Meter, u64) {
        let state = self.lock();
        let now = state.server.as_ref().map(ServerHandle::snapshot).unwrap_or_default();
        (state.before.plus(Meter::of(&now)), now.socket_count)
    }

    fn origin(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.address.port())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    fn of(snapshot: &Snapshot) -> Self {
        let requests = snapshot.answered.values().sum::<u64>() + snapshot.opened_count;
        Self { requests, received: snapshot.received_len, sent: snapshot.sent_len }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            received: self.received + other.received,
            sent: self.sent + other.sent,
        }
    }
}
