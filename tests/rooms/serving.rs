//! A server of rooms that runs, and what is published there without it.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::value::RawValue;
use talkback::http::{Request, Response, Status};
use talkback::room::{Access, ClientId, MessageId, Published, RoomConfig, Rooms};
use talkback::server::{Handler, Pages, Server, ServerHandle};
use talkback::{Accept, Config};

use crate::net::*;

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) handle: ServerHandle,
    pub(crate) rooms: Rooms,
    task: Task<std::io::Result<()>>,
}

pub(crate) fn serve() -> Running {
    serve_config(RoomConfig::default())
}

pub(crate) fn serve_config(config: RoomConfig) -> Running {
    serve_rooms(Rooms::new(config).unwrap())
}

pub(crate) fn serve_access(access: impl Access) -> Running {
    serve_rooms(Rooms::with_access(RoomConfig::default(), access).unwrap())
}

pub(crate) fn serve_rooms(rooms: Rooms) -> Running {
    serve_app(rooms, pages(), |server| server.loop_count(2))
}

/// Limits for tests: what has to end ends soon.
pub(crate) fn accept() -> Accept {
    let config = Config::default().close_timeout(Some(millis(500))).linger_timeout(Some(millis(500)));
    Accept::new().config(config)
}

pub(crate) fn pages() -> Pages<impl Fn(&Request) -> Response + Clone + Send + 'static> {
    Pages::new(|request| match request.path() {
        "/" => Response::new(Status::OK).body("hello"),
        _ => Response::refusal(Status::NOT_FOUND, "no such page"),
    })
}

/// Serves rooms beside an application.
pub(crate) fn serve_app<A: Handler>(rooms: Rooms, app: A, set: impl FnOnce(Server) -> Server) -> Running {
    watch();
    let server = set(Server::bind("127.0.0.1:0").unwrap().accept(accept()));
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let mounted = rooms.mount(app);
    Running { address, handle, rooms, task: start(move || server.run(mounted)) }
}

impl Running {
    /// A socket, and nothing sent yet.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        patient(&stream);
        stream
    }

    /// Publishes without a request; the cursor of what was.
    pub(crate) fn publish(&self, room: &str, message: &str, data: &str) -> String {
        publish(&self.rooms, room, message, data).cursor.to_string()
    }

    /// The epoch of a room, as it is written.
    pub(crate) fn epoch(&self, room: &str) -> String {
        let epoch = self.rooms.look(room, |log| log.cursor().epoch).unwrap();
        format!("{epoch:016x}")
    }

    /// Ends it: nothing is left over.
    #[track_caller]
    pub(crate) fn end(self) {
        self.handle.drain(Duration::ZERO);
        self.ended();
    }

    /// The same, of one that is being drained.
    #[track_caller]
    pub(crate) fn ended(self) {
        self.task.end().unwrap();
        let snapshot = self.handle.snapshot();
        let open = (snapshot.connection_count, snapshot.stream_count, snapshot.held_count);
        assert_eq!((open, snapshot.socket_count, snapshot.waiting_len), ((0, 0, 0), 0, 0), "{snapshot:?}");
    }
}

pub(crate) fn publish(rooms: &Rooms, room: &str, message: &str, data: &str) -> Published {
    let (client, message) = (ClientId::new("pen").unwrap(), MessageId::new(message).unwrap());
    rooms.publish(room, &client, &message, &raw(data)).unwrap()
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Serves rooms where another server did before.
pub(crate) fn serve_at(address: &str, rooms: Rooms) -> Running {
    let server = Server::bind(address).unwrap().accept(accept()).loop_count(1);
    let (address, handle, mounted) = (address.to_owned(), server.handle(), rooms.mount(pages()));
    Running { address, handle, rooms, task: start(move || server.run(mounted)) }
}
