//! Rooms and the clients of this crate.

use talkback::client::EventSource;
use talkback::protocol::Deflate;
use talkback::room::{RoomConfig, Rooms};
use talkback::{Config, Connect, Message, connect};

use crate::net::*;
use crate::readers::*;
use crate::serving::*;

#[test]
fn a_client_of_this_crate_talks_in_a_room() {
    let server = serve();
    let mut ws = connect(&format!("ws://{}/rooms/a/socket?client=ada", server.address)).unwrap();
    let mut told = || match ws.recv().unwrap() {
        Some(Message::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    let epoch = server.epoch("a");
    assert_eq!(told(), format!(r#"{{"id":"{epoch}-0"}}"#));
    ws.send(r#"{"message":"1","data":"hello"}"#).unwrap();
    let mut told = || match ws.recv().unwrap() {
        Some(Message::Text(text)) if text.starts_with(r#"{"here""#) => String::new(),
        Some(Message::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    let mut next = || loop {
        let text = told();
        if !text.is_empty() {
            return text;
        }
    };
    assert_eq!(next(), format!(r#"{{"ack":"1","id":"{epoch}-1","new":true}}"#));
    assert!(next().ends_with(r#""client":"ada","message":"1","data":"hello"}"#));
    server.end();
}

#[test]
fn an_event_source_of_this_crate_resumes_by_itself() {
    let server = serve();
    server.publish("a", "1", "1");
    let mut source = EventSource::connect(&format!("http://{}/rooms/a/events", server.address)).unwrap();
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "message") {
        names.push(source.recv().unwrap().unwrap().name.to_owned());
    }
    assert_eq!(names[0], "place");
    assert_eq!(source.last_event_id(), format!("{}-1", server.epoch("a")));
    // The server goes down, and another one takes its place and its rooms.
    let (rooms, address) = (server.rooms.clone(), server.address.clone());
    server.end();
    publish(&rooms, "a", "2", "2");
    let server = serve_at(&address, rooms);
    let next = start(move || {
        loop {
            let event = source.recv().unwrap().unwrap();
            if event.name == "message" {
                break event.data.to_owned();
            }
            assert!(matches!(event.name, "place" | "here"), "{event:?}");
        }
    });
    assert!(next.end().ends_with(r#""message":"2","data":2}"#));
    server.end();
}

#[test]
#[cfg(feature = "deflate")]
fn publications_are_compressed_for_whoever_agreed_and_plain_for_all_others() {
    let rooms = Rooms::new(RoomConfig::default().deflate(Some(Deflate::shared()))).unwrap();
    let deflate = Config::default().deflate(Some(Deflate::shared()));
    let server = serve_app(rooms, pages(), |server| server.accept(accept().config(deflate.clone())));
    let data = format!(r#""{}""#, "again and ".repeat(1000));
    server.publish("a", "1", &data);
    let url = format!("ws://{}/rooms/a/socket?after=x", server.address);
    let mut agreed = Connect::new(url).config(deflate).connect().unwrap();
    let mut plain = Reader::open(&server.address, Transport::Socket, "a", Some("x"), "").unwrap();
    assert!(matches!(plain.read(), Told::Gap { first: 1, last: 1, .. }));
    assert_eq!(plain.read_seq(), 1);
    for message in ["2", "3"] {
        server.publish("a", message, &data);
    }
    assert_eq!((plain.read_seq(), plain.read_seq()), (2, 3));
    // What isn't compressed comes in between.
    let mut told = Vec::new();
    while told.len() < 4 {
        match agreed.recv().unwrap() {
            Some(Message::Text(text)) if text.starts_with(r#"{"here""#) => {}
            Some(Message::Text(text)) => told.push(text),
            other => panic!("{other:?}"),
        }
    }
    assert!(told[0].contains(r#""gap":{"#), "{}", told[0]);
    for (text, message) in told[1..].iter().zip(["1", "2", "3"]) {
        assert!(text.ends_with(&format!(r#""message":"{message}","data":{data}}}"#)));
    }
    let handle = server.handle.clone();
    drop((plain, agreed));
    server.end();
    let (sent_len, plain_len) = (handle.snapshot().sent_len, 3 * data.len() as u64);
    assert!(sent_len > plain_len && sent_len < plain_len + 4000, "{sent_len}");
}
