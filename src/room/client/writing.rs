//! The thread that writes: so that whoever publishes never waits for the server, nor does the reader.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::{io, thread};

use super::shared::{Shared, Task};
use crate::blocking::{Error, Writer};
use crate::frame::{CloseCode, CloseFrame};
use crate::protocol::SendError;

/// Writes what is published, for as long as this connection is the one that is open.
pub(super) fn start(writer: Writer<TcpStream>, shared: Arc<Shared>, connection: u64) -> io::Result<()> {
    let thread = thread::Builder::new().name("room writer".to_owned());
    thread.spawn(move || run(&writer, &shared, connection)).map(drop)
}

fn run(writer: &Writer<TcpStream>, shared: &Shared, connection: u64) {
    while let Some(task) = shared.next_task(connection) {
        let written = match task {
            Task::Publish(waiting) => writer.send(&waiting.to_json()),
            Task::State(state) => writer.send(&format!(r#"{{"state":{state}}}"#)),
            Task::Close => return writer.close(CloseFrame::from(CloseCode::NORMAL)).unwrap_or_default(),
            Task::GiveUp => return end(writer),
        };
        match written {
            Ok(()) => {}
            // The reader hears of it by itself, behind what the server sent before.
            Err(Error::Disconnected | Error::Send(SendError::Closing)) => return,
            Err(_) => return end(writer),
        }
    }
}

/// Has the reader see that the connection is lost.
fn end(writer: &Writer<TcpStream>) {
    writer.stream().shutdown(Shutdown::Both).unwrap_or_default();
}
