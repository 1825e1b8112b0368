//! Servers that break the rules, and such that know more than we do.

use talkback::room::{Cursor, RoomClientError, RoomEvent, ServerFault};
use talkback::{CloseCode, CloseFrame, Config};

use crate::net::*;
use crate::script::*;

#[test]
fn what_is_unknown_is_passed_over() {
    let unknown = ["{}", r#"{"typing":["bob"]}"#, r#"{"here-and-there":1,"id":7}"#];
    let mut objects: Vec<_> = unknown.into_iter().map(str::to_owned).collect();
    objects.extend([place(0), publication(1)]);
    // One that has a cursor is a part of the log.
    objects.push(format!(r#"{{"id":"{EPOCH:016x}-2","deleted":1}}"#));
    objects.push(publication(3));
    objects.extend(["nobody", "000000000000feed-1", ""].map(|message| acknowledgement(message, 1, true)));
    objects.push(refusal(r#""nobody""#));
    objects.push(publication(4));
    let (events, _) = outcome(vec![hold_to_the_end(objects)], 4);
    assert_eq!(events, ["connected", "1", "3", "4"]);
}

/// What comes of a server that says this behind publication 1, and is told why by `code`.
fn fault(wrong: &str, code: u16) -> ServerFault {
    let (url, server) = serve(vec![
        hold(vec![place(0), publication(1), wrong.to_owned()], code),
        hold_to_the_end(vec![place(1), publication(2)]),
    ]);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        assert_eq!(read_some(&mut room, 2), ["connected", "1"]);
        let Some(RoomEvent::Disconnected { error: RoomClientError::Server(fault), .. }) =
            room.recv().unwrap()
        else {
            panic!("the server is at fault")
        };
        assert_eq!(read_some(&mut room, 2), ["connected", "2"]);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
        fault
    });
    let fault = reader.end();
    assert!(server.end()[1].contains(&format!("after={}", Cursor::new(EPOCH, 1))));
    fault
}

#[test]
fn malformed_json_is_told_and_come_back_from() {
    for wrong in ["", "hello", "[]", "7", "{\"id\":", "{\"a\":\"\\ud800\"}x"] {
        assert_eq!(fault(wrong, 1007), ServerFault::InvalidJson, "{wrong}");
    }
    for wrong in [r#"{"id":"feed-2"}"#, r#"{"ack":7}"#, r#"{"here":{}}"#, r#"{"id":"x","gap":null}"#] {
        assert_eq!(fault(wrong, 1007), ServerFault::InvalidObject, "{wrong}");
    }
}

#[test]
fn another_log_is_not_read_without_a_gap() {
    let untold = ServerFault::UntoldEpoch { known: EPOCH, epoch: 7 };
    assert_eq!(fault(&publication_in(7, 2, "bob", "2", "2"), 1002), untold);
    assert_eq!(fault(r#"{"id":"0000000000000007-1"}"#, 1002), untold);
}

#[test]
fn publications_are_not_left_out_without_a_gap() {
    assert_eq!(fault(&publication(3), 1002), ServerFault::Skipped { next: 2, seq: 3 });
    assert_eq!(fault(&place(2), 1002), ServerFault::Skipped { next: 2, seq: 2 });
}

#[test]
fn binary_is_told_and_come_back_from() {
    let binary = open(|mut socket| {
        socket.send(&b"{}"[..]).unwrap();
        assert_eq!(socket.recv().unwrap(), None);
        assert_eq!(socket.peer_close().unwrap().code().value(), 1003);
    });
    let (events, _) = outcome(vec![binary, hold_to_the_end(vec![publication(1)])], 4);
    assert_eq!(events, ["connected", "disconnected", "connected", "1"]);
}

#[test]
fn a_server_that_goes_on_with_nonsense_is_given_up_where_attempts_are_limited() {
    let nonsense = || hold(vec![place(0), publication(1), "?".to_owned()], 1007);
    let (url, server) = serve(vec![nonsense(), nonsense(), nonsense()]);
    let mut room = client(&url).max_attempt_count(Some(3)).open().unwrap();
    let (events, error) = start(move || read(&mut room)).end();
    assert_eq!(events, ["connected", "1", "disconnected", "connected", "disconnected", "connected"]);
    let Some(RoomClientError::TooManyAttempts { count: 3, last }) = error else { panic!("{error:?}") };
    assert!(matches!(*last, RoomClientError::Server(ServerFault::InvalidJson)));
    server.end();
}

#[test]
fn a_message_that_is_too_long_is_not_read() {
    let long = format!(r#"{{"later":"{}"}}"#, "x".repeat(2_000));
    let too_long = open(move |mut socket| {
        say(&mut socket, &[place(0), long]);
        assert_eq!(socket.recv().unwrap(), None);
        assert_eq!(socket.peer_close().unwrap().code().value(), 1009);
    });
    let (url, server) = serve(vec![too_long, hold_to_the_end(vec![publication(1)])]);
    let reader = start(move || {
        let mut room = client(&url).config(Config::default().max_message_len(Some(2_000))).open().unwrap();
        let events = read_some(&mut room, 4);
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
        events
    });
    assert_eq!(reader.end(), ["connected", "disconnected", "connected", "1"]);
    server.end();
}

#[test]
fn random_bytes_in_place_of_objects_do_no_harm() {
    let mut random = Random(42);
    let valid = [place(1), publication(2), gap(EPOCH, 1, 1), acknowledgement("m", 1, true), refusal("null")];
    let mut acts = Vec::new();
    for _ in 0..60 {
        let mut text = valid[random.below(valid.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            let with = ["", "}", "\"", "9", "-", "null", "\\", "\u{e4}"][random.below(8)];
            text.replace_range(at..=at, with);
            if !text.is_ascii() {
                break; // the next could cut a character
            }
        }
        acts.push(open(move |mut socket| {
            let _ = socket.send(&text);
            let _ = socket.close(CloseFrame::from(CloseCode::GOING_AWAY));
            while let Ok(Some(_)) = socket.recv() {}
        }));
    }
    acts.push(hold_to_the_end(vec![gap(9, 1, 1), publication_in(9, 1, "bob", "1", "\"last\"")]));
    let (url, server) = serve(acts);
    let reader = start(move || {
        let mut room = client(&url).open().unwrap();
        while short(&room.recv().unwrap().unwrap()) != "\"last\"" {}
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
    });
    reader.end();
    assert_eq!(server.end().len(), 61);
}
