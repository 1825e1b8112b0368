//! Rooms and the clients of this crate.

use std::collections::BTreeSet;

use talkback::client::EventSource;
use talkback::room::{ClientId, RoomClient, RoomEvent};
use talkback::{Message, connect};

use crate::net::*;
use crate::proxy::Proxy;
use crate::serving::*;

/// How many messages each of two clients publishes.
const COUNT: usize = 150;

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

/// Publishes and reads, over as many connections as it takes; what it read of all, in order, and how many
/// connections it lost.
fn talk(url: &str, name: &str) -> (Vec<String>, usize) {
    let client = RoomClient::new(url, ClientId::new(name).unwrap());
    let mut room = client.reconnection_time(millis(1)).max_reconnection_time(millis(20)).open().unwrap();
    let mut unanswered: BTreeSet<_> = (0..COUNT)
        .map(|number| {
            let data = serde_json::value::to_raw_value(&format!("{name} {number}")).unwrap();
            room.sender().publish(&data).unwrap()
        })
        .collect();
    let (mut read, mut lost_count) = (Vec::new(), 0);
    while read.len() < 2 * COUNT || !unanswered.is_empty() {
        match room.recv().unwrap().unwrap() {
            RoomEvent::Publication { data, .. } => read.push(data.get().to_owned()),
            RoomEvent::Acknowledged { message, .. } => assert!(unanswered.remove(&message), "{message}"),
            RoomEvent::Disconnected { .. } => lost_count += 1,
            event @ (RoomEvent::Gap(_) | RoomEvent::Refused { .. }) => panic!("{event:?}"),
            _ => {}
        }
    }
    (read, lost_count)
}

#[test]
fn room_clients_whose_connections_are_cut_publish_each_message_once_and_read_the_same() {
    let server = serve();
    let proxy = Proxy::start(&server.address);
    let url = format!("ws://{}/rooms/a/socket", proxy.address);
    let clients = ["ann", "bob"].map(|name| {
        let url = url.clone();
        start(move || talk(&url, name))
    });
    let [(one, one_lost), (other, other_lost)] = clients.map(|client| client.end());
    assert_eq!(one, other);
    for name in ["ann", "bob"] {
        let published: Vec<_> = (0..COUNT).map(|number| format!("\"{name} {number}\"")).collect();
        let of_one: Vec<_> = one.iter().filter(|data| data.contains(name)).cloned().collect();
        assert_eq!(of_one, published);
    }
    assert!(one_lost > 0 && other_lost > 0 && proxy.cut_count() > 1, "{one_lost} {other_lost}");
    server.end();
}
