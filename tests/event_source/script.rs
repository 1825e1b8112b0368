//! Servers that do what a script says.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use talkback::client::{EventSource, EventSourceError, Subscribe};

use crate::net::*;

/// Name, data and last event id.
pub(crate) type Seen = (String, String, String);

pub(crate) fn seen(name: &str, data: &str, last_event_id: &str) -> Seen {
    (name.to_owned(), data.to_owned(), last_event_id.to_owned())
}

/// What a server does with one connection, once it has read the request.
pub(crate) enum Answer {
    /// Writes this, and ends TCP.
    Bytes(Vec<u8>),
    /// Writes these with pauses in between, and ends TCP.
    Pieces(Vec<Vec<u8>>),
    /// Writes this, and then nothing until the client ends TCP.
    Hold(Vec<u8>),
    /// Writes this, and then the other over and over, until the client ends TCP.
    Endless(Vec<u8>, Vec<u8>),
}

/// A stream of events until TCP ends.
pub(crate) fn events(body: &str) -> Answer {
    Answer::Bytes(until_close(body.as_bytes()))
}

/// A server that hangs up without an answer.
pub(crate) fn hang_up() -> Answer {
    Answer::Bytes(Vec::new())
}

pub(crate) fn no_content() -> Answer {
    Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())
}

/// The head of a stream of events, with these lines besides.
pub(crate) fn head(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{lines}\r\n").into_bytes()
}

pub(crate) fn until_close(body: &[u8]) -> Vec<u8> {
    [&head(""), body].concat()
}

pub(crate) fn with_length(body: &[u8]) -> Vec<u8> {
    [&head(&format!("Content-Length: {}\r\n", body.len())), body].concat()
}

pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

pub(crate) const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// In chunks of so many bytes, to their end.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let chunks: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    [&head(CHUNKED)[..], &chunks, b"0\r\n\r\n"].concat()
}

pub(crate) fn redirect(status: u16, location: &str) -> Answer {
    let head = format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    Answer::Bytes(head.into_bytes())
}

/// Listens, and answers one connection after the other. The task gives the heads of the requests.
pub(crate) fn serve(answers: Vec<Answer>) -> (String, Task<Vec<String>>) {
    let (listener, address) = listen();
    (format!("http://{address}/events"), start(move || run(&listener, answers)))
}

pub(crate) fn run(listener: &TcpListener, answers: Vec<Answer>) -> Vec<String> {
    answers.into_iter().map(|answer| answer_next(listener, answer)).collect()
}

fn answer_next(listener: &TcpListener, answer: Answer) -> String {
    let mut stream = listener.accept().unwrap().0;
    patient(&stream);
    let request = read_head(&mut stream);
    match answer {
        Answer::Bytes(bytes) => write(&mut stream, &bytes),
        Answer::Pieces(pieces) => {
            for piece in pieces {
                write(&mut stream, &piece);
                thread::sleep(millis(2));
            }
        }
        Answer::Hold(bytes) => {
            write(&mut stream, &bytes);
            wait_for_end(&mut stream);
        }
        Answer::Endless(bytes, again) => {
            write(&mut stream, &bytes);
            while stream.write_all(&again).is_ok() {}
        }
    }
    request
}

/// A client that has heard enough is not the server's failure.
fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// A client that has not read everything ends TCP by a reset.
fn wait_for_end(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(len) => assert_eq!(len, 0, "a client sends its request and no more"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Connects again at once, and waits long for anything else.
pub(crate) fn subscribe(url: &str) -> Subscribe {
    Subscribe::new(url)
        .reconnection_time(millis(1))
        .max_reconnection_time(millis(2))
        .connect_timeout(Some(PATIENCE))
        .response_timeout(Some(PATIENCE))
        .idle_timeout(Some(PATIENCE))
}

/// All events, up to the end or an error.
pub(crate) fn read(source: &mut EventSource) -> (Vec<Seen>, Option<EventSourceError>) {
    let mut events = Vec::new();
    loop {
        match source.recv() {
            Ok(Some(event)) => events.push(seen(event.name, event.data, event.last_event_id)),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// What a client makes of these answers: the events, how they ended, and the requests that it sent.
pub(crate) struct Outcome {
    pub(crate) events: Vec<Seen>,
    pub(crate) error: Option<EventSourceError>,
    pub(crate) requests: Vec<String>,
}

impl Outcome {
    /// The data of the events.
    pub(crate) fn data(&self) -> Vec<&str> {
        self.events.iter().map(|(_, data, _)| data.as_str()).collect()
    }

    /// The last event ids that were sent.
    pub(crate) fn sent_ids(&self) -> Vec<Option<&str>> {
        self.requests.iter().map(|request| header(request, "Last-Event-ID")).collect()
    }
}

pub(crate) fn outcome(answers: Vec<Answer>) -> Outcome {
    outcome_with(answers, |subscribe| subscribe)
}

/// It has to end by itself, and to have used up all the answers.
pub(crate) fn outcome_with(answers: Vec<Answer>, set: impl FnOnce(Subscribe) -> Subscribe) -> Outcome {
    let (url, server) = serve(answers);
    let subscribe = set(subscribe(&url));
    let client = start(move || read(&mut subscribe.unconnected().unwrap()));
    let (events, error) = client.end();
    Outcome { events, error, requests: server.end() }
}
