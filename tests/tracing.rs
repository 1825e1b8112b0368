//! What the server tells a subscriber of the crate `tracing`.
#![cfg(feature = "tracing")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that tests share")]

mod net;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

use net::*;
use talkback::http::{Request, Response, Status};
use talkback::protocol::MessageRef;
use talkback::server::{Answer, Connection, Handler, Server};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps each event as a line: its level, its message and its fields.
struct Lines;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        // Of a peer, the how manieth it is: where it is kept depends on whether the one before was gone.
        let (_, value) = value.rsplit_once('-').filter(|_| field.name() == "peer").unwrap_or(("", &value));
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "talkback"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        TOLD.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Clone)]
struct App;

impl Handler for App {
    type State = ();

    fn on_request(&mut self, request: &Request) -> Answer {
        match request.path() {
            "/socket" => Answer::Upgrade,
            _ => Answer::Respond(Response::refusal(Status::NOT_FOUND, "nothing here")),
        }
    }

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, _: &mut (), _: &mut Connection<'_>, message: MessageRef<'_>) {
        assert_ne!(message, MessageRef::Text("panic"), "as it was asked to");
    }
}

fn open(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    stream.write_all(request_to("/socket?token=secret", "").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    stream
}

#[test]
fn openings_ends_answers_and_the_drain_are_told_and_no_secrets() {
    watch();
    tracing::subscriber::set_global_default(Lines).unwrap();
    let server = Server::bind("127.0.0.1:0").unwrap().loop_count(1);
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let run = start(move || server.run(App));

    let mut stream = open(&address);
    stream.write_all(&frame(true, 0x88, b"\x03\xe8")).unwrap();
    read_to_end(&mut stream);
    let mut stream = open(&address);
    stream.write_all(&frame(true, 0x81, b"panic")).unwrap();
    read_to_end(&mut stream);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(request_to("/elsewhere?token=secret", "Connection: close\r\n").as_bytes()).unwrap();
    read_to_end(&mut stream);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET\0/ HTTP/1.1\r\n\r\n").unwrap();
    read_to_end(&mut stream);
    handle.drain(Duration::ZERO);
    run.end().unwrap();

    let told = TOLD.lock().unwrap();
    let expected = [
        "DEBUG message=request peer=1 method=\"GET\" path=\"/socket\"",
        "DEBUG message=connection opened peer=1",
        "DEBUG message=connection closed peer=1 code=1000 reason=Cleanly(Some(CloseFrame { code: CloseCode(1000), reason: \"\" }))",
        "DEBUG message=request peer=2 method=\"GET\" path=\"/socket\"",
        "DEBUG message=connection opened peer=2",
        "ERROR message=handler panicked peer=2 code=1011",
        "DEBUG message=request peer=3 method=\"GET\" path=\"/elsewhere\"",
        "DEBUG message=request answered peer=3 status=404",
        "DEBUG message=request answered peer=4 status=400",
        "INFO message=draining connection_count=0 over=0ns",
    ];
    assert_eq!(told[..], expected);
}
