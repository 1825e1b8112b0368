//! How connections end: by a close, by an error, or by TCP alone.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use talkback::server::Closed;

use crate::app::*;
use crate::net::*;

#[test]
fn a_close_is_echoed_and_the_server_ends_tcp_first() {
    for (payload, expected) in [
        (&b"\x03\xe8"[..], cleanly(1000, "")),
        (b"\x03\xe9gone", cleanly(1001, "gone")),
        (b"\x0b\xb8", cleanly(3000, "")),
        (b"", Closed::Cleanly(None)),
    ] {
        let server = serve();
        let mut stream = server.open("/chat");
        stream.write_all(&[text("before"), frame(true, 0x88, payload), text("behind")].concat()).unwrap();
        let answers = frames(false, &read_to_end(&mut stream));
        assert_eq!(answers[0], (0x81, b"before".to_vec()));
        assert_eq!(answers[1..], [(0x88, payload.get(..2).unwrap_or_default().to_vec())]);
        assert_eq!(server.first_end(), expected);
        assert_listens(&mut stream);
        drop(stream);
        let calls = server.end();
        assert_eq!(calls.len(), 5, "{calls:?}");
    }
}

#[test]
fn the_server_closes_and_waits_for_the_answer() {
    let server = serve();
    let mut stream = server.open("/chat");
    stream.write_all(&[text("before"), text("!close 4001"), text("behind")].concat()).unwrap();
    assert_eq!(read_text(&mut stream), "before");
    assert_eq!(read_frame(false, &mut stream), (0x88, b"\x0f\xa1as told".to_vec()));
    wait_until(|| server.peer(0).is_closed());
    assert!(is_silent(&mut stream, millis(50)));
    assert!(server.ends().is_empty());
    stream.write_all(&close_frame(4001, "well then")).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), cleanly(4001, "well then"));
    server.end();
}

#[test]
fn a_close_on_opening_comes_right_behind_the_handshake() {
    let server = serve();
    let mut stream = server.open("/chat?close");
    assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1008));
    stream.write_all(&close_frame(1008, "")).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), cleanly(1008, ""));
    server.end();
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_so() {
    let config = config().max_message_len(Some(1000));
    let server = serve_config(config);
    let cases = [
        (frame(false, 0x81, b"unmasked"), 1002),
        (frame(true, 0xc1, b"rsv1"), 1002),
        (frame(true, 0x83, b"opcode"), 1002),
        (frame(true, 0x80, b"stray"), 1002),
        ([frame(true, 0x01, b"a"), frame(true, 0x81, b"b")].concat(), 1002),
        (frame(true, 0x09, b"fragmented ping"), 1002),
        (raw_frame(true, 0x89, &len_bytes(126), &[0; 126]), 1002),
        (raw_frame(true, 0x82, &[126, 0, 5], b"12345"), 1002),
        (frame(true, 0x88, b"\x03"), 1002),
        (close_frame(1005, ""), 1002),
        (frame(true, 0x81, b"\xff"), 1007),
        ([frame(true, 0x01, b"\xc5"), frame(true, 0x80, b"a")].concat(), 1007),
        (frame(true, 0x88, b"\x03\xe8\xff"), 1007),
        (frame(true, 0x82, &[0; 1001]), 1009),
        // From its header: the rest never comes.
        (raw_frame(true, 0x82, &len_bytes(1001), b""), 1009),
        ([frame(true, 0x02, &[0; 600]), frame(true, 0x80, &[0; 401])].concat(), 1009),
    ];
    let count = cases.len();
    for (n, (bytes, code)) in cases.into_iter().enumerate() {
        let mut stream = server.open("/chat");
        stream.write_all(&[text("before"), bytes, text("behind")].concat()).unwrap();
        assert_eq!(read_text(&mut stream), "before");
        let answers = frames(false, &read_to_end(&mut stream));
        assert_eq!(answers.iter().map(close_code).collect::<Vec<_>>(), [Some(code)], "case {n}");
        assert_listens(&mut stream);
        wait_until(|| server.ends().len() == n + 1);
        match server.ends().pop() {
            Some(Closed::Protocol(error)) => assert_eq!(error.close_code().value(), code, "case {n}"),
            closed => panic!("case {n}: {closed:?}"),
        }
    }
    // One of exactly the limit passes.
    let mut stream = server.open("/chat");
    stream.write_all(&frame(true, 0x82, &[0; 1000])).unwrap();
    assert_eq!(read_frame(false, &mut stream).1.len(), 1000);
    close(stream);
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().opened_count, count as u64 + 1);
    assert_eq!(handle.snapshot().closed, [(1000, 1), (1002, 10), (1007, 3), (1009, 3)].into());
}

#[test]
fn an_end_of_tcp_without_a_close_is_told_once() {
    for bytes in [
        Vec::new(),
        text("whole"),
        frame(true, 0x01, b"unfinished message"),
        text("cut")[..7].to_vec(),
        frame(true, 0x82, &[0; 100_000])[..60_000].to_vec(),
    ] {
        let server = serve();
        let mut stream = server.open("/chat");
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answers = frames(false, &read_to_end(&mut stream));
        assert_eq!(answers.len(), usize::from(bytes == text("whole")));
        assert_eq!(server.first_end(), Closed::Disconnected);
        let handle = server.handle.clone();
        server.end();
        assert_eq!(handle.snapshot().closed, [(1006, 1)].into());
    }
}

/// Ends a connection by a reset: there is input that was not read.
pub(crate) fn reset(stream: TcpStream) {
    stream.peek(&mut [0]).unwrap();
    drop(stream);
}

#[test]
fn a_reset_is_told_once() {
    let server = serve();
    for n in 1..=20 {
        let stream = server.open("/chat?greet");
        reset(stream);
        wait_until(|| server.ends().len() == n);
        assert_eq!(server.ends().pop(), Some(Closed::Disconnected));
    }
    server.end();
}

#[test]
fn all_that_came_before_the_end_of_tcp_is_answered() {
    let server = serve_with(App::quiet(), |server| {
        server.loop_count(1).accept(accept(config().max_output_len(Some(10_000))))
    });
    let mut stream = server.open("/chat");
    let mut writer = stream.try_clone().unwrap();
    let write = start(move || {
        for n in 0..3000_u32 {
            writer.write_all(&frame(true, 0x82, &n.to_be_bytes().repeat(500))).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    for n in 0..3000_u32 {
        assert_eq!(read_frame(false, &mut stream), (0x82, n.to_be_bytes().repeat(500)));
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    write.end();
    assert_eq!(server.first_end(), Closed::Disconnected);
    server.end();
}

#[test]
fn the_last_answers_reach_a_slow_reader_before_the_end_of_tcp() {
    // Longer than `linger_timeout`, which is for a peer that has got everything.
    let server = serve_config(config().linger_timeout(Some(millis(200))));
    let mut stream = server.open("/chat");
    let len = 16 * 1024 * 1024;
    stream.write_all(&[text(&format!("!len {len}")), close_frame(1000, "")].concat()).unwrap();
    std::thread::sleep(millis(500));
    assert_eq!(read_frame(false, &mut stream).1.len(), len);
    assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1000));
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), cleanly(1000, ""));
    server.end();
}
