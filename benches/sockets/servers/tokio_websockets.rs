//! tokio-websockets.

use std::io;
use std::net::TcpListener;

use tokio::net::TcpStream;
use tokio_websockets::{Error, Limits, Message, ServerBuilder};

use super::{MAX_MESSAGE_LEN, Mode, asynchronous};

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE_LEN));
    let (_request, ws) = ServerBuilder::new().limits(limits).accept(stream).await?;
    asynchronous::echo(ws, Message::is_binary).await
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    asynchronous::serve(listener, async |stream| drop(echo(stream).await))
}
