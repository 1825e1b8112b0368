//! sockudo-ws, without its timers.

use std::io;
use std::net::TcpListener;

use sockudo_ws::handshake::server_handshake;
use sockudo_ws::{Config, Message, Role, WebSocketStream};
use tokio::net::TcpStream;

use super::{Mode, asynchronous};

async fn echo(mut stream: TcpStream) -> sockudo_ws::Result<()> {
    let leftover = server_handshake(&mut stream).await?.leftover;
    let config = Config { idle_timeout: 0, auto_ping: false, ping_interval: 0, ..Config::default() };
    let ws = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, leftover);
    asynchronous::echo(ws, |message| matches!(message, Message::Binary(_))).await
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    asynchronous::serve(listener, async |stream| drop(echo(stream).await))
}
