//! Streams of anything but events; what they have in common is tested with those.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use talkback::http::HeaderError;
use talkback::protocol::SendError;
use talkback::server::{EventPeer, StreamHead};
use talkback::sse::Event;

use crate::app::*;
use crate::event_streams::read_chunk;
use crate::http::{ask_for, get};
use crate::net::*;

/// Opens a stream; its socket, and the head of its answer.
fn open(server: &Running, target: &str) -> (TcpStream, String) {
    let mut stream = server.connect();
    stream.write_all(get(target).as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    (stream, head)
}

#[test]
fn bytes_from_another_thread_come_in_chunks_until_the_stream_is_closed() {
    let server = serve();
    let (mut stream, head) = open(&server, "/lines");
    assert_streams(&head, "application/x-ndjson");
    let peer = server.stream_peer();
    wait_until(|| server.handle.snapshot().stream_count == 1);
    let sender = start(move || {
        peer.send("{\"n\":1}\n").unwrap();
        peer.send("").unwrap(); // no chunk: that would be the last
        peer.send(b"{\"n\":2}\n{\"n\":3}\n").unwrap();
        peer.close();
        peer
    });
    assert_eq!(read_chunk(&mut stream), "{\"n\":1}\n");
    assert_eq!(read_chunk(&mut stream), "{\"n\":2}\n{\"n\":3}\n");
    assert_eq!(read_chunk(&mut stream), "");
    assert_eq!(read_to_end(&mut stream), b"");
    let peer = sender.end();
    wait_until(|| peer.is_closed());
    assert_eq!(peer.send("late"), Err(SendError::Closing));
    drop(stream);
    let calls = server.end();
    assert_eq!(calls, [Call::Request("/lines".to_owned()), Call::Stream(peer.id())]);
}

#[test]
fn silence_is_kept_alive_if_so_wanted() {
    let server = serve();
    let (mut silent, _) = open(&server, "/lines");
    let (mut alive, _) = open(&server, "/lines?alive=200");
    let begun = Instant::now();
    let peer = server.stream_peer();
    let lively = server.stream_peer();
    assert_eq!((read_chunk(&mut alive), read_chunk(&mut alive)), ("\n".to_owned(), "\n".to_owned()));
    assert!(begun.elapsed() >= millis(300) && begun.elapsed() < millis(5000), "{:?}", begun.elapsed());
    // What is sent is a sign of life, too.
    for n in 0..8 {
        std::thread::sleep(millis(50));
        lively.send(n.to_string()).unwrap();
        assert_eq!(read_chunk(&mut alive), n.to_string());
    }
    assert!(is_silent(&mut silent, millis(100)));
    peer.send("first").unwrap();
    assert_eq!(read_chunk(&mut silent), "first");
    server.end();
}

#[test]
fn events_may_have_headers_of_their_own() {
    let server = serve();
    let (mut stream, head) = open(&server, "/lines?events");
    assert_eq!(header(&head, "Content-Type"), Some("text/event-stream"));
    assert_eq!(header(&head, "Cache-Control"), Some("no-store, no-transform"));
    assert_eq!(header(&head, "Access-Control-Allow-Origin"), Some("*"));
    let peer = EventPeer::from(server.stream_peer());
    peer.send(&Event::new("hi")).unwrap();
    peer.close();
    assert_eq!(read_to_end(&mut stream), b"a\r\ndata: hi\n\n\r\n0\r\n\r\n");
    drop(stream);
    server.end();

    assert_eq!(StreamHead::new("a\r\nb").unwrap_err(), HeaderError::InvalidValue { at: 1 });
    let reserved = StreamHead::events().header("Content-Length", "1").unwrap_err();
    assert_eq!(reserved, HeaderError::Reserved);
}

#[test]
fn any_method_but_head_may_ask_also_behind_a_body() {
    let server = serve();
    let post = ask_for("POST", "/lines", "");
    let body = format!("{}hello", ask_for("POST", "/receive?lines", "Content-Length: 5\r\n"));
    for request in [post, body] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let peer = server.stream_peer();
        peer.send("hi").unwrap();
        peer.close();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        assert!(answer.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "{answer}");
    }
    let mut stream = server.connect();
    stream.write_all(ask_for("HEAD", "/lines", "").as_bytes()).unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    server.end();
}

#[test]
fn a_client_that_does_not_read_is_full_and_one_that_goes_away_is_noticed() {
    let config = config().max_output_len(Some(100_000)).write_timeout(Some(millis(400)));
    let server = serve_config(config);
    let (stuck, _) = open(&server, "/lines?alive=50");
    let peer = server.stream_peer();
    let (mut refused, mut waits) = (0, 0);
    while refused < 20 {
        match peer.send(vec![b'x'; 10_000]) {
            Ok(()) => refused = 0,
            Err(SendError::Full { len, max: 100_000 }) => {
                assert!(len > 100_000 && len < 130_000, "{len}");
                (refused, waits) = (refused + 1, len);
                std::thread::sleep(millis(2));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    // While something waits, nothing is added to keep it alive.
    std::thread::sleep(millis(200));
    if let Err(SendError::Full { len, .. }) = peer.send(vec![b'x'; 10_000]) {
        assert!(len <= waits, "{len} of {waits}");
    }
    wait_until(|| peer.is_closed());
    drop(stuck);
    let (stream, _) = open(&server, "/lines");
    let peer = server.stream_peer();
    drop(stream);
    wait_until(|| peer.is_closed());
    assert_eq!(peer.send("late"), Err(SendError::Closing));
    server.end();
}

#[test]
fn a_panic_ends_a_stream_and_so_does_a_drain_both_cleanly() {
    let server = serve();
    let mut other = server.open("/chat");
    let (mut stream, _) = open(&server, "/lines?panic");
    assert_eq!(read_to_end(&mut stream), b"0\r\n\r\n");
    ask(&mut other, "still there");
    close(other);
    let (mut stream, _) = open(&server, "/lines?alive=10000");
    let peer = server.stream_peer();
    server.handle.drain(millis(0));
    assert_eq!(read_to_end(&mut stream), b"0\r\n\r\n");
    assert!(peer.is_closed());
    drop(stream);
    server.ended();
}
