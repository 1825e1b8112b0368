//! What is published: how much may wait, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

use talkback::room::{MessageId, QueueError, RoomClientError, RoomEvent, ServerFault};

use crate::net::*;
use crate::script::*;

/// A client that never connects.
fn offline() -> talkback::room::RoomClient {
    client("ws://127.0.0.1:9/")
}

#[test]
fn exactly_as_many_messages_as_may_wait_do() {
    for (max, set) in [(1_000, None), (3, Some(3)), (0, Some(0))] {
        let room = set.map_or_else(offline, |max| offline().max_queue_count(Some(max))).open().unwrap();
        let sender = room.sender();
        let messages: BTreeSet<_> = (0..max).map(|_| sender.publish(&raw("1")).unwrap()).collect();
        assert_eq!((messages.len(), sender.waiting_count()), (max, max));
        assert_eq!(sender.publish(&raw("1")), Err(QueueError::TooManyMessages { max }));
    }
    let room = offline().max_queue_count(None).max_queue_len(None).open().unwrap();
    (0..2_000).for_each(|_| drop(room.sender().publish(&raw("1")).unwrap()));
}

#[test]
fn exactly_as_many_bytes_as_may_wait_do() {
    let mib = 1 << 20;
    for (max, set) in [(mib, None), (10, Some(10))] {
        let room = set.map_or_else(offline, |max| offline().max_queue_len(Some(max))).open().unwrap();
        let sender = room.sender();
        let text = |len: usize| raw(&format!("\"{}\"", "x".repeat(len - 2)));
        assert_eq!(sender.publish(&text(max + 1)), Err(QueueError::TooLong { len: max + 1, max }));
        sender.publish(&text(max - 4)).unwrap();
        assert_eq!(sender.publish(&text(5)), Err(QueueError::TooLong { len: max + 1, max }));
        sender.publish(&text(4)).unwrap();
        assert_eq!(sender.publish(&raw("1")), Err(QueueError::TooLong { len: max + 1, max }));
        assert_eq!(sender.waiting_count(), 2);
    }
}

#[test]
fn no_two_clients_give_the_same_id() {
    let rooms: Vec<_> = (0..20).map(|_| offline().open().unwrap()).collect();
    let publish = |room: &talkback::room::RoomReader| room.sender().publish(&raw("1")).unwrap();
    let messages: BTreeSet<MessageId> =
        rooms.iter().flat_map(|room| [publish(room), publish(room)]).collect();
    assert_eq!(messages.len(), 40);
}

#[test]
fn what_was_not_answered_is_sent_again_with_the_same_id_and_told_once() {
    let first = open(|mut socket| {
        let one = hear(&mut socket);
        assert_eq!(
            (hear(&mut socket)["data"].as_u64(), hear(&mut socket)["data"].as_u64()),
            (Some(2), Some(3))
        );
        say(&mut socket, &[acknowledgement(one["message"].as_str().unwrap(), 1, true)]);
    });
    let second = open(|mut socket| {
        let (two, three) = (hear(&mut socket), hear(&mut socket));
        assert_eq!((two["data"].as_u64(), three["data"].as_u64()), (Some(2), Some(3)));
        let (two, three) = (two["message"].as_str().unwrap(), three["message"].as_str().unwrap());
        // Late, out of order, and twice.
        let (two, three) = (acknowledgement(two, 2, false), acknowledgement(three, 3, false));
        say(&mut socket, &[three.clone(), two.clone(), three, two, place(0), publication(1)]);
    });
    let (url, server) = serve(vec![first, second, hold_to_the_end(vec![publication(2)])]);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        let sender = room.sender();
        let messages: Vec<_> = (1..=3).map(|n| sender.publish(&raw(&n.to_string())).unwrap()).collect();
        let mut told = Vec::new();
        let mut data = Vec::new();
        while data.len() < 2 {
            match room.recv().unwrap().unwrap() {
                RoomEvent::Acknowledged { message, cursor, is_new } => {
                    told.push((message, cursor.seq, is_new))
                }
                RoomEvent::Publication { data: one, .. } => data.push(one.to_string()),
                _ => {}
            }
        }
        let [one, two, three] = messages.try_into().unwrap();
        assert_eq!(told, [(one, 1, true), (three, 3, false), (two, 2, false)]);
        assert_eq!(sender.waiting_count(), 0);
        sender.close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    server.end();
}

#[test]
fn a_server_that_leaves_a_message_without_an_answer_is_left() {
    // However much it says besides.
    let silent = open(|mut socket| {
        hear(&mut socket);
        let chatter = (0..).map(publication);
        chatter.take_while(|object| socket.send(object).is_ok()).for_each(|_| thread::sleep(millis(1)));
    });
    let answers = open(|mut socket| {
        let message = hear(&mut socket)["message"].as_str().unwrap().to_owned();
        say(&mut socket, &[acknowledgement(&message, 1, true)]);
        assert_eq!(socket.recv().unwrap(), None);
    });
    let (url, server) = serve(vec![silent, answers]);
    let reader = start(move || {
        let mut room = client(&url).answer_timeout(Some(millis(300))).open().unwrap();
        room.sender().publish(&raw("1")).unwrap();
        let error = loop {
            if let RoomEvent::Disconnected { error, .. } = room.recv().unwrap().unwrap() {
                break error;
            }
        };
        assert!(matches!(error, RoomClientError::Server(ServerFault::Unanswered)), "{error:?}");
        assert_eq!(read_some(&mut room, 2), ["connected", "acknowledged true"]);
        // Where nothing is owed, nothing is waited for.
        let sender = room.sender();
        let client = start(move || room.recv().unwrap().is_none());
        thread::sleep(millis(400));
        assert!(client.is_running());
        sender.close();
        assert!(client.end());
    });
    reader.end();
    server.end();
}

#[test]
fn a_refusal_is_told_once_and_the_message_not_sent_again() {
    let first = open(|mut socket| {
        let message = hear(&mut socket)["message"].to_string();
        say(&mut socket, &[refusal(&message), refusal(&message), place(0), publication(1)]);
    });
    let (url, server) = serve(vec![first, hold_to_the_end(vec![publication(2)])]);
    let reader = start(move || {
        let mut room = client(&url).max_queue_count(Some(1)).open().unwrap();
        let sender = room.sender();
        let published = sender.publish(&raw("[]")).unwrap();
        assert_eq!(read_some(&mut room, 1), ["connected"]);
        let Some(RoomEvent::Refused { message, status: 413, error }) = room.recv().unwrap() else {
            panic!("it is refused")
        };
        assert_eq!((message, error.as_str(), sender.waiting_count()), (Some(published), "too big", 0));
        assert_eq!(read_some(&mut room, 4), ["1", "disconnected", "connected", "2"]);
        sender.close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    server.end();
}

#[test]
fn publishing_does_not_wait_for_a_server_that_does_not_read() {
    const COUNT: u64 = 200;
    let (enough, is_enough) = mpsc::channel::<()>();
    let deaf = open(move |mut socket| {
        say(&mut socket, &[place(0), publication(1)]);
        is_enough.recv_timeout(PATIENCE).unwrap_err();
    });
    let keen = open(|mut socket| {
        for n in 1..=COUNT {
            let said = hear(&mut socket);
            assert_eq!(said["data"][0].as_u64(), Some(n));
            say(&mut socket, &[acknowledgement(said["message"].as_str().unwrap(), n, true)]);
        }
        assert_eq!(socket.recv().unwrap(), None);
    });
    let (url, server) = serve(vec![deaf, keen]);
    let uncompressed = talkback::Config::default().deflate(None);
    let mut room = client(&url).config(uncompressed).max_queue_len(None).open().unwrap();
    let sender = room.sender();
    assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
    let publisher = start(move || {
        let mut random = Random(7);
        let noise: String = (0..100_000)
            .map(|_| char::from_digit(u32::try_from(random.below(36)).unwrap(), 36).unwrap())
            .collect();
        (1..=COUNT).for_each(|n| drop(sender.publish(&raw(&format!("[{n},\"{noise}\"]"))).unwrap()));
        sender
    });
    let sender = publisher.end();
    assert_eq!(sender.waiting_count(), 200);
    let reader = start(move || read(&mut room));
    drop(enough);
    assert!(sender.wait_until_settled(PATIENCE));
    sender.close();
    assert!(reader.end().1.is_none());
    server.end();
}

#[test]
fn who_waits_for_answers_is_woken_by_them() {
    let answers = open(|mut socket| {
        for seq in 1..=5 {
            let message = hear(&mut socket)["message"].as_str().unwrap().to_owned();
            thread::sleep(millis(5));
            say(&mut socket, &[acknowledgement(&message, seq, true)]);
        }
        assert_eq!(socket.recv().unwrap(), None);
    });
    let (url, server) = serve(vec![answers]);
    let mut room = client(&url).open().unwrap();
    let sender = room.sender();
    assert!(sender.wait_until_settled(millis(0)));
    (0..5).for_each(|_| drop(sender.publish(&raw("1")).unwrap()));
    assert!(!sender.wait_until_settled(millis(1)));
    let reader = start(move || read(&mut room));
    assert!(sender.wait_until_settled(PATIENCE));
    sender.close();
    let (events, error) = reader.end();
    assert!(error.is_none());
    assert_eq!(events.iter().filter(|event| *event == "acknowledged true").count(), 5);
    server.end();
}
