//! A chat for the browser, and a comparison of the six ways that it can be served: one process, nothing but this
//! crate. Run it, and open the address that it prints.
//!
//! - `/` is the chat, `/compare` the comparison; what they say to the server are the endpoints of
//!   [`talkback::room::Rooms`], under `/rooms`.
//! - The comparison reads one room in six columns. Each column has a port of its own, so that what it costs can be
//!   counted at its sockets, and so that a browser, which opens six connections to one origin at most, has enough
//!   of them: `columns.rs`.

mod columns;
mod limits;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use columns::Columns;
use limits::Limits;
use talkback::http::{HeaderError, Request, Response, Status};
use talkback::protocol::{Deflate, MessageRef};
use talkback::room::{RoomConfig, Rooms};
use talkback::server::{Answer, Connection, Cors, Handler, Overflow, Server, ServerHandle};
use talkback::{Accept, Config};

/// Path, type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html", include_str!("page.html")),
    ("/compare", "text/html", include_str!("compare.html")),
    ("/page.css", "text/css", include_str!("page.css")),
    ("/page.js", "text/javascript", include_str!("page.js")),
    ("/compare.css", "text/css", include_str!("compare.css")),
    ("/compare.js", "text/javascript", include_str!("compare.js")),
    ("/talk.js", "text/javascript", include_str!("talk.js")),
    ("/column.js", "text/javascript", include_str!("column.js")),
    ("/chart.js", "text/javascript", include_str!("chart.js")),
];
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
    let server = Server::bind(address)?.accept(accept(Some(Deflate::shared()))).overflow(Overflow::Close);
    let address = server.local_addr()?;
    // Pages of any origin may ask, and are told by `Limits` which room they may ask for.
    let config = RoomConfig::default().cors(Cors::any()).deflate(Some(Deflate::shared()));
    let rooms = Rooms::with_access(config, Limits::default())?;
    let columns = Columns::start(address.ip(), &rooms)?;
    println!("chat: open http://{address}/\nchat: the comparison is at http://{address}/compare");
    let chat = Chat { server: server.handle(), columns: columns.clone() };
    end_on_signal(server.handle())?;
    server.run(rooms.mount(chat))?;
    columns.end(FAREWELL);
    Ok(())
}

/// On what terms connections are taken, here and in the columns.
fn accept(deflate: Option<Deflate>) -> Accept {
    let config = Config::default()
        .max_message_len(Some(limits::MAX_MESSAGE_LEN))
        .ping_interval(Some(KEEP_ALIVE))
        .deflate(deflate);
    Accept::new().config(config)
}

/// The pages. Each loop has one of these.
#[derive(Clone)]
struct Chat {
    server: ServerHandle,
    columns: Columns,
}

impl Handler for Chat {
    type State = ();

    fn on_request(&mut self, request: &Request) -> Answer {
        Answer::Respond(self.respond(request).unwrap_or_else(|_| {
            Response::refusal(Status::INTERNAL_SERVER_ERROR, "a header of the answer is invalid")
        }))
    }

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, (): &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}
}

impl Chat {
    fn respond(&self, request: &Request) -> Result<Response, HeaderError> {
        let refuse = |status, why| Ok(Response::refusal(status, why));
        if self.server.snapshot().socket_count > MAX_SOCKETS {
            return refuse(Status::SERVICE_UNAVAILABLE, "too many are here");
        }
        match (request.method(), request.path()) {
            ("GET" | "HEAD", "/columns") => json(self.columns.list(request.authority().host())),
            ("GET" | "HEAD", "/meters") => json(self.columns.meters()),
            ("GET" | "HEAD", path) => match FILES.iter().find(|(known, ..)| *known == path) {
                Some((_, kind, content)) => self.file(request, kind, content),
                None => refuse(Status::NOT_FOUND, "there is nothing here"),
            },
            ("POST", _) if !Cors::same_origin().allows(request) => {
                refuse(Status::FORBIDDEN, "pages of other origins may not do this")
            }
            ("POST", "/away") => {
                self.columns.away();
                Ok(Response::new(Status::NO_CONTENT))
            }
            ("POST", path) => {
                match path.strip_prefix("/columns/").and_then(|rest| rest.strip_suffix("/drop")) {
                    Some(name) if self.columns.cut(name) => Ok(Response::new(Status::NO_CONTENT)),
                    _ => refuse(Status::NOT_FOUND, "there is nothing here"),
                }
            }
            _ => Response::refusal(Status::METHOD_NOT_ALLOWED, "only GET, HEAD and POST can be done here")
                .header("Allow", "GET, HEAD, POST"),
        }
    }

    /// A file of the page, which may use what comes from here, and talk to the columns: nothing else.
    fn file(&self, request: &Request, kind: &str, content: &str) -> Result<Response, HeaderError> {
        let columns = self.columns.origins(request.authority().host()).join(" ");
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {columns}; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Response::new(Status::OK)
            .header("Content-Type", format!("{kind}; charset=utf-8"))?
            .header("Content-Security-Policy", policy)?
            .header("X-Content-Type-Options", "nosniff")?
            .header("Referrer-Policy", "no-referrer")?
            .header("Cache-Control", "no-cache")?
            .body(content))
    }
}

fn json(value: serde_json::Value) -> Result<Response, HeaderError> {
    let response = Response::new(Status::OK).header("Content-Type", "application/json")?;
    Ok(response.header("Cache-Control", "no-store")?.body(value.to_string()))
}

/// Has the server say farewell on SIGINT and SIGTERM; the second of them ends it at once.
#[cfg(unix)]
fn end_on_signal(server: ServerHandle) -> io::Result<()> {
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
fn end_on_signal(_: ServerHandle) -> io::Result<()> {
    Ok(())
}
