//! Servers that do with each connection what a script says, and clients that come back at once.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;

use serde_json::Value;
use serde_json::value::RawValue;
use talkback::frame::{CloseCode, CloseFrame};
use talkback::http::{Response, Status};
use talkback::room::{ClientId, RoomClient, RoomClientError, RoomEvent, RoomReader};
use talkback::server::{Accept, Exchange};
use talkback::{Message, WebSocket};

use crate::net::*;

pub(crate) const EPOCH: u64 = 0xfeed;

/// What a server does with one connection, whose request it has read.
pub(crate) type Act = Box<dyn FnOnce(Exchange<TcpStream>) + Send>;

pub(crate) type Socket = WebSocket<TcpStream>;

/// Listens, and acts on one connection after the other. The task gives the requests' targets.
pub(crate) fn serve(acts: Vec<Act>) -> (String, Task<Vec<String>>) {
    let (listener, address) = listen();
    let server = start(move || {
        let next = |act: Act| {
            let stream = listener.accept().unwrap().0;
            patient(&stream);
            let exchange = Exchange::read(stream, &Accept::new()).unwrap();
            let target = exchange.request().target().to_owned();
            act(exchange);
            target
        };
        acts.into_iter().map(next).collect()
    });
    (format!("ws://{address}/rooms/lobby/socket"), server)
}

/// Opens the connection, and does this with it.
pub(crate) fn open(act: impl FnOnce(Socket) + Send + 'static) -> Act {
    Box::new(|exchange| act(exchange.upgrade().unwrap()))
}

/// Says these, and cuts TCP off.
pub(crate) fn cut(objects: Vec<String>) -> Act {
    open(move |mut socket| say(&mut socket, &objects))
}

/// Says these, and closes with this code; waits for the answer.
pub(crate) fn close(objects: Vec<String>, code: u16) -> Act {
    open(move |mut socket| {
        say(&mut socket, &objects);
        socket.close(CloseFrame::from(CloseCode::new(code).unwrap())).unwrap();
        while socket.recv().unwrap().is_some() {}
    })
}

/// Says these, and waits for the client's close, which has this code.
pub(crate) fn hold(objects: Vec<String>, code: u16) -> Act {
    open(move |mut socket| {
        say(&mut socket, &objects);
        assert_eq!(socket.recv().unwrap(), None);
        assert_eq!(socket.peer_close().unwrap().code().value(), code);
    })
}

/// The same, whose end is that of the client.
pub(crate) fn hold_to_the_end(objects: Vec<String>) -> Act {
    hold(objects, 1000)
}

/// Says these, and then nothing, whatever the client says, until that ends TCP.
pub(crate) fn deaf(objects: Vec<String>) -> Act {
    open(move |mut socket| {
        say(&mut socket, &objects);
        read_to_the_end(socket.stream());
    })
}

/// Does not answer the request, until the client ends TCP. The task ends once it has come.
pub(crate) fn mute() -> (Act, Task<()>) {
    let (sender, receiver) = mpsc::channel();
    let act = move |exchange: Exchange<TcpStream>| {
        sender.send(()).unwrap_or_default();
        read_to_the_end(exchange.stream());
    };
    (Box::new(act), start(move || receiver.recv().unwrap()))
}

/// For longer than a test waits.
fn read_to_the_end(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

pub(crate) fn refuse(status: u16, headers: &'static [(&str, &str)]) -> Act {
    Box::new(move |exchange| {
        let response = Response::refusal(Status::new(status).unwrap(), "not now");
        let add = |response: Response, (name, value): &(&str, &str)| response.header(name, value).unwrap();
        exchange.respond(&headers.iter().fold(response, add)).unwrap();
    })
}

pub(crate) fn say(socket: &mut Socket, objects: &[String]) {
    for object in objects {
        socket.send(object).unwrap();
    }
}

/// What the client says next, which is an object.
#[track_caller]
pub(crate) fn hear(socket: &mut Socket) -> Value {
    let Some(Message::Text(json)) = socket.recv().unwrap() else { panic!("a client sends text") };
    serde_json::from_str(&json).unwrap()
}

pub(crate) fn place(seq: u64) -> String {
    format!(r#"{{"id":"{EPOCH:016x}-{seq}"}}"#)
}

pub(crate) fn publication(seq: u64) -> String {
    publication_in(EPOCH, seq, "bob", &seq.to_string(), &seq.to_string())
}

pub(crate) fn publication_in(epoch: u64, seq: u64, client: &str, message: &str, data: &str) -> String {
    format!(r#"{{"id":"{epoch:016x}-{seq}","at":1,"client":"{client}","message":"{message}","data":{data}}}"#)
}

pub(crate) fn gap(epoch: u64, first: u64, last: u64) -> String {
    format!(
        r#"{{"id":"{epoch:016x}-{}","gap":{{"epoch":"{epoch:016x}","first":{first},"last":{last}}}}}"#,
        first - 1
    )
}

pub(crate) fn acknowledgement(message: &str, seq: u64, is_new: bool) -> String {
    format!(r#"{{"ack":"{message}","id":"{EPOCH:016x}-{seq}","new":{is_new}}}"#)
}

pub(crate) fn refusal(message: &str) -> String {
    format!(r#"{{"refused":{message},"status":413,"error":"too big"}}"#)
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Connects again at once, and waits long for anything else.
pub(crate) fn client(url: &str) -> RoomClient {
    RoomClient::new(url, ClientId::new("ada").unwrap())
        .reconnection_time(millis(1))
        .max_reconnection_time(millis(2))
        .connect_timeout(Some(PATIENCE))
        .handshake_timeout(Some(PATIENCE))
}

/// An event in short, so that lists of them can be compared.
pub(crate) fn short(event: &RoomEvent) -> String {
    match event {
        RoomEvent::Connected => "connected".to_owned(),
        RoomEvent::Disconnected { .. } => "disconnected".to_owned(),
        RoomEvent::Publication { data, .. } => data.to_string(),
        RoomEvent::Gap(gap) => format!("gap {:x} {} {}", gap.epoch, gap.first, gap.last),
        RoomEvent::Here { present, count } => format!("here {} of {count}", present.len()),
        RoomEvent::Acknowledged { is_new, .. } => format!("acknowledged {is_new}"),
        RoomEvent::Refused { message, status, .. } => format!("refused {} {status}", message.is_some()),
        _ => "something else".to_owned(),
    }
}

/// All events, up to the end or an error.
pub(crate) fn read(room: &mut RoomReader) -> (Vec<String>, Option<RoomClientError>) {
    let mut events = Vec::new();
    loop {
        match room.recv() {
            Ok(Some(event)) => events.push(short(&event)),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// So many events.
pub(crate) fn read_some(room: &mut RoomReader, count: usize) -> Vec<String> {
    (0..count).map(|_| short(&room.recv().unwrap().unwrap())).collect()
}

/// What a client is told by a server that acts like this, up to so many events; then it is closed. And the
/// targets that it asked for.
pub(crate) fn outcome(acts: Vec<Act>, count: usize) -> (Vec<String>, Vec<String>) {
    let (url, server) = serve(acts);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        let events = read_some(&mut room, count);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
        events
    });
    (reader.end(), server.end())
}
