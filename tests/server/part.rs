//! A server in a process of its own, that is told what to do by its connections.

use talkback::Config;
use talkback::http::Request;
use talkback::protocol::MessageRef;
use talkback::server::{Connection, Handler, Room, Server, ServerHandle};

use crate::app;
use crate::net::*;
use crate::playing;

/// Echoes; all its connections are in one room. It keeps nothing of a connection.
#[derive(Clone)]
struct Obedient {
    room: Room,
    handle: ServerHandle,
}

impl Handler for Obedient {
    type State = ();

    fn on_open(&mut self, connection: &mut Connection<'_>, _: &Request) {
        connection.join(&self.room);
    }

    fn on_message(&mut self, (): &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
        let MessageRef::Text(text) = message else { return };
        match text.split_once(' ') {
            Some(("!publish", news)) => self.room.publish(news),
            Some(("!drain", count)) => self.handle.drain(millis(count.parse().unwrap())),
            _ => connection.send(text).unwrap(),
        }
    }
}

/// Serves in this process, on the socket that stands for its standard input.
pub(crate) fn serve(config: Config) {
    watch();
    let server = Server::from_listener(playing::listener()).loop_count(1).accept(app::accept(config));
    let handle = server.handle();
    server.run(Obedient { room: Room::new(), handle: handle.clone() }).unwrap();
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.connection_count, snapshot.socket_count, snapshot.waiting_len), (0, 0, 0));
    assert_eq!(snapshot.closed.values().sum::<u64>(), snapshot.opened_count);
}
