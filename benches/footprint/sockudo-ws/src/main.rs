use std::{env, io};

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::handshake::server_handshake;
use sockudo_ws::{Config, Message, Role, WebSocketStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

async fn echo(mut stream: TcpStream) -> sockudo_ws::Result<()> {
    let leftover = server_handshake(&mut stream).await?.leftover;
    let mut ws = WebSocketStream::from_raw_with_leftover(stream, Role::Server, Config::default(), leftover);
    while let Some(message) = ws.next().await.transpose()? {
        if let Message::Text(_) | Message::Binary(_) = message {
            ws.send(message).await?;
        }
    }
    Ok(())
}

async fn serve() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or_else(|| "9001".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        tokio::spawn(echo(listener.accept().await?.0));
    }
}

fn main() -> io::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(serve())
}
