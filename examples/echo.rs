//! Sends back what it gets: a thread a connection, every path, any Origin, up to 64 MiB a message.
//! With `--private`, each connection has compression states of its own.
//!
//! ```text
//! cargo run --release --example echo [-- [--private] [ADDR]]
//! ```

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io, thread};

use talkback::handshake::Origins;
use talkback::protocol::Deflate;
use talkback::{Accept, Config};

const MAX_MESSAGE_LEN: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let private = arguments.first().is_some_and(|argument| argument == "--private");
    let deflate = if private { Deflate::private() } else { Deflate::shared() };
    let address = arguments.drain(usize::from(private)..).next();
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    match serve(&address, deflate) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str, deflate: Deflate) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let config = Config::default().max_message_len(Some(MAX_MESSAGE_LEN)).deflate(Some(deflate));
    let accept = Accept::new().origins(Origins::Any).config(config);
    for stream in listener.incoming() {
        // A connection that went away before it was taken is no reason to stop.
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(10)); // perhaps there are too many: some will end
            continue;
        };
        let accept = accept.clone();
        let served = thread::Builder::new().spawn(move || {
            if let Err(error) = echo(stream, &accept) {
                eprintln!("echo: {error}");
            }
        });
        if let Err(error) = served {
            eprintln!("echo: {error}"); // too many threads: this one is turned away
        }
    }
    Ok(())
}

/// Answers until the peer closes. All that one read brought is answered by one write.
fn echo(stream: TcpStream, accept: &Accept) -> Result<(), Box<dyn Error>> {
    let mut ws = accept.accept(stream)?;
    while let Some(message) = ws.recv()? {
        ws.queue(&message)?;
    }
    Ok(())
}
