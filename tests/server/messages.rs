//! Messages in and out.

use std::io::{Read, Write};
use std::thread;

use talkback::protocol::Deflate;
use talkback::{Config, Connect, Message};

use crate::app::*;
use crate::net::*;

fn sizes() -> [usize; 10] {
    [0, 1, 125, 126, 65_535, 65_536, 16 * 1024, 100_000, 1024 * 1024, 5 * 1024 * 1024]
}

#[test]
fn messages_of_any_size_are_echoed() {
    let server = serve();
    let mut stream = server.open("/chat");
    for len in sizes() {
        let bytes: Vec<u8> = (0..len).map(|n| n.to_le_bytes()[0]).collect();
        stream.write_all(&frame(true, 0x82, &bytes)).unwrap();
        let (first, echo) = read_frame(false, &mut stream);
        assert!(first == 0x82 && echo == bytes, "{len}");
        stream.write_all(&text(&"ż".repeat(len / 2))).unwrap();
        assert!(read_text(&mut stream) == "ż".repeat(len / 2), "{len}");
    }
    close(stream);
    server.end();
}

#[test]
fn a_client_and_its_compression_get_the_same_back() {
    for (on_server, on_client) in [
        (Some(Deflate::shared()), Some(Deflate::private())),
        (Some(Deflate::private()), Some(Deflate::private())),
        (Some(Deflate::shared()), Some(Deflate::shared())),
        (None, Some(Deflate::private())),
        (Some(Deflate::shared()), None),
    ] {
        let server = serve_config(config().deflate(on_server));
        let config = Config::default().deflate(on_client);
        let url = format!("ws://{}/chat", server.address);
        let mut ws = Connect::new(url).config(config).connect().unwrap();
        let more = on_server == Some(Deflate::shared()) && on_client == Some(Deflate::private());
        for len in sizes().into_iter().filter(|len| *len <= if more { 1024 * 1024 } else { 100_000 }) {
            let mut random = Random(len as u64 + 1);
            let bytes: Vec<u8> = (0..len / 2).map(|_| random.below(7).to_le_bytes()[0]).collect();
            for message in [Message::from("zażółć ".repeat(len / 20)), Message::from(bytes)] {
                ws.send(&message).unwrap();
                assert!(ws.recv().unwrap() == Some(message), "{len}");
            }
        }
        ws.close(None).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(server.first_end(), talkback::server::Closed::Cleanly(None));
        server.end();
    }
}

#[test]
fn fragments_are_one_message_and_pings_between_them_are_answered() {
    let server = serve();
    let mut stream = server.open("/chat");
    let pieces = [
        frame(true, 0x01, "za".as_bytes()),
        frame(true, 0x89, b"one"),
        frame(true, 0x00, &"żółć".as_bytes()[..3]),
        frame(true, 0x00, b""),
        frame(true, 0x89, b"two"),
        frame(true, 0x80, &"żółć".as_bytes()[3..]),
        frame(true, 0x8a, b"nobody asked"),
    ];
    stream.write_all(&pieces.concat()).unwrap();
    let got: Vec<_> = (0..3).map(|_| read_frame(false, &mut stream)).collect();
    let expected = [(0x8a, b"one".to_vec()), (0x8a, b"two".to_vec()), (0x81, "zażółć".as_bytes().to_vec())];
    assert_eq!(got, expected);
    // A large one, in uneven pieces, each in a write of its own.
    let large: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let (head, tail) = large.split_at(100_001);
    stream.write_all(&frame(true, 0x02, head)).unwrap();
    for piece in tail.chunks(77_777) {
        stream.write_all(&frame(true, 0x00, piece)).unwrap();
        stream.write_all(&frame(true, 0x89, b"?")).unwrap();
        assert_eq!(read_frame(false, &mut stream), (0x8a, b"?".to_vec()));
    }
    stream.write_all(&frame(true, 0x80, b"")).unwrap();
    assert!(read_frame(false, &mut stream) == (0x82, large));
    close(stream);
    server.end();
}

#[test]
fn sixteen_pipelined_messages_are_answered_by_one_write() {
    let server = serve();
    let mut stream = server.open("/chat");
    for _ in 0..20 {
        let frames: Vec<u8> = (0..16).flat_map(|n| frame(true, 0x82, &[n; 16])).collect();
        stream.write_all(&frames).unwrap();
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).unwrap();
        let echoes = crate::net::frames(false, &buffer[..len]);
        assert_eq!(echoes, (0..16).map(|n| (0x82, vec![n; 16])).collect::<Vec<_>>());
    }
    close(stream);
    server.end();
}

#[test]
fn what_is_sent_on_opening_and_what_came_with_the_request_go_out_right_behind_the_handshake() {
    let server = serve();
    let mut stream = server.connect();
    let mut bytes = request_to("/chat?greet", "").into_bytes();
    bytes.extend((0..16).flat_map(|n| text(&n.to_string())));
    bytes.extend(close_frame(1000, "bye"));
    stream.write_all(&bytes).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    let answers = frames(false, &read_to_end(&mut stream));
    let texts = ["welcome".to_owned()].into_iter().chain((0..16).map(|n| n.to_string()));
    let mut expected: Vec<_> = texts.map(|text| (0x81, text.into_bytes())).collect();
    expected.push((0x88, b"\x03\xe8".to_vec()));
    assert_eq!(answers, expected);
    assert_eq!(server.first_end(), cleanly(1000, "bye"));
    let calls = server.end();
    let Call::Open(id) = calls[2] else { panic!("{calls:?}") };
    assert_eq!(calls[0], Call::Request("/chat?greet".to_owned()));
    assert_eq!(calls[1], Call::Upgrade("/chat?greet".to_owned()));
    assert!((0..16).all(|n| calls[3 + n] == Call::Message(id, n.to_string())));
    assert_eq!(calls[19..], [Call::Close(id, cleanly(1000, "bye"))]);
}

#[test]
fn a_large_message_may_come_with_the_request_too() {
    let server = serve();
    let mut stream = server.connect();
    let large = vec![3; 2 * 1024 * 1024];
    let bytes = [request_to("/chat", "").into_bytes(), frame(true, 0x82, &large), text("last")].concat();
    let mut writer = stream.try_clone().unwrap();
    let task = start(move || writer.write_all(&bytes).unwrap());
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    assert!(read_frame(false, &mut stream) == (0x82, large));
    assert_eq!(read_text(&mut stream), "last");
    task.end();
    close(stream);
    server.end();
}

#[test]
fn a_byte_at_a_time_is_fine() {
    let server = serve();
    let mut stream = server.connect();
    let mut bytes = request("").into_bytes();
    bytes.extend(frame(true, 0x01, "zaż".as_bytes()));
    bytes.extend(frame(true, 0x89, b"ping"));
    bytes.extend(frame(true, 0x80, "ółć".as_bytes()));
    bytes.extend(frame(true, 0x82, &[7; 300]));
    bytes.extend(close_frame(3000, ""));
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
        thread::yield_now();
    }
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    let answers = frames(false, &read_to_end(&mut stream));
    let expected = [
        (0x8a, b"ping".to_vec()),
        (0x81, "zażółć".as_bytes().to_vec()),
        (0x82, vec![7; 300]),
        (0x88, 3000_u16.to_be_bytes().to_vec()),
    ];
    assert_eq!(answers, expected);
    server.end();
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_answers() {
    let server = serve();
    let whole = [
        frame(true, 0x01, b"frag"),
        frame(true, 0x89, b"ping"),
        frame(true, 0x80, &[b'x'; 200]),
        frame(true, 0x82, b""),
        close_frame(1000, ""),
    ]
    .concat();
    for cut in 0..whole.len() {
        let mut stream = server.open("/chat");
        stream.write_all(&whole[..cut]).unwrap();
        thread::yield_now();
        stream.write_all(&whole[cut..]).unwrap();
        let answers = frames(false, &read_to_end(&mut stream));
        assert_eq!(answers.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x8a, 0x81, 0x82, 0x88]);
        assert_eq!(answers[1].1.len(), 204);
    }
    server.end();
}

#[test]
fn the_first_subprotocol_in_common_is_chosen() {
    let server = serve_with(App::default(), |server| {
        server.accept(accept(config()).subprotocols(["v2", "v1"]).require_subprotocol(true))
    });
    let mut stream = server.connect();
    stream.write_all(request("Sec-WebSocket-Protocol: v0, v1, v2\r\n").as_bytes()).unwrap();
    assert_eq!(header(&read_head(&mut stream), "Sec-WebSocket-Protocol"), Some("v2"));
    close(stream);
    let mut stream = server.connect();
    stream.write_all(request("Sec-WebSocket-Protocol: v0\r\n").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 400 "));
    drop(stream);
    server.end();
}

#[test]
fn the_server_pings_when_told() {
    let server = serve();
    let mut stream = server.open("/chat");
    stream.write_all(&text("!ping here")).unwrap();
    assert_eq!(read_frame(false, &mut stream), (0x89, b"here".to_vec()));
    close(stream);
    server.end();
}

#[test]
fn numbers_add_up_over_all_loops() {
    let server = serve_with(App::default(), |server| server.loop_count(3).accept(accept(config())));
    let (mut sent_len, mut received_len) = (0, 0);
    for n in 0..9_usize {
        let mut stream = server.connect();
        let mut bytes = request_to("/chat", "").into_bytes();
        for len in 0..n {
            bytes.extend(frame(true, 0x82, &vec![1; len * 10_000]));
        }
        let end = match n % 3 {
            0 => close_frame(1000, ""),
            1 => frame(true, 0x88, b""),
            _ => frame(false, 0x82, b"unmasked"),
        };
        bytes.extend(end);
        let mut writer = stream.try_clone().unwrap();
        let write = start(move || writer.write_all(&bytes).map(|()| bytes.len()).unwrap());
        received_len += read_to_end(&mut stream).len();
        sent_len += write.end();
    }
    for (target, status) in [("/", "200"), ("/nowhere", "404"), ("/refused", "403"), ("/panic", "500")] {
        let mut stream = server.connect();
        let bytes = request_to(target, "Connection: close\r\n");
        stream.write_all(bytes.as_bytes()).unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!(&answer[9..12], status.as_bytes());
        received_len += answer.len();
        sent_len += bytes.len();
    }
    let handle = server.handle.clone();
    server.end();
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.opened_count, 9);
    assert_eq!((snapshot.received_count, snapshot.sent_count, snapshot.dropped_count), (36, 36, 0));
    assert_eq!(snapshot.closed, [(1000, 3), (1002, 3), (1005, 3)].into());
    assert_eq!(snapshot.answered, [(200, 1), (403, 1), (404, 1), (500, 1)].into());
    assert_eq!((snapshot.received_len, snapshot.sent_len), (sent_len as u64, received_len as u64));
    assert!(snapshot.busy > std::time::Duration::ZERO);
}
