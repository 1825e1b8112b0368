//! tokio-websockets. It flushes when it is asked for a message, so all that are at hand are taken before any is
//! sent back.

use std::io;
use std::net::TcpListener;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Error, Limits, Message, ServerBuilder};

use super::{MAX_MESSAGE_LEN, Mode, asynchronous};

/// Messages that are answered together, at most.
const BATCH: usize = 64;

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE_LEN));
    let (_request, mut ws) = ServerBuilder::new().limits(limits).accept(stream).await?;
    let mut others = Vec::new();
    while let Some(first) = ws.next().await.transpose()? {
        while others.len() < BATCH
            && let Some(Some(message)) = ws.next().now_or_never()
        {
            others.push(message?);
        }
        for message in std::iter::once(first).chain(others.drain(..)).filter(Message::is_binary) {
            ws.feed(message).await?;
        }
        ws.flush().await?;
    }
    Ok(())
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    asynchronous::serve(listener, async |stream| drop(echo(stream).await))
}
