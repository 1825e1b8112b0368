//! Sends what it reads as server-sent events to all who read along, from event loops. Whoever comes back gets
//! what was missed, and nothing twice.
//!
//! ```text
//! cargo run --release --example feed [-- [ADDR]]
//! ```
//!
//! Each line of standard input is a JSON object:
//! - `{"data": "two\nlines", "name": "news"}` is an event. Its id is its number, from 1 on; the name may be left out.
//! - `{"comment": "nobody sees this"}`
//! - `{"retry": 50}`: so many milliseconds are to be waited before coming back, also by those who come later.
//! - `{"end": true}` ends all streams; their readers come back.
//! - `{"over": true}` does too, and whoever comes back is told by a 204 that there is no more.

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, io, thread};

use serde_json::Value;
use talkback::Accept;
use talkback::http::{Request, Response, Status};
use talkback::protocol::MessageRef;
use talkback::server::{Answer, Connection, EventPeer, Handler, Server, ServerHandle};
use talkback::sse::{EncodeError, Event};

fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    if let Err(error) = serve(&address) {
        eprintln!("feed: {address}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(address: &str) -> io::Result<()> {
    let server = Server::bind(address)?.accept(Accept::new());
    println!("listening on http://{}/events", server.local_addr()?);
    let feed = Feed::default();
    let (reading, handle) = (feed.clone(), server.handle());
    thread::spawn(move || read(&reading, &handle));
    server.run(feed)
}

/// Does what standard input says; ends the server at its end.
fn read(feed: &Feed, server: &ServerHandle) {
    for line in io::stdin().lines().map_while(Result::ok) {
        if let Err(error) = feed.say(&line) {
            eprintln!("feed: {line}: {error}");
        }
    }
    server.drain(Duration::from_millis(100));
}

/// The same for all loops.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    readers: Vec<EventPeer>,
    retry: Option<u32>,
    is_over: bool,
}

struct Entry {
    id: String,
    name: String,
    data: String,
}

impl Entry {
    fn event(&self) -> Result<Event<'_>, EncodeError> {
        Event::new(&self.data).name(&self.name)?.id(&self.id)
    }
}

impl Feed {
    fn say(&self, line: &str) -> Result<(), Box<dyn Error>> {
        let value: Value = serde_json::from_str(line)?;
        let is_set = |name| value.get(name).and_then(Value::as_bool).unwrap_or_default();
        let text = |name| value.get(name).and_then(Value::as_str);
        let mut state = self.lock();
        if let Some(data) = text("data") {
            let id = (state.entries.len() + 1).to_string();
            let name = text("name").unwrap_or_default().to_owned();
            let entry = Entry { id, name, data: data.to_owned() };
            let event = entry.event()?;
            state.readers.retain(|reader| is_sent(reader, &event));
            state.entries.push(entry);
        } else if let Some(comment) = text("comment") {
            state.readers.retain(|reader| reader.comment(comment).is_ok());
        } else if let Some(retry) = value.get("retry").and_then(Value::as_u64) {
            let retry = u32::try_from(retry)?;
            state.readers.retain(|reader| reader.retry(retry).is_ok());
            state.retry = Some(retry);
        } else if is_set("end") || is_set("over") {
            state.is_over = is_set("over");
            state.readers.drain(..).for_each(|reader| reader.close());
        } else {
            return Err("nothing that is known here".into());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a reader keeps up; if not, its stream ends, and it comes back for the rest.
fn is_sent(reader: &EventPeer, event: &Event<'_>) -> bool {
    let is_sent = reader.send(event).is_ok();
    if !is_sent {
        reader.close();
    }
    is_sent
}

impl Handler for Feed {
    type State = ();

    fn on_request(&mut self, request: &Request) -> Answer {
        match (request.method(), request.path()) {
            ("GET", "/events") if self.lock().is_over => Answer::Respond(Response::new(Status::NO_CONTENT)),
            ("GET", "/events") => Answer::Events,
            _ => Answer::Respond(Response::refusal(Status::NOT_FOUND, "there is nothing here")),
        }
    }

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, (): &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}

    fn on_events(&mut self, reader: EventPeer, request: &Request) {
        let mut state = self.lock();
        if state.is_over {
            return reader.close(); // it was asked for before
        }
        // An id that isn't ours means nothing here: such a reader gets all.
        let last = request.headers().only("Last-Event-ID").ok().flatten();
        let seen_count = last.and_then(|id| id.parse().ok()).unwrap_or(0);
        let is_told = state.retry.is_none_or(|retry| reader.retry(retry).is_ok());
        let mut missed = state.entries.iter().skip(seen_count);
        if is_told && missed.all(|entry| entry.event().is_ok_and(|event| is_sent(&reader, &event))) {
            state.readers.push(reader);
        }
    }
}
