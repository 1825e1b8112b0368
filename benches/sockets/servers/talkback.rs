//! talkback.

use std::error::Error;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

use talkback::Accept;

use super::Mode;

// --- The event-driven server, `talkback::server::Server`, comes here ---------------------------------------
//
// As `pub fn serve(mode: Mode, listener: TcpListener) -> io::Result<()>`: the port is printed already, the
// process is pinned to its core, and is ended from outside. One thread; TCP_NODELAY on what it accepts.
// With `Mode::Broadcast` each binary message goes to all connections, its sender included. Then put its
// line into `ALL`, in servers/mod.rs, where it stands as a comment.
// -----------------------------------------------------------------------------------------------------------

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
