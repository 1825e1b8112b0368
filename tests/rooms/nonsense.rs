//! What no client of ours would send.

use std::io::Write;

use serde_json::{Value, json};
use talkback::room::MAX_JSON_DEPTH;

use crate::clients::*;
use crate::net::*;
use crate::readers::*;
use crate::serving::*;

fn open(server: &Running) -> Reader {
    Reader::open(&server.address, Transport::Socket, "a", None, "client=c").unwrap()
}

/// The code that a connection is closed with.
#[track_caller]
fn closed(socket: &mut Reader) -> u64 {
    loop {
        match socket.read() {
            Told::Other(object) if object["closed"].is_u64() => return object["closed"].as_u64().unwrap(),
            Told::Place(_) => {}
            told => panic!("{told:?}"),
        }
    }
}

/// What it is told of something that it has sent.
#[track_caller]
fn say(socket: &mut Reader, said: &str) -> Value {
    socket.write(&text(said)).unwrap();
    loop {
        if let Told::Other(object) = socket.read() {
            return object;
        }
    }
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn a_connection_that_sends_bytes_is_closed_with_1003() {
    let server = serve();
    let mut socket = open(&server);
    socket.write(&frame(true, 0x82, br#"{"message":"m","data":0}"#)).unwrap();
    assert_eq!(closed(&mut socket), 1003);
    assert_eq!(server.rooms.look("a", |log| log.count()), Some(0));
    server.end();
}

#[test]
fn a_connection_that_sends_anything_but_the_objects_that_are_known_is_closed_with_1007() {
    let server = serve();
    let long = "x".repeat(65);
    for nonsense in [
        "",
        "hello",
        "[]",
        "null",
        "{",
        "{}",
        r#"{"data":0}"#,
        r#"{"message":1,"data":0}"#,
        r#"{"message":"","data":0}"#,
        r#"{"message":"a b","data":0}"#,
        &format!(r#"{{"message":"{long}","data":0}}"#),
        r#"{"message":"m","data":0}x"#,
    ] {
        let mut socket = open(&server);
        socket.write(&text(nonsense)).unwrap();
        assert_eq!(closed(&mut socket), 1007, "{nonsense:.80}");
    }
    let mut socket = open(&server);
    socket.write(&frame(true, 0x81, b"\"\xff\"")).unwrap();
    assert_eq!(closed(&mut socket), 1007);
    assert_eq!(server.rooms.look("a", |log| log.count()), Some(0));
    server.end();
}

#[test]
fn data_that_some_readers_could_not_read_is_refused_and_the_connection_goes_on() {
    let server = serve();
    let mut socket = open(&server);
    let (deep, deepest) = (nested(MAX_JSON_DEPTH + 1), nested(500));
    for (n, data) in [r#""\ud800""#, "1e999", &deep, &deepest].into_iter().enumerate() {
        let told = say(&mut socket, &format!(r#"{{"message":"m{n}","data":{data}}}"#));
        assert_eq!((&told["refused"], &told["status"]), (&format!("m{n}").into(), &400.into()), "{told}");
        let body = format!(r#"{{"client":"c","message":"m{n}","data":{data}}}"#);
        assert_eq!(ask(&mut server.connect(), &post("/rooms/a/messages", &body)).status, 400);
        let state = format!(r#"{{"client":"c","state":{data}}}"#);
        assert_eq!(ask(&mut server.connect(), &post("/rooms/a/here", &state)).status, 400);
    }
    // As deep as may be, data without any, and what stands for itself.
    let deepest = format!(r#"{{"message":"n","data":{}}}"#, nested(MAX_JSON_DEPTH));
    assert_eq!(say(&mut socket, &deepest)["ack"], "n");
    let refused = say(&mut socket, r#"{"message":"none"}"#);
    assert_eq!(refused, json!({ "refused": "none", "status": 400, "error": "data is missing" }));
    let odd = r#"{"message":"\"\\","more":[],"data":1,"data":{"last":"counts"}}"#;
    assert_eq!(say(&mut socket, odd)["ack"], "\"\\");
    loop {
        if let Told::Publication { message, data, .. } = socket.read()
            && message == "\"\\"
        {
            break assert_eq!(data, json!({ "last": "counts" }));
        }
    }
    server.end();
}

#[test]
fn a_body_that_is_nonsense_is_refused_with_400() {
    let server = serve();
    for (endpoint, body, why) in [
        ("messages", "", "EOF while parsing a value at line 1 column 0"),
        ("messages", "[]", "invalid type: sequence, expected a map at line 1 column 0"),
        ("messages", "{}", "client is missing"),
        ("messages", r#"{"client":1}"#, "client is not a text"),
        ("messages", r#"{"client":"c"}"#, "message is missing"),
        ("messages", r#"{"client":"c","message":"m"}"#, "data is missing"),
        ("here", r#"{"client":"c"}"#, "state is missing"),
        ("here", r#"{"state":0}"#, "client is missing"),
    ] {
        let answer = ask(&mut server.connect(), &post(&format!("/rooms/a/{endpoint}"), body));
        assert_eq!((answer.status, &*answer.body), (400, &*format!("{why}\n")), "{body}");
    }
    for body in [&b"\xff\xfe"[..], b"{\"client\":\"c\",\"message\":\"m\",\"data\":\"\xff\"}", &[0; 1000]] {
        let mut stream = server.connect();
        let head =
            format!("POST /rooms/a/messages HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        assert_eq!(read_answer(&mut stream, false).status, 400);
    }
    for state in ["%7B", "", "1%202", "nothing", "%FF"] {
        for endpoint in ["messages", "stream", "events"] {
            let target = format!("/rooms/a/{endpoint}?client=c&state={state}");
            assert_eq!(ask(&mut server.connect(), &get(&target)).status, 400, "{target}");
        }
    }
    assert_eq!(server.rooms.look("a", |log| log.count()).unwrap_or_default(), 0);
    server.end();
}

#[test]
fn what_comes_up_a_stream_is_heard_by_nobody() {
    let server = serve();
    for transport in [Transport::Lines, Transport::Events] {
        let mut reader = Reader::open(&server.address, transport, "a", Some("end"), "").unwrap();
        assert!(matches!(reader.read(), Told::Place(_)));
        reader.write(get("/rooms/b/messages").as_bytes()).unwrap();
        reader.write(&[b'x'; 100_000]).unwrap();
        server.publish("a", &format!("{transport:?}"), "0");
        assert!(matches!(reader.read(), Told::Publication { .. }));
    }
    assert_eq!(server.rooms.count(), 1);
    server.end();
}
