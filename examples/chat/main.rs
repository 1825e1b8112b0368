//! A chat for the browser: one port, a loop a core, nothing but this crate. Run it, and open the address that it
//! prints.
//!
//! - `/` is the page, `/socket?name=ann` the room over WebSocket, `/events` the same room, to be read as
//!   server-sent events. What is said over them stands at `Update` in `room.rs`.
//! - Nothing here waits: what somebody does is handled at once, and what the room says to all goes out as they take
//!   it. Whoever takes too little for too long is sent away, and may come back.

mod room;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use room::{Member, Refusal, Room};
use talkback::frame::{CloseCode, CloseFrame};
use talkback::http::{HeaderError, Request, Response, Status};
use talkback::protocol::{Deflate, MessageRef};
use talkback::server::{Answer, Closed, Connection, EventPeer, Handler, Overflow, Server, ServerHandle};
use talkback::{Accept, Config};

const PAGE: &str = include_str!("page.html");
/// The page may use its own script and style, known by their hashes, and talk to where it came from: nothing
/// else. After a change of the page the browser's console tells the new hashes.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    script-src 'sha256-wKclgQGgyVhiaOcwOCgmA6KpfSCPBb63nVMQa/5uXvE='; \
    style-src 'sha256-pLVsNdvLnwt2tS4qSLH5uFYULmRI/k2yX670q+Aw1Mc='";

/// 4,000 characters of at most 4 bytes each.
const MAX_MESSAGE_LEN: usize = 16_000;
/// What may wait for one who is slow. What the room shows at first fits in.
const MAX_OUTPUT_LEN: usize = 4 * 1024 * 1024;
/// Beyond this many sockets the answer is 503. With some more for those answers they fit into the 1,024 open
/// files that a process usually may have.
const MAX_SOCKETS: u64 = 900;
/// After so long a silence each connection gets a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long leaving takes for all together when the server ends.
const FAREWELL: Duration = Duration::from_secs(1);

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
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: cannot serve on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let config = Config::default()
        .max_message_len(Some(MAX_MESSAGE_LEN))
        .max_output_len(Some(MAX_OUTPUT_LEN))
        .ping_interval(Some(KEEP_ALIVE))
        .deflate(Some(Deflate::shared()));
    let server = Server::bind(address)?.accept(Accept::new().config(config)).overflow(Overflow::Close);
    println!("chat: open http://{}/", server.local_addr()?);
    let chat = Chat { room: Arc::new(Room::new()), server: server.handle(), page: page()? };
    drain_on_signal(server.handle())?;
    Ok(server.run(chat)?)
}

fn page() -> Result<Response, HeaderError> {
    Ok(Response::new(Status::OK)
        .header("Content-Type", "text/html; charset=utf-8")?
        .header("Content-Security-Policy", POLICY)?
        .header("X-Content-Type-Options", "nosniff")?
        .header("Referrer-Policy", "no-referrer")?
        .header("Cache-Control", "no-cache")?
        .body(PAGE))
}

/// Each loop has one of these; the room is the same for all.
#[derive(Clone)]
struct Chat {
    room: Arc<Room>,
    server: ServerHandle,
    page: Response,
}

impl Handler for Chat {
    /// `None` once the member was sent away: what was on its way before it knew is not heard.
    type State = Option<Member>;

    fn on_request(&mut self, request: &Request) -> Answer {
        let refuse = |status, why| Answer::Respond(Response::refusal(status, why));
        match (request.method(), request.path()) {
            _ if self.server.snapshot().socket_count > MAX_SOCKETS => {
                refuse(Status::SERVICE_UNAVAILABLE, "the room is full")
            }
            ("GET", "/") => Answer::Respond(self.page.clone()),
            ("GET", "/socket") => Answer::Upgrade,
            ("GET", "/events") => Answer::Events,
            ("GET", _) => refuse(Status::NOT_FOUND, "there is nothing here"),
            _ => {
                let refusal = Response::refusal(Status::METHOD_NOT_ALLOWED, "only GET is served here");
                Answer::Respond(refusal.clone().header("Allow", "GET").unwrap_or(refusal))
            }
        }
    }

    fn on_open(&mut self, connection: &mut Connection<'_>, request: &Request) -> Option<Member> {
        let wanted = request.query_value("name").unwrap_or_default();
        Some(self.room.join(connection, &wanted, request.query_value("key")))
    }

    fn on_message(
        &mut self,
        state: &mut Option<Member>,
        connection: &mut Connection<'_>,
        message: MessageRef<'_>,
    ) {
        let Some(member) = state else { return };
        let refusal = match message {
            MessageRef::Binary(_) => CloseFrame::new(CloseCode::UNSUPPORTED_DATA, "text only, please"),
            MessageRef::Text(text) => match self.room.say(member, text) {
                Ok(()) => return,
                Err(Refusal::TooLong) => {
                    CloseFrame::new(CloseCode::MESSAGE_TOO_BIG, "a message has at most 4,000 characters")
                }
                Err(Refusal::TooFast) => {
                    CloseFrame::new(CloseCode::POLICY_VIOLATION, "too many messages at once")
                }
            },
        };
        connection.close(refusal).unwrap_or_default(); // if it closes already, so much the better
        state.take().into_iter().for_each(|member| self.room.leave(&member));
    }

    fn on_close(&mut self, state: Option<Member>, _: &Closed) {
        state.into_iter().for_each(|member| self.room.leave(&member));
    }

    fn on_events(&mut self, reader: EventPeer, _: &Request) {
        self.room.read_along(reader);
    }
}

/// Has the server say farewell on SIGINT and SIGTERM; the second of them ends it at once.
#[cfg(unix)]
fn drain_on_signal(server: ServerHandle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        server.drain(FAREWELL);
        signals.next();
        std::process::exit(1);
    });
    Ok(())
}

#[cfg(not(unix))]
fn drain_on_signal(_: ServerHandle) -> io::Result<()> {
    Ok(())
}
