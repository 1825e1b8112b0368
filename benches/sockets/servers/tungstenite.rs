//! tungstenite, a thread a connection.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

use tungstenite::Error;
use tungstenite::protocol::WebSocketConfig;

use super::{MAX_MESSAGE_LEN, Mode};

fn echo(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().max_frame_size(Some(MAX_MESSAGE_LEN));
    let mut ws = tungstenite::accept_with_config(stream, Some(config))?;
    loop {
        match ws.read() {
            Ok(message) if message.is_binary() => ws.send(message)?,
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        thread::Builder::new().spawn(move || drop(echo(stream)))?;
    }
    Ok(())
}
