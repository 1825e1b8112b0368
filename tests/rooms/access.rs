//! What an application allows, in each transport.

use std::panic::resume_unwind;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use talkback::http::{Request, Status};
use talkback::room::{Access, Admission, ClientId, Refusal};

use crate::clients::*;
use crate::net::*;
use crate::readers::*;
use crate::serving::*;

/// Decides by the name of the room and by what is said.
struct Doorman;

impl Access for Doorman {
    fn admit(&self, room: &str, request: &Request) -> Result<Admission, Refusal> {
        match room {
            "closed" => Err(Refusal::new(Status::FORBIDDEN, "members only")),
            "nowhere" => Err(Refusal::new(Status::NOT_FOUND, "there is no such room")),
            "news" => Ok(Admission::new().read_only()),
            "session" => {
                let user = request.headers().only("X-User").ok().flatten();
                let user = user.or(request.query_value("user").as_deref().map(|_| "ada")).unwrap_or("guest");
                Ok(Admission::new().client(ClientId::new(user).unwrap()))
            }
            "panic" => fail(),
            _ => Ok(Admission::new()),
        }
    }

    fn publish(&self, _: &str, client: &ClientId, data: &RawValue) -> Result<Option<Box<RawValue>>, Refusal> {
        match data.get() {
            r#""spam""# => Err(Refusal::new(Status::new(429).unwrap(), "one at a time").retry_after(7)),
            r#""sign me""# => Ok(Some(raw(&format!(r#"{{"by":"{client}"}}"#)))),
            r#""panic""# => fail(),
            _ => Ok(None),
        }
    }
}

/// Panics, without a line on standard error.
fn fail() -> ! {
    resume_unwind(Box::new("as told"))
}

fn post_data(server: &Running, room: &str, message: &str, data: &str) -> Answer {
    let body = format!(r#"{{"client":"c","message":"{message}","data":"{data}"}}"#);
    ask(&mut server.connect(), &post(&format!("/rooms/{room}/messages"), &body))
}

fn open(server: &Running, transport: Transport, room: &str, query: &str) -> std::io::Result<Reader> {
    Reader::open(&server.address, transport, room, None, query)
}

/// What a connection is told of a message of its own.
#[track_caller]
fn say(socket: &mut Reader, message: &str, data: &str) -> Value {
    socket.write(&text(&format!(r#"{{"message":"{message}","data":"{data}"}}"#))).unwrap();
    loop {
        if let Told::Other(object) = socket.read() {
            return object;
        }
    }
}

#[test]
fn whoever_is_not_admitted_is_told_why_in_every_transport_and_no_room_is_made() {
    let server = serve_access(Doorman);
    for (room, status, why) in
        [("closed", 403, "members only\n"), ("nowhere", 404, "there is no such room\n")]
    {
        let said = r#"{"client":"c","message":"m","data":0,"state":0}"#;
        for request in [
            get(&format!("/rooms/{room}/messages?wait=9")),
            request_of("HEAD", &format!("/rooms/{room}/messages"), "", ""),
            get(&format!("/rooms/{room}/stream")),
            get(&format!("/rooms/{room}/events")),
            get(&format!("/rooms/{room}/here")),
            request_to(&format!("/rooms/{room}/socket"), ""),
            post(&format!("/rooms/{room}/messages"), said),
            post(&format!("/rooms/{room}/here"), said),
        ] {
            let answer = ask(&mut server.connect(), &request);
            let expected = if request.starts_with("HEAD") { "" } else { why };
            assert_eq!((answer.status, &*answer.body), (status, expected), "{request}");
        }
    }
    assert_eq!(server.rooms.count(), 0);
    server.end();
}

#[test]
fn who_may_only_read_reads_in_every_transport_and_publishes_in_none() {
    let server = serve_access(Doorman);
    server.publish("news", "1", "0");
    for transport in ALL {
        assert_eq!(open(&server, transport, "news", "client=c").unwrap().read_seq(), 1, "{transport:?}");
    }
    let answer = post_data(&server, "news", "2", "mine");
    assert_eq!((answer.status, &*answer.body), (403, "this room can only be read\n"));
    let mut socket = open(&server, Transport::Socket, "news", "client=c").unwrap();
    let told = say(&mut socket, "2", "mine");
    assert_eq!(told, json!({ "refused": "2", "status": 403, "error": "this room can only be read" }));
    // It may say what it is doing.
    socket.write(&text(r#"{"state":"reading"}"#)).unwrap();
    while !matches!(socket.next().unwrap(), Some(Told::Here(list)) if list["here"][0]["state"] == "reading") {
    }
    drop(socket);
    server.end();
}

#[test]
fn a_client_is_who_the_application_says_it_is() {
    let server = serve_access(Doorman);
    let answer = post_data(&server, "session", "1", "x");
    assert_eq!(answer.status, 200);
    let body = r#"{"message":"2","data":"x"}"#; // it needn't say anything
    let request = request_of("POST", "/rooms/session/messages", "X-User: ada\r\n", body);
    assert_eq!(ask(&mut server.connect(), &request).status, 200);
    let mut socket = open(&server, Transport::Socket, "session", "user=1&client=%20forged").unwrap();
    assert_eq!(say(&mut socket, "3", "x")["new"], true);
    assert_eq!(say(&mut socket, "2", "x")["new"], false);
    let clients = server.rooms.look("session", |log| {
        let page = log.read(talkback::room::After::Start, talkback::room::PageLimits::default());
        page.publications().map(|publication| publication.client().to_string()).collect::<Vec<_>>()
    });
    assert_eq!(clients.unwrap(), ["guest", "ada", "ada"]);
    let mut observer = open(&server, Transport::Lines, "session", "").unwrap();
    while !matches!(observer.next().unwrap(), Some(Told::Here(list))
        if list == json!({ "here": [{ "client": "ada", "state": null }, { "client": "guest", "state": null }], "count": 2 }))
    {
    }
    drop((socket, observer));
    server.end();
}

#[test]
fn a_publication_may_be_refused_or_be_stored_as_another() {
    let server = serve_access(Doorman);
    let refused = post_data(&server, "a", "1", "spam");
    assert_eq!((refused.status, &*refused.body), (429, "one at a time\n"));
    assert_eq!(refused.header("Retry-After"), Some("7"));
    assert_eq!(post_data(&server, "a", "2", "sign me").status, 200);
    let mut socket = open(&server, Transport::Socket, "a", "client=ada&after=end").unwrap();
    let told = say(&mut socket, "1", "spam");
    assert_eq!(told, json!({ "refused": "1", "status": 429, "error": "one at a time" }));
    assert_eq!(say(&mut socket, "2", "sign me")["new"], true);
    for transport in ALL {
        let mut reader = open(&server, transport, "a", "").unwrap();
        for by in ["c", "ada"] {
            let told = loop {
                match reader.read() {
                    Told::Place(_) => {}
                    told => break told,
                }
            };
            assert!(
                matches!(&told, Told::Publication { data, .. } if *data == json!({ "by": by })),
                "{told:?}"
            );
        }
    }
    drop(socket);
    server.end();
}

#[test]
fn a_hook_that_panics_costs_its_own_connection_and_nothing_else() {
    let server = serve_access(Doorman);
    let mut other = open(&server, Transport::Socket, "a", "client=other").unwrap();
    for request in [
        get("/rooms/panic/messages"),
        get("/rooms/panic/stream"),
        request_to("/rooms/panic/socket", ""),
        post("/rooms/panic/messages", r#"{"client":"c","message":"m","data":0}"#),
    ] {
        let answer = ask(&mut server.connect(), &request);
        assert_eq!((answer.status, answer.header("Connection")), (500, Some("close")), "{request}");
    }
    assert_eq!(post_data(&server, "a", "1", "panic").status, 500);
    let mut socket = open(&server, Transport::Socket, "a", "client=c").unwrap();
    let told = say(&mut socket, "2", "panic");
    assert_eq!(told, json!({ "closed": 1011 }));
    drop(socket);
    assert_eq!(say(&mut other, "3", "fine")["new"], true);
    assert_eq!(post_data(&server, "a", "1", "fine this time").status, 200);
    drop(other);
    server.end();
}
