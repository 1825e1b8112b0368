//! Ending a client from another thread, or by dropping it.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use talkback::Config;
use talkback::room::{QueueError, RoomSender};

use crate::net::*;
use crate::script::*;

/// Closes once the client has had time to wait for whatever comes next.
fn close_soon(sender: RoomSender) {
    thread::spawn(move || {
        thread::sleep(millis(30));
        sender.close();
    });
}

#[test]
fn closing_wakes_who_waits_for_events() {
    let (url, server) = serve(vec![hold_to_the_end(vec![place(0), publication(1)])]);
    let mut room = client(&url).open().unwrap();
    assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
    close_soon(room.sender());
    let client = start(move || {
        for _ in 0..2 {
            assert!(room.recv().unwrap().is_none());
        }
        room
    });
    // The server gets a close, while the client is still there.
    server.end();
    let room = client.end();
    assert!(room.sender().is_closed());
    assert_eq!(room.sender().publish(&raw("1")), Err(QueueError::Closed));
}

#[test]
fn closing_wakes_who_waits_to_connect_again() {
    let (url, server) = serve(vec![cut(vec![place(0), publication(1)])]);
    let long = Duration::MAX;
    let mut room = client(&url).reconnection_time(long).max_reconnection_time(long).open().unwrap();
    assert_eq!(read_some(&mut room, 3), ["connected", "1", "disconnected"]);
    server.end();
    let sender = room.sender();
    let client = start(move || room.recv().unwrap().is_none());
    thread::sleep(millis(30));
    assert!(client.is_running(), "it waits");
    sender.close();
    assert!(client.end());
}

#[test]
fn closing_wakes_who_waits_for_a_response() {
    let (mute, is_asked) = mute();
    let (url, server) = serve(vec![mute]);
    let mut room = client(&url).handshake_timeout(Some(2 * PATIENCE)).open().unwrap();
    let sender = room.sender();
    let client = start(move || room.recv().unwrap().is_none());
    is_asked.end();
    close_soon(sender);
    assert!(client.end());
    server.end();
}

#[test]
fn what_was_closed_before_it_began_connects_nowhere() {
    let (listener, address) = listen();
    listener.set_nonblocking(true).unwrap();
    let mut room = client(&format!("ws://{address}/")).open().unwrap();
    room.sender().close();
    assert!(room.recv().unwrap().is_none());
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_server_that_does_not_answer_the_close_is_waited_for_in_bounds() {
    let (url, server) = serve(vec![deaf(vec![place(0), publication(1)])]);
    let config = Config::default().close_timeout(Some(millis(50))).linger_timeout(Some(millis(50)));
    let mut room = client(&url).config(config).open().unwrap();
    assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
    close_soon(room.sender());
    assert!(start(move || room.recv().unwrap().is_none()).end());
    server.end();
}

#[test]
fn closing_drops_the_events_that_wait() {
    let (url, server) = serve(vec![hold_to_the_end((1..100).map(publication).collect())]);
    let mut room = client(&url).open().unwrap();
    assert_eq!(read_some(&mut room, 3), ["connected", "1", "2"]);
    room.sender().close();
    assert!(start(move || room.recv().unwrap().is_none()).end());
    server.end();
}

#[test]
fn dropping_it_closes_though_there_are_senders() {
    let (url, server) = serve(vec![hold_to_the_end(vec![place(0), publication(1)])]);
    let mut room = client(&url).open().unwrap();
    assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
    let sender = room.sender();
    assert!(!sender.is_closed());
    drop(room);
    server.end();
    assert!(sender.is_closed());
    assert_eq!(sender.publish(&raw("1")), Err(QueueError::Closed));
}
