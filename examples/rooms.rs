//! Rooms for anybody, in every transport, on one port: to be tried with curl, and from pages of any origin.
//!
//! ```text
//! cargo run --release --features rooms --example rooms [-- [ADDR]]
//! curl -N http://127.0.0.1:8080/rooms/lobby/events
//! curl http://127.0.0.1:8080/rooms/lobby/messages -d '{"client":"ann","message":"1","data":"hello"}'
//! ```

use std::process::ExitCode;
use std::{env, io};

use talkback::Accept;
use talkback::handshake::Origins;
use talkback::http::{Response, Status};
use talkback::room::{RoomConfig, Rooms};
use talkback::server::{Cors, Pages, Server};

/// A page to try the browser's client from, in the console.
const PAGE: &str = "<!doctype html><meta charset=\"utf-8\"><title>rooms</title>\
    <p>In the console: <code>const { TalkbackRoom } = await import('/rooms/talkback.js')</code>\n";

fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    if let Err(error) = serve(&address) {
        eprintln!("rooms: {address}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(address: &str) -> io::Result<()> {
    // No cookie, and no address, gives anybody rights here: pages of any origin may come.
    let rooms = Rooms::new(RoomConfig::default().cors(Cors::any()))?;
    let server = Server::bind(address)?.accept(Accept::new().origins(Origins::Any));
    println!("rooms: open http://{}/", server.local_addr()?);
    server.run(rooms.mount(Pages::new(|request| match request.path() {
        "/" => page(),
        _ => Response::refusal(Status::NOT_FOUND, "there is nothing here"),
    })))
}

fn page() -> Response {
    let page = Response::new(Status::OK).body(PAGE);
    page.clone().header("Content-Type", "text/html; charset=utf-8").unwrap_or(page)
}
