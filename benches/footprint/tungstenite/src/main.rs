use std::error::Error;
use std::net::TcpListener;
use std::{env, io, thread};

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or_else(|| "9001".to_owned());
    for stream in TcpListener::bind(format!("127.0.0.1:{port}"))?.incoming() {
        thread::spawn(|| -> Result<(), Box<dyn Error + Send + Sync>> {
            let mut ws = tungstenite::accept(stream?)?;
            loop {
                let message = ws.read()?;
                if message.is_text() || message.is_binary() {
                    ws.send(message)?;
                }
            }
        });
    }
    Ok(())
}
