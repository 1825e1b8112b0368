//! Sends back what it gets: every path, any Origin, up to 64 MiB a message. In loops, one a core; with
//! `--threads`, by blocking calls in a thread a connection. With `--private`, each connection has
//! compression states of its own.
//!
//! ```text
//! cargo run --release --example echo [-- [--threads] [--private] [ADDR]]
//! ```

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io, thread};

use talkback::handshake::Origins;
use talkback::http::Request;
use talkback::protocol::{Deflate, MessageRef};
use talkback::server::{Connection, Handler, Server, ServerHandle};
use talkback::{Accept, Config};

const MAX_MESSAGE_LEN: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let (flags, addresses): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| !["--threads", "--private"].contains(&flag.as_str())) {
        eprintln!("echo: no such flag: {unknown}");
        return ExitCode::FAILURE;
    }
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    let address = addresses.first().map_or("127.0.0.1:9001", String::as_str);
    let deflate = if has("--private") { Deflate::private() } else { Deflate::shared() };
    let config = Config::default().max_message_len(Some(MAX_MESSAGE_LEN)).deflate(Some(deflate));
    let accept = Accept::new().origins(Origins::Any).config(config);
    let served = if has("--threads") { serve_by_threads(address, &accept) } else { serve(address, accept) };
    if let Err(error) = served {
        eprintln!("echo: {address}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(address: &str, accept: Accept) -> io::Result<()> {
    let server = Server::bind(address)?.accept(accept);
    println!("listening on ws://{}", server.local_addr()?);
    drain_on_signal(server.handle())?;
    server.run(Echo)
}

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, (): &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
        // While too much waits for a peer, it is not read: nothing is ever refused here.
        connection.send(message).unwrap_or_default();
    }
}

/// Closes all on SIGINT and SIGTERM; the second of them ends it at once.
#[cfg(unix)]
fn drain_on_signal(server: ServerHandle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        server.drain(Duration::from_secs(1));
        signals.next();
        std::process::exit(1);
    });
    Ok(())
}

#[cfg(not(unix))]
fn drain_on_signal(_: ServerHandle) -> io::Result<()> {
    Ok(())
}

fn serve_by_threads(address: &str, accept: &Accept) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
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
