//! Ending an event source, from another thread or by dropping it.

use std::thread;

use talkback::client::Closer;

use crate::net::*;
use crate::script::*;

/// Closes once the client has had time to wait for whatever comes next.
fn close_soon(closer: Closer) {
    thread::spawn(move || {
        thread::sleep(millis(30));
        closer.close();
    });
}

#[test]
fn closing_wakes_who_waits_for_events() {
    let (url, server) = serve(vec![Answer::Hold(until_close(b"data: a\n\ndata: half"))]);
    let mut source = subscribe(&url).connect().unwrap();
    assert!(source.recv().unwrap().is_some());
    close_soon(source.closer());
    let client = start(move || {
        for _ in 0..2 {
            assert_eq!(source.recv().unwrap(), None);
        }
        source
    });
    // The server sees the end of TCP, while the source is still there.
    server.end();
    assert!(client.end().closer().is_closed());
}

#[test]
fn closing_wakes_who_waits_to_connect_again() {
    let (url, server) = serve(vec![Answer::Hold(with_length(b"data: a\n\n"))]);
    let long = PATIENCE * 10;
    let mut source = subscribe(&url).reconnection_time(long).max_reconnection_time(long).connect().unwrap();
    assert!(source.recv().unwrap().is_some());
    let closer = source.closer();
    let client = start(move || source.recv().unwrap().is_none());
    // The server sees the end of TCP, though a closer is there.
    server.end();
    close_soon(closer);
    assert!(client.end());
}

#[test]
fn closing_wakes_who_waits_for_a_response() {
    let (url, server) = serve(vec![Answer::Hold(Vec::new())]);
    let mut source = subscribe(&url).unconnected().unwrap();
    close_soon(source.closer());
    assert!(start(move || source.recv().unwrap().is_none()).end());
    server.end();
}

#[test]
fn what_was_closed_before_it_began_connects_nowhere() {
    let (listener, address) = listen();
    listener.set_nonblocking(true).unwrap();
    let mut source = subscribe(&format!("http://{address}/")).unconnected().unwrap();
    source.closer().close();
    assert_eq!(source.recv().unwrap(), None);
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn closing_drops_the_events_that_wait() {
    let (url, server) = serve(vec![events("data: a\n\ndata: b\n\n")]);
    let mut source = subscribe(&url).connect().unwrap();
    assert!(source.recv().unwrap().is_some());
    source.closer().close();
    assert_eq!(source.recv().unwrap(), None);
    server.end();
}

#[test]
fn dropping_it_ends_tcp_though_there_is_a_closer() {
    let (url, server) = serve(vec![Answer::Hold(until_close(b""))]);
    let source = subscribe(&url).connect().unwrap();
    let closer = source.closer();
    assert!(!closer.is_closed());
    drop(source);
    server.end();
    assert!(closer.is_closed());
    closer.close();
}

#[test]
fn a_lost_stream_is_let_go_of_before_the_next() {
    // Each is held until the client ends TCP; the source, and a closer, live on.
    let answers = (0..3).map(|_| Answer::Hold(with_length(b"data: a\n\n")));
    let (url, server) = serve(answers.chain([no_content()]).collect());
    let mut source = subscribe(&url).connect().unwrap();
    let closer = source.closer();
    let (events, error) = start(move || read(&mut source)).end();
    assert_eq!((events.len(), error.is_none()), (3, true));
    assert_eq!(server.end().len(), 4);
    assert!(closer.is_closed());
}
