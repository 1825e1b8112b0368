//! What a client comes back from, and what it does not.

use std::time::Instant;

use talkback::Config;
use talkback::client::ConnectError;
use talkback::handshake::ResponseError;
use talkback::room::{Cursor, QueueError, RoomClientError, RoomEvent};

use crate::net::*;
use crate::script::*;

/// The error that ends a client of these, which stays, and after which nothing is published.
fn failure(acts: Vec<Act>) -> (Vec<String>, RoomClientError) {
    let (url, server) = serve(acts);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        let (events, error) = read(&mut room);
        let error = error.unwrap();
        assert_eq!(room.recv().unwrap_err().to_string(), error.to_string());
        assert_eq!(room.sender().publish(&raw("1")), Err(QueueError::Closed));
        assert!(room.sender().is_closed());
        (events, error)
    });
    let result = reader.end();
    server.end();
    result
}

#[test]
fn a_refusal_that_blames_the_client_is_the_end() {
    for status in [400, 401, 403, 404, 410, 413, 414, 426, 431, 499] {
        let (events, error) = failure(vec![refuse(status, &[])]);
        assert!(events.is_empty() && !error.is_retryable());
        let RoomClientError::Connect(error) = error else { panic!("{error:?}") };
        let ConnectError::Response(ResponseError::Refused(response)) = &*error else { panic!("{error:?}") };
        assert_eq!((response.status().code(), response.content()), (status, &b"not now\n"[..]));
    }
}

#[test]
fn any_other_refusal_is_come_back_from() {
    for status in [200, 302, 408, 429, 500, 502, 503, 599] {
        let acts = vec![refuse(status, &[]), hold_to_the_end(vec![place(0), publication(1)])];
        assert_eq!(outcome(acts, 3).0, ["disconnected", "connected", "1"], "{status}");
    }
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    for status in [429, 503] {
        let begun = Instant::now();
        let acts = vec![refuse(status, &[("Retry-After", "1")]), hold_to_the_end(vec![publication(1)])];
        outcome(acts, 3);
        assert!(begun.elapsed() >= millis(1000));
    }
    // Without reason, or in words, it is not looked at; nor is it waited for ever.
    let (url, server) = serve(vec![
        refuse(500, &[("Retry-After", "100000")]),
        refuse(503, &[("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")]),
        refuse(503, &[("Retry-After", "-1")]),
        refuse(503, &[("Retry-After", "18446744073709551615")]),
    ]);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        let retry_in: Vec<_> = (0..4)
            .map(|_| match room.recv().unwrap().unwrap() {
                RoomEvent::Disconnected { retry_in, .. } => retry_in.as_secs(),
                event => panic!("{event:?}"),
            })
            .collect();
        retry_in
    });
    assert_eq!(reader.end(), [0, 0, 0, 3600]);
    server.end();
}

#[test]
fn a_close_that_blames_the_client_is_the_end() {
    for code in [1002, 1003, 1007, 1008, 1009, 1010] {
        let (events, error) = failure(vec![close(vec![place(0), publication(1)], code)]);
        assert_eq!(events, ["connected", "1"]);
        let RoomClientError::Closed(Some(close)) = error else { panic!("{error:?}") };
        assert_eq!(close.code().value(), code);
    }
}

#[test]
fn any_other_close_is_come_back_from() {
    for code in [1000, 1001, 1011, 1012, 1013, 3000, 4999] {
        let acts = vec![
            close(vec![place(0), publication(1)], code),
            cut(vec![place(1)]),
            hold_to_the_end(vec![place(1), publication(2)]),
        ];
        let (events, targets) = outcome(acts, 7);
        let expected = ["connected", "1", "disconnected", "connected", "disconnected", "connected", "2"];
        assert_eq!(events, expected, "{code}");
        assert!(!targets[0].contains("after="));
        let after = format!("after={}", Cursor::new(EPOCH, 1));
        assert!(targets[1..].iter().all(|target| target.contains(&after)), "{targets:?}");
    }
}

#[test]
fn attempts_in_a_row_are_counted_and_bounded() {
    // What is published, or acknowledged, and the count begins anew; a place does not help.
    let useless = || cut(vec![place(0)]);
    let (url, server) = serve(vec![
        refuse(503, &[]),
        useless(),
        cut(vec![place(0), publication(1)]),
        refuse(503, &[]),
        cut(vec![place(1)]),
        cut(vec![place(1), publication(1)]),
    ]);
    let mut room = client(&url).max_attempt_count(Some(3)).open().unwrap();
    let (_, error) = start(move || read(&mut room)).end();
    let Some(RoomClientError::TooManyAttempts { count: 3, last }) = error else { panic!("{error:?}") };
    assert!(matches!(*last, RoomClientError::Lost(_)), "{last:?}");
    server.end();
}

#[test]
fn nobody_who_listens_is_tried_again() {
    let (listener, address) = listen();
    drop(listener);
    let mut room = client(&format!("ws://{address}/")).max_attempt_count(Some(4)).open().unwrap();
    let (events, error) = start(move || read(&mut room)).end();
    assert_eq!(events, ["disconnected"; 3]);
    let Some(RoomClientError::TooManyAttempts { count: 4, last }) = error else { panic!("{error:?}") };
    assert!(matches!(*last, RoomClientError::Connect(_)), "{last:?}");
}

#[test]
fn what_can_not_be_asked_for_is_told_before_it_begins() {
    for url in ["wss://localhost/", "http://localhost/", "ws://", "ws://localhost/#a", ""] {
        let error = client(url).open().unwrap_err();
        assert!(matches!(&error, RoomClientError::Connect(_)) && !error.is_retryable(), "{url}");
    }
    let error = client("ws://localhost/").header("a b", "c").open().unwrap_err();
    assert!(!error.is_retryable());
}

#[test]
fn a_server_that_does_not_answer_or_falls_silent_is_given_up() {
    let (mute, _) = mute();
    // It does not even answer pings.
    let silent = deaf(vec![place(0), publication(1)]);
    let (url, server) = serve(vec![mute, silent]);
    let config = Config::default().ping_interval(Some(millis(20))).idle_timeout(Some(millis(500)));
    let impatient = client(&url).handshake_timeout(Some(millis(500))).config(config);
    let reader = start(move || {
        let mut room = impatient.open().unwrap();
        let events = read_some(&mut room, 4);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
        events
    });
    assert_eq!(reader.end(), ["disconnected", "connected", "1", "disconnected"]);
    server.end();
}
