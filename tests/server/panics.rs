//! A handler that panics costs one connection, and no other.

use std::io::Write;

use talkback::server::Closed;

use crate::app::*;
use crate::net::*;

#[test]
fn a_panic_on_a_message_is_1011() {
    let server = serve();
    let mut other = server.open("/chat");
    let mut stream = server.open("/chat");
    stream.write_all(&[text("before"), text("!panic"), text("behind")].concat()).unwrap();
    assert_eq!(read_text(&mut stream), "before");
    let answers = frames(false, &read_to_end(&mut stream));
    assert_eq!(answers.iter().map(close_code).collect::<Vec<_>>(), [Some(1011)]);
    assert_listens(&mut stream);
    assert_eq!(server.first_end(), Closed::Panicked);
    assert!(server.peer(1).is_closed());
    ask(&mut other, "still there");
    close(other);
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().closed, [(1000, 1), (1011, 1)].into());
}

#[test]
fn a_panic_before_the_connection_is_open_is_500() {
    let server = serve();
    let mut other = server.open("/chat");
    for target in ["/panic", "/panic-on-upgrade", "/chat?panic"] {
        let mut stream = server.connect();
        stream.write_all(request_to(target, "").as_bytes()).unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert_eq!(header(&answer, "Connection"), Some("close"));
        assert_listens(&mut stream);
        ask(&mut other, target);
    }
    close(other);
    let handle = server.handle.clone();
    server.end();
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.opened_count, snapshot.answered), (1, [(500, 3)].into()));
}

#[test]
fn a_panic_on_closing_or_on_room_costs_nothing_more() {
    let server = serve_config(config().max_output_len(Some(100_000)));
    let mut other = server.open("/chat");
    close(server.open("/chat?panic-later"));
    assert_eq!(server.first_end(), cleanly(1000, ""));

    let mut stream = server.open("/chat?panic-later");
    stream.write_all(&text("!fill")).unwrap();
    let answers = frames(false, &read_to_end(&mut stream));
    assert_eq!(close_code(answers.last().unwrap()), Some(1011));
    wait_until(|| server.ends().len() == 2);
    assert_eq!(server.ends().pop(), Some(Closed::Panicked));
    ask(&mut other, "still there");
    close(other);
    server.end();
}

#[test]
fn a_panic_on_an_event_stream_ends_it() {
    let server = serve();
    let mut other = server.open("/chat");
    let mut stream = server.connect();
    stream.write_all(b"GET /events?panic HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n0\r\n\r\n"), "{answer}");
    ask(&mut other, "still there");
    close(other);
    server.end();
}
