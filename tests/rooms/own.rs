//! Rooms and the clients of this crate.

use talkback::client::EventSource;
use talkback::{Message, connect};

use crate::net::*;
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
