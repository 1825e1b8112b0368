//! tokio-tungstenite. To broadcast, each connection has a channel, and a task that writes what comes from it.

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Mode, asynchronous};

type Room = Rc<RefCell<Vec<UnboundedSender<Message>>>>;

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let ws = tokio_tungstenite::accept_async(stream).await?;
    asynchronous::echo(ws, Message::is_binary).await
}

async fn broadcast(stream: TcpStream, room: Room) -> Result<(), Error> {
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(stream).await?.split();
    let (sender, mut receiver) = unbounded_channel();
    room.borrow_mut().push(sender);
    tokio::task::spawn_local(async move {
        while let Some(first) = receiver.recv().await {
            sink.feed(first).await?;
            while let Ok(message) = receiver.try_recv() {
                sink.feed(message).await?;
            }
            sink.flush().await?;
        }
        Ok::<(), Error>(())
    });
    while let Some(message) = stream.next().await.transpose()? {
        if message.is_binary() {
            room.borrow_mut().retain(|sender| sender.send(message.clone()).is_ok());
        }
    }
    Ok(())
}

pub fn serve(mode: Mode, listener: TcpListener) -> io::Result<()> {
    let room = Room::default();
    asynchronous::serve(listener, |stream| {
        let room = room.clone();
        async move {
            drop(match mode {
                Mode::Echo => echo(stream).await,
                Mode::Broadcast => broadcast(stream, room).await,
            });
        }
    })
}
