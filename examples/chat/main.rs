//! A chat for the browser: one port, a thread or two a connection, nothing but std and this crate. Run it, and
//! open the address that it prints.
//!
//! - `/` is the page, `/socket?name=ann` the room over WebSocket, `/events` the same room, to be read as
//!   server-sent events. What is said over them stands at `Update` in `room.rs`.
//! - A member has two threads, so that hearing and telling never wait for each other: one hears what the member
//!   says, the other tells what the room says.

mod room;

use std::env;
use std::error::Error;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use room::{Member, Room, Update};
use talkback::blocking::{Reader, Writer};
use talkback::frame::{CloseCode, CloseFrame};
use talkback::http::{Response, Status};
use talkback::server::{Accept, EventStream, Exchange};
use talkback::sse::Event;
use talkback::{Config, Message};

const PAGE: &str = include_str!("page.html");
/// The page may use its own script and style, known by their hashes, and talk to where it came from: nothing
/// else. After a change of the page the browser's console tells the new hashes.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    script-src 'sha256-wKclgQGgyVhiaOcwOCgmA6KpfSCPBb63nVMQa/5uXvE='; \
    style-src 'sha256-pLVsNdvLnwt2tS4qSLH5uFYULmRI/k2yX670q+Aw1Mc='";

/// 4,000 characters of at most 4 bytes each.
const MAX_MESSAGE_LEN: usize = 16_000;
/// Beyond this many connections the answer is 503, beyond some more there is none. Together they fit into the
/// 1,024 open files that a process usually may have.
const MAX_CONNECTIONS: usize = 900;
const MAX_REFUSALS: usize = 100;
/// After so long a silence each connection gets a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two messages of one member: nobody pushes the others' words out of the log in no time.
const PAUSE: Duration = Duration::from_millis(5);

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let address = match arguments.as_slice() {
        [] => "127.0.0.1:8080",
        [address] if !address.starts_with('-') => address,
        _ => {
            eprintln!("usage: chat [ADDRESS:PORT]    (127.0.0.1:8080 without one)");
            return ExitCode::from(2);
        }
    };
    match TcpListener::bind(address).and_then(|listener| listen(&listener)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen(listener: &TcpListener) -> io::Result<()> {
    println!("chat: open http://{}/", listener.local_addr()?);
    let room = Arc::new(Room::new());
    for stream in listener.incoming() {
        // Each thread holds the room, so this counts them.
        let connections = Arc::strong_count(&room);
        if connections > MAX_CONNECTIONS + MAX_REFUSALS {
            continue;
        }
        let room = Arc::clone(&room);
        let serve = move |stream| {
            // How a connection ends is its own affair, and no reason to say anything here.
            drop(serve(stream, &room, connections > MAX_CONNECTIONS));
        };
        let served = stream.and_then(|stream| thread::Builder::new().spawn(move || serve(stream)));
        if let Err(error) = served {
            // Out of files or threads: they come back as others leave.
            eprintln!("chat: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

fn serve(stream: TcpStream, room: &Room, full: bool) -> Outcome {
    // What a member may say fits well; a stranger can't make the room hold more.
    let config = Config::default().max_message_len(Some(MAX_MESSAGE_LEN));
    let exchange = Exchange::read(stream, &Accept::new().config(config))?;
    let request = exchange.request();
    match (request.method(), request.path()) {
        _ if full => exchange.respond(&Response::refusal(Status::SERVICE_UNAVAILABLE, "the room is full"))?,
        ("GET", "/") => exchange.respond(&page()?)?,
        ("GET", "/socket") => member(exchange, room)?,
        ("GET", "/events") => reader(exchange, room)?,
        ("GET", _) => exchange.respond(&Response::refusal(Status::NOT_FOUND, "there is nothing here"))?,
        _ => {
            let refusal = Response::refusal(Status::METHOD_NOT_ALLOWED, "only GET is served here");
            exchange.respond(&refusal.header("Allow", "GET")?)?;
        }
    }
    Ok(())
}

fn page() -> Outcome<Response> {
    Ok(Response::new(Status::OK)
        .header("Content-Type", "text/html; charset=utf-8")?
        .header("Content-Security-Policy", POLICY)?
        .header("X-Content-Type-Options", "nosniff")?
        .header("Referrer-Policy", "no-referrer")?
        .header("Cache-Control", "no-cache")?
        .body(PAGE))
}

/// The room over WebSocket, for one member.
fn member(exchange: Exchange<TcpStream>, room: &Room) -> Outcome {
    let wanted = exchange.request().query_value("name").unwrap_or_default();
    let key = exchange.request().query_value("key");
    let (mut reader, writer) = exchange.upgrade()?.split();
    let member = room.join(&wanted, key);
    writer.send(&room.welcome(member.name()).to_string())?;
    thread::scope(|scope| {
        let teller = writer.clone();
        thread::Builder::new().spawn_scoped(scope, move || tell(room, &teller))?;
        // The member leaves when this is over. The room says so to all, and the other thread ends as it finds
        // nobody to tell it to.
        hear(&mut reader, &writer, member)
    })
}

/// Passes on what the member says, until the connection ends.
fn hear(reader: &mut Reader<TcpStream>, writer: &Writer<TcpStream>, member: Member<'_>) -> Outcome {
    let refusal = loop {
        match reader.recv()? {
            None => return Ok(()),
            Some(Message::Binary(_)) => {
                break CloseFrame::new(CloseCode::UNSUPPORTED_DATA, "text only, please");
            }
            Some(Message::Text(text)) if member.say(&text).is_err() => {
                break CloseFrame::new(CloseCode::MESSAGE_TOO_BIG, "a message has at most 4,000 characters");
            }
            Some(Message::Text(_)) => thread::sleep(PAUSE),
        }
    };
    writer.close(refusal)?;
    while reader.recv()?.is_some() {} // what was on its way before the member knew
    Ok(())
}

/// Tells the member what the room says, until the connection ends.
fn tell(room: &Room, writer: &Writer<TcpStream>) -> Outcome {
    let mut cursor = room.cursor();
    loop {
        let Ok(news) = room.news(&mut cursor, KEEP_ALIVE) else {
            return Ok(writer.close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too far behind"))?);
        };
        if news.is_empty() {
            writer.ping(b"")?; // fails when the connection is over
        }
        for update in news {
            writer.send(&update.to_string())?;
        }
    }
}

/// The room as server-sent events, for somebody who only reads.
fn reader(exchange: Exchange<TcpStream>, room: &Room) -> Outcome {
    let mut events = exchange.events()?;
    let mut cursor = room.cursor();
    show(&mut events, &room.welcome(""))?;
    while let Ok(news) = room.news(&mut cursor, KEEP_ALIVE) {
        if news.is_empty() {
            events.keep_alive()?;
        }
        for update in news {
            show(&mut events, &update)?;
        }
    }
    Ok(()) // too far behind: the stream ends, and the browser comes back
}

fn show(events: &mut EventStream<TcpStream>, update: &Update) -> Outcome {
    let number = update.number.map(|number| number.to_string());
    let event = Event::new(&update.fields).name(update.kind)?;
    let event = match &number {
        Some(number) => event.id(number)?,
        None => event,
    };
    Ok(events.send(&event)?)
}
