//! What a client says of itself, and who else is there.

use talkback::room::{After, Cursor, RoomEvent};

use crate::net::*;
use crate::script::*;

/// The value in a target's query, decoded.
fn query(target: &str, name: &str) -> Option<String> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let limits = talkback::http::HeadLimits::default();
    let (request, _) = talkback::http::Request::decode(head.as_bytes(), limits).unwrap().unwrap();
    request.query_value(name)
}

#[test]
fn a_state_is_said_with_the_request_and_a_new_one_at_once_and_with_the_next() {
    let heard = open(|mut socket| {
        say(&mut socket, &[place(0), publication(1)]);
        assert_eq!(hear(&mut socket)["state"], "busy & happy");
    });
    let (url, server) = serve(vec![cut(vec![place(0)]), heard, hold_to_the_end(vec![publication(2)])]);
    let reader = start(move || {
        let mut room = client(&url).state(&raw(r#"{"name": "\u00e4+%"}"#)).open().unwrap();
        assert_eq!(read_some(&mut room, 4), ["connected", "disconnected", "connected", "1"]);
        room.sender().set_state(&raw("\"busy & happy\""));
        assert_eq!(read_some(&mut room, 3), ["disconnected", "connected", "2"]);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    let states: Vec<_> = server.end().iter().map(|target| query(target, "state").unwrap()).collect();
    assert_eq!(states, [r#"{"name": "\u00e4+%"}"#, r#"{"name": "\u00e4+%"}"#, "\"busy & happy\""]);
}

#[test]
fn a_state_that_is_too_long_for_a_query_is_said_once_connected() {
    let long = format!("\"{}\"", "x".repeat(2_000));
    let expected = long.clone();
    let hears = move || {
        let expected = expected.clone();
        open(move |mut socket| {
            assert_eq!(hear(&mut socket)["state"].to_string(), expected);
            say(&mut socket, &[place(0), refusal("null")]);
        })
    };
    let (url, server) = serve(vec![hears(), hears(), hold_to_the_end(vec![publication(1)])]);
    let reader = start(move || {
        let mut room = client(&url).state(&raw(&long)).open().unwrap();
        let refused = ["connected", "refused false 413", "disconnected"];
        assert_eq!(read_some(&mut room, 6), [refused, refused].concat());
        room.sender().set_state(&raw("1"));
        assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    let states: Vec<_> = server.end().iter().map(|target| query(target, "state")).collect();
    assert_eq!(states, [None, None, Some("1".to_owned())]);
}

#[test]
fn a_client_says_who_and_where_it_is() {
    let first = |after: After| {
        let (url, server) = serve(vec![hold_to_the_end(vec![gap(EPOCH, 1, 0)])]);
        let mut room = client(&format!("{url}?key=1")).after(after).open().unwrap();
        assert_eq!(read_some(&mut room, 2), ["connected", "gap feed 1 0"]);
        room.sender().close();
        assert!(start(move || room.recv().unwrap().is_none()).end());
        let target = server.end().remove(0);
        assert_eq!(
            (query(&target, "key").unwrap(), query(&target, "client").unwrap().as_str()),
            ("1".to_owned(), "ada")
        );
        assert_eq!(query(&target, "state"), None);
        query(&target, "after")
    };
    assert_eq!(first(After::Start), None);
    assert_eq!(first(After::End).unwrap(), "end");
    assert_eq!(first(Cursor::new(EPOCH, 7).into()).unwrap(), "000000000000feed-7");
}

#[test]
fn who_is_there_is_told() {
    let here = r#"{"here":[{"client":"ada","state":null},{"client":"bob","state":{"a": 1}}],"count":200}"#;
    let (url, server) = serve(vec![hold_to_the_end(vec![place(0), here.to_owned()])]);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        assert_eq!(read_some(&mut room, 1), ["connected"]);
        let Some(RoomEvent::Here { present, count: 200 }) = room.recv().unwrap() else { panic!("a list") };
        let present: Vec<_> = present.iter().map(|one| (one.client.as_str(), one.state.get())).collect();
        assert_eq!(present, [("ada", "null"), ("bob", "{\"a\": 1}")]);
        assert_eq!(room.cursor(), Some(Cursor::new(EPOCH, 0)));
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    server.end();
}
