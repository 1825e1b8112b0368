//! Connections sent to from other threads.

use std::io::Write;
use std::thread;

use talkback::protocol::SendError;
use talkback::server::{Closed, Overflow, Room};
use talkback::{CloseCode, CloseFrame, Prepared};

use crate::app::*;
use crate::net::*;

#[test]
fn what_each_thread_sends_comes_in_its_order() {
    let server = serve_with(App::default(), |server| server.loop_count(2).accept(accept(config())));
    let mut streams = [server.open("/chat"), server.open("/chat")];
    for n in 0..2 {
        for thread in 0..4_u8 {
            let peer = server.peer(n);
            thread::spawn(move || {
                for n in 0..500_u16 {
                    let bytes = [&[thread][..], &n.to_be_bytes(), &vec![0; usize::from(n) * 20]].concat();
                    let send = || match n % 2 {
                        0 => peer.send(bytes.clone()),
                        _ => peer.send_prepared(&Prepared::new(&bytes)),
                    };
                    while let Err(error) = send() {
                        assert!(matches!(error, SendError::Full { .. }), "{error:?}");
                        thread::sleep(millis(1));
                    }
                }
            });
        }
    }
    for stream in &mut streams {
        let mut next = [0_u16; 4];
        while next != [500; 4] {
            let (first, payload) = read_frame(false, stream);
            if first == 0x81 {
                assert_eq!(payload, b"drained"); // after one was refused
                continue;
            }
            let thread = usize::from(payload[0]);
            assert_eq!(payload[1..3], next[thread].to_be_bytes());
            assert_eq!(payload.len(), 3 + usize::from(next[thread]) * 20);
            next[thread] += 1;
        }
    }
    server.end();
}

#[test]
fn a_close_goes_behind_what_was_sent_and_then_nothing_can_be_sent() {
    let server = serve();
    let mut stream = server.open("/chat");
    let peer = server.peer(0);
    let close = CloseFrame::new(CloseCode::new(4000).unwrap(), "enough");
    peer.send("one").unwrap();
    peer.send(vec![2; 100_000]).unwrap();
    peer.close(close.clone());
    peer.close(None); // the first one counts
    assert_eq!(read_text(&mut stream), "one");
    assert_eq!(read_frame(false, &mut stream), (0x82, vec![2; 100_000]));
    assert_eq!(read_frame(false, &mut stream), (0x88, b"\x0f\xa0enough".to_vec()));
    wait_until(|| peer.is_closed());
    assert_eq!(peer.send("more"), Err(SendError::Closing));
    assert_eq!(peer.send_prepared(&Prepared::new("more")), Err(SendError::Closing));
    stream.write_all(&close_frame(1000, "")).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), cleanly(1000, ""));
    server.end();
}

#[test]
fn a_peer_is_closed_when_its_connection_is_gone_and_never_stands_for_another() {
    let server = serve();
    let stream = server.open("/chat");
    let gone = server.peer(0);
    close(stream);
    wait_until(|| gone.is_closed());
    let mut stream = server.open("/chat");
    assert_ne!(server.peer(1).id(), gone.id());
    assert_eq!(gone.send("not for you"), Err(SendError::Closing));
    gone.close(None);
    ask(&mut stream, "hi");
    close(stream);
    server.end();
}

/// Sends until there has been no room for a while; how many were taken.
fn send_until_full(peer: &talkback::server::Peer, message: &[u8]) -> usize {
    let (mut sent, mut refused) = (0, 0);
    while refused < 100 {
        match peer.send(message.to_vec()) {
            Ok(()) => (sent, refused) = (sent + 1, 0),
            Err(SendError::Full { len, max: 200_000 }) => {
                assert!(len > 200_000 && len < 300_000, "{len}");
                refused += 1;
                thread::sleep(millis(2));
            }
            Err(error) => panic!("{error:?}"),
        }
        assert!(sent < 10_000, "it is never full");
    }
    sent
}

#[test]
fn a_slow_reader_is_full_and_then_drained() {
    let server = serve_config(config().max_output_len(Some(200_000)));
    let mut stream = server.open("/chat");
    let peer = server.peer(0);
    let sent = send_until_full(&peer, &[7; 20_000]);
    let snapshot = server.handle.snapshot();
    assert!(snapshot.waiting_len > 100_000 && snapshot.waiting_len < 300_000, "{snapshot:?}");
    let drained = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Drained(_))).count();
    let before = drained(&server.calls());
    // While it was being filled, it may have been emptied in between.
    let mut count = 0;
    while count < sent {
        match read_frame(false, &mut stream) {
            (0x82, payload) => count += usize::from(payload.len() == 20_000),
            other => assert_eq!(other, (0x81, b"drained".to_vec())),
        }
    }
    wait_until(|| drained(&server.calls()) == before + 1);
    assert_eq!(read_text(&mut stream), "drained");
    peer.send("there is room again").unwrap();
    assert_eq!(read_text(&mut stream), "there is room again");
    close(stream);
    let handle = server.handle.clone();
    let calls = server.end();
    assert_eq!(drained(&calls), before + 1);
    let snapshot = handle.snapshot();
    assert!(snapshot.dropped_count >= 100, "{snapshot:?}");
    assert_eq!(snapshot.sent_count, (sent + 1 + before + 1) as u64);
}

#[test]
fn a_handler_that_sends_too_much_is_told_when_there_is_room() {
    let server = serve_config(config().max_output_len(Some(100_000)));
    let mut stream = server.open("/chat");
    for _ in 0..3 {
        stream.write_all(&text("!fill")).unwrap();
        let mut len = 0;
        loop {
            match read_frame(false, &mut stream) {
                (0x82, payload) => len += payload.len(),
                other => break assert_eq!(other, (0x81, b"drained".to_vec())),
            }
        }
        assert!((100_000..=108_000).contains(&len), "{len}");
    }
    close(stream);
    let calls = server.end();
    let count = |wanted: fn(&&Call) -> bool| calls.iter().filter(wanted).count();
    assert_eq!(count(|call| matches!(call, Call::Full(_))), 3);
    assert_eq!(count(|call| matches!(call, Call::Drained(_))), 3);
}

fn overflowing(overflow: Overflow, room: &Room) -> Running {
    let app = App::with_room(room);
    let config = config().max_output_len(Some(200_000)).close_timeout(Some(millis(5000)));
    serve_with(app, |server| server.loop_count(1).accept(accept(config)).overflow(overflow))
}

/// Publishes to one who doesn't read, until messages are dropped or he is closed.
fn publish_until(room: &Room, done: impl Fn() -> bool) -> usize {
    let mut count = 0;
    while !done() {
        room.publish(&vec![7; 20_000]);
        count += 1;
        if count % 10 == 0 {
            thread::sleep(millis(1)); // the loop's turn
        }
        assert!(count < 100_000, "it never overflows");
    }
    count
}

#[test]
fn what_overflows_is_dropped_and_counted() {
    let room = Room::with_max_kept_len(200_000);
    let server = overflowing(Overflow::Drop, &room);
    let mut slow = server.open("/chat?join");
    let count = publish_until(&room, || server.handle.snapshot().dropped_count > 0);
    let mut reader = slow.try_clone().unwrap();
    let read = start(move || {
        let mut got = 0;
        loop {
            match read_frame(false, &mut reader) {
                (0x82, payload) => got += usize::from(payload.len() == 20_000),
                (0x81, payload) if payload == b"drained" => {}
                (0x81, payload) => break assert_eq!(payload, b"the end"),
                other => panic!("{other:?}"),
            }
        }
        got
    });
    wait_until(|| server.calls().iter().any(|call| matches!(call, Call::Drained(_))));
    slow.write_all(&text("the end")).unwrap();
    let got = read.end();
    close(slow);
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().dropped_count, (count - got) as u64);
}

#[test]
fn who_overflows_is_closed_with_1013_if_so_wanted() {
    for by_room in [true, false] {
        let room = Room::with_max_kept_len(200_000);
        let server = overflowing(Overflow::Close, &room);
        let mut other = server.open("/chat");
        let mut slow = server.open("/chat?join");
        let peer = server.peer(1);
        if by_room {
            publish_until(&room, || peer.is_closed());
        } else {
            let mut count = 0;
            while !peer.is_closed() {
                // Refused in this thread already, or in the loop.
                peer.send(vec![7; 20_000]).unwrap_or_default();
                count += 1;
                if count % 10 == 0 {
                    thread::sleep(millis(1));
                }
                assert!(count < 100_000, "it never overflows");
            }
        }
        ask(&mut other, "still there");
        let code = loop {
            match read_frame(false, &mut slow) {
                (0x82, payload) => assert_eq!(payload.len(), 20_000),
                frame => break close_code(&frame),
            }
        };
        assert_eq!(code, Some(1013));
        slow.write_all(&close_frame(1000, "")).unwrap();
        assert_eq!(read_to_end(&mut slow), b"");
        assert_eq!(server.first_end(), Closed::Overflow);
        close(other);
        let handle = server.handle.clone();
        server.end();
        assert_eq!(handle.snapshot().closed, [(1000, 1), (1013, 1)].into());
    }
}
