//! A server in a process of its own, that is told what to do by its connections.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use talkback::Config;
use talkback::http::Request;
use talkback::protocol::MessageRef;
use talkback::server::{Connection, Handler, Room, Server, ServerHandle};

use crate::app;
use crate::net::*;

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
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let server = Server::from_listener(TcpListener::from(stdin)).loop_count(1).accept(app::accept(config));
    let handle = server.handle();
    server.run(Obedient { room: Room::new(), handle: handle.clone() }).unwrap();
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.connection_count, snapshot.socket_count, snapshot.waiting_len), (0, 0, 0));
    assert_eq!(snapshot.closed.values().sum::<u64>(), snapshot.opened_count);
}

/// A process that plays a part meanwhile. It doesn't outlive this.
pub(crate) struct Playing(Child);

impl Playing {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    /// A file of the system that tells of it.
    pub(crate) fn told_by(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.id())
    }

    /// Waits until it has played its part well.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(millis(5));
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        drop(self.0.wait());
    }
}

/// Has the process started; and its address. It can be connected to already.
pub(crate) fn start(mut command: Command) -> (Playing, String) {
    let (listener, address) = listen();
    command.stdin(OwnedFd::from(listener));
    (Playing::start(command), address)
}
