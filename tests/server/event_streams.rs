//! Streams of server-sent events.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use talkback::protocol::SendError;
use talkback::sse::{Event, Parser};

use crate::app::*;
use crate::net::*;

/// Opens a stream, and looks at its head.
fn open_events(server: &Running) -> TcpStream {
    let mut stream = server.connect();
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        .unwrap();
    let head = read_head(&mut stream);
    assert_streams(&head, "text/event-stream");
    stream
}

/// Reads a chunk; empty, if it is the last.
#[track_caller]
pub(crate) fn read_chunk(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let digits = std::str::from_utf8(&line[..line.len() - 2]).unwrap();
    let mut chunk = vec![0; usize::from_str_radix(digits, 16).unwrap() + 2];
    stream.read_exact(&mut chunk).unwrap();
    assert!(chunk.ends_with(b"\r\n"));
    chunk.truncate(chunk.len() - 2);
    String::from_utf8(chunk).unwrap()
}

#[test]
fn events_from_another_thread_come_in_chunks_until_the_stream_is_closed() {
    let server = serve();
    let mut stream = open_events(&server);
    let peer = server.event_peer();
    assert_eq!(server.handle.snapshot().connection_count, 0);
    let sender = start(move || {
        peer.retry(2500).unwrap();
        peer.send(&Event::new("one\ntwo").name("news").unwrap().id("7").unwrap()).unwrap();
        peer.comment("nothing").unwrap();
        peer.send(&Event::new("")).unwrap();
        peer.close();
        peer
    });
    assert_eq!(read_chunk(&mut stream), "retry: 2500\n\n");
    assert_eq!(read_chunk(&mut stream), "event: news\nid: 7\ndata: one\ndata: two\n\n");
    assert_eq!(read_chunk(&mut stream), ": nothing\n\n");
    assert_eq!(read_chunk(&mut stream), "data:\n\n");
    assert_eq!(read_chunk(&mut stream), "");
    assert_eq!(read_to_end(&mut stream), b"");
    let peer = sender.end();
    wait_until(|| peer.is_closed());
    assert_eq!(peer.send(&Event::new("late")), Err(SendError::Closing));
    drop(stream);
    server.end();
}

#[test]
fn many_events_from_many_threads_all_arrive_in_order_per_thread() {
    let server = serve();
    let mut stream = open_events(&server);
    let peer = server.event_peer();
    for thread in 0..4 {
        let peer = peer.clone();
        thread::spawn(move || {
            for n in 0..300 {
                let data = format!("{thread} {n} {}", "x".repeat(n));
                while peer.send(&Event::new(&data)).is_err() {
                    thread::sleep(millis(1)); // full: later
                }
            }
        });
    }
    let (mut parser, mut next) = (Parser::new(), [0; 4]);
    while next != [300; 4] {
        let chunk = read_chunk(&mut stream);
        let mut input = chunk.as_bytes();
        while let Some(event) = parser.next_event(&mut input).unwrap() {
            let mut words = event.data.split(' ');
            let thread: usize = words.next().unwrap().parse().unwrap();
            assert_eq!(words.next().unwrap(), next[thread].to_string());
            next[thread] += 1;
        }
    }
    peer.close();
    assert_eq!(read_to_end(&mut stream), b"0\r\n\r\n");
    server.end();
}

#[test]
fn a_client_that_is_gone_is_noticed() {
    let server = serve();
    let stream = open_events(&server);
    let peer = server.event_peer();
    wait_until(|| server.handle.snapshot().stream_count == 1);
    drop(stream);
    wait_until(|| peer.is_closed());
    assert_eq!(peer.send(&Event::new("late")), Err(SendError::Closing));
    wait_until(|| server.handle.snapshot().stream_count == 0);
    // By a reset.
    let stream = open_events(&server);
    let peer = server.event_peer();
    peer.send(&Event::new("not read")).unwrap();
    crate::closing::reset(stream);
    wait_until(|| peer.is_closed());
    // What it still says is of no interest.
    let mut stream = open_events(&server);
    let peer = server.event_peer();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    peer.send(&Event::new("hi")).unwrap();
    assert_eq!(read_chunk(&mut stream), "data: hi\n\n");
    server.end();
}

#[test]
fn a_client_that_does_not_read_is_full_and_then_given_up() {
    let server = serve_config(config().max_output_len(Some(100_000)).write_timeout(Some(millis(400))));
    let mut stream = open_events(&server);
    let peer = server.event_peer();
    let data = "x".repeat(10_000);
    let mut sent = 0;
    // It takes all at first: then no more, for longer than it takes to write.
    let mut refused = 0;
    while refused < 20 {
        match peer.send(&Event::new(&data)) {
            Ok(()) => (sent, refused) = (sent + 1, 0),
            Err(SendError::Full { len, max: 100_000 }) => {
                assert!(len > 100_000 && len < 130_000, "{len}");
                refused += 1;
                thread::sleep(millis(2));
            }
            Err(error) => panic!("{error:?}"),
        }
        assert!(sent < 10_000);
    }
    wait_until(|| peer.is_closed());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap_or_default();
    assert!(rest.len() < sent * 10_100);
    server.end();
}

#[test]
fn a_drain_ends_streams_cleanly_and_has_each_reader_come_back_at_another_time() {
    let server = serve_with(App::default(), |server| server.loop_count(2).accept(accept(config())));
    let mut streams: Vec<_> = (0..4).map(|_| open_events(&server)).collect();
    let peer = server.event_peer();
    server.handle.drain(millis(100));
    let mut retries: Vec<u64> = Vec::new();
    for stream in &mut streams {
        let rest = String::from_utf8(read_to_end(stream)).unwrap();
        let retry = rest.strip_prefix("d\r\nretry: ").and_then(|rest| rest.strip_suffix("\n\n\r\n0\r\n\r\n"));
        retries.push(retry.unwrap_or_else(|| panic!("{rest:?}")).parse().unwrap());
    }
    assert!(retries.iter().all(|retry| (1_000..5_096).contains(retry)), "{retries:?}");
    // There are two loops, in which two have the same place.
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() >= 2, "{retries:?}");
    assert!(peer.is_closed());
    drop(streams);
    server.ended();
}
