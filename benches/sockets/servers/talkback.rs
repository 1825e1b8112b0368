//! talkback.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use talkback::Accept;
use talkback::http::Request;
use talkback::protocol::MessageRef;
use talkback::server::{Connection, Handler, Room, Server};

use super::Mode;
use crate::sys;

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, _: &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
        connection.send(message).unwrap_or_default();
    }
}

#[derive(Clone)]
struct Broadcast(Room);

impl Handler for Broadcast {
    type State = ();

    fn on_open(&mut self, connection: &mut Connection<'_>, _: &Request) {
        connection.join(&self.0);
    }

    fn on_message(&mut self, _: &mut (), _: &mut Connection<'_>, message: MessageRef<'_>) {
        self.0.publish(message);
    }
}

/// The event-driven server, one loop.
pub fn serve(mode: Mode, listener: TcpListener) -> io::Result<()> {
    let server = Server::from_listener(listener).loop_count(1);
    match mode {
        Mode::Echo => server.run(Echo),
        Mode::Broadcast => server.run(Broadcast(Room::new())),
    }
}

/// Two loops: the first one accepts, and hands every other socket over.
pub fn serve_handed_over(mode: Mode, listener: TcpListener) -> io::Result<()> {
    let server = Server::from_listener(listener).loop_count(2);
    match mode {
        Mode::Echo => server.run(Echo),
        Mode::Broadcast => server.run(Broadcast(Room::new())),
    }
}

/// Two loops, each with a socket of its own that listens on the port: the kernel spreads the connections.
pub fn serve_shared(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    let SocketAddr::V4(address) = listener.local_addr()? else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let second = Server::from_listener(sys::listen_shared(address)?).loop_count(1);
    thread::spawn(move || second.run(Echo));
    Server::from_listener(listener).loop_count(1).run(Echo)
}

/// Answers until the peer closes. All that one read brought is answered by one write.
fn echo(stream: TcpStream, accept: &Accept) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut ws = accept.accept(stream)?;
    while let Some(message) = ws.recv()? {
        ws.queue(&message)?;
    }
    Ok(())
}

/// The blocking API, a thread a connection.
pub fn serve_threads(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    let accept = Accept::new();
    for stream in listener.incoming() {
        let stream = stream?;
        let accept = accept.clone();
        thread::Builder::new().spawn(move || drop(echo(stream, &accept)))?;
    }
    Ok(())
}
