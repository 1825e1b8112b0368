//! What a peer is answered, seen on the wire: each rejection of a handshake, each close code.
//!
//! One side is the crate, the other a bare socket. Whatever the peer did, it gets to read
//! the answer, and then an orderly end of the stream.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "that is how a test fails")]

mod net;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use net::*;
use talkback::blocking::Stream;
use talkback::client::{ConnectError, UrlError};
use talkback::frame::FrameError;
use talkback::handshake::{BuildError, HandshakeError, Origins, ResponseError};
use talkback::http::{HeadLimits, Response, Status};
use talkback::protocol::{ProtocolError, Role};
use talkback::server::Exchange;
use talkback::{Accept, AcceptError, CloseFrame, Config, Connect, Error, Message, WebSocket};

// Rejections

/// What is sent after the request: none of it is ever looked at.
const MORE_LEN: usize = 200_000;

struct Answer {
    head: String,
    body: String,
    error: AcceptError,
}

/// Sends `request` and then more, and reads the answer up to the end of the stream.
fn refused(accept: Accept, request: impl AsRef<[u8]>) -> Answer {
    let (mut client, server) = pair();
    let task = start(move || accept.accept(server).expect_err("a refusal"));
    client.write_all(request.as_ref()).unwrap();
    client.write_all(&vec![b'x'; MORE_LEN]).unwrap();
    let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert_listens(&mut client);
    drop(client);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    Answer { head: head.to_owned(), body: body.to_owned(), error: task.end() }
}

/// Checks all that every refusal has.
#[track_caller]
fn assert_refused(request: impl AsRef<[u8]>, status: u16, headers: &[(&str, &str)]) {
    assert_refused_by(Accept::new(), request, status, headers);
}

#[track_caller]
fn assert_refused_by(accept: Accept, request: impl AsRef<[u8]>, status: u16, headers: &[(&str, &str)]) {
    let Answer { head, body, error } = refused(accept, request);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert_eq!(header(&head, "Connection"), Some("close"), "{head}");
    assert!(header(&head, "Content-Type").is_some_and(|kind| kind.starts_with("text/plain")), "{head}");
    assert_eq!(header(&head, "Content-Length"), Some(body.len().to_string().as_str()));
    assert!((5..200).contains(&body.len()), "{body:?}");
    for (name, value) in headers {
        assert_eq!(header(&head, name), Some(*value), "{head}");
    }
    match error {
        AcceptError::Handshake(error) => assert_eq!(error.status().code(), status),
        error => panic!("{error:?}"),
    }
}

/// The valid request with one thing changed.
fn changed(from: &str, to: &str) -> String {
    let request = request("");
    assert!(request.contains(from));
    request.replacen(from, to, 1)
}

#[test]
fn a_valid_request_is_upgraded() {
    for valid in [
        request(""),
        format!("\r\n{}", request("")), // one empty line before it is fine
        changed("Upgrade: websocket", "upgrade: h2c, WebSocket"),
        changed("Connection: Upgrade", "Connection: keep-alive, UPGRADE, x"),
        changed("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
        request("Content-Length: 0\r\n"),
        request("Origin: http://localhost\r\n"),
        request("Sec-WebSocket-Protocol: unknown\r\n"),
        request("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7, foo; bar=\"1\"\r\n"),
    ] {
        let (mut client, server) = pair();
        let task = start(move || talkback::accept(server).map(drop));
        client.write_all(valid.as_bytes()).unwrap();
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 101 "), "{valid}{head}");
        assert_eq!(header(&head, "Upgrade"), Some("websocket"));
        assert_eq!(header(&head, "Connection"), Some("Upgrade"));
        assert_eq!(header(&head, "Sec-WebSocket-Accept"), Some(KEY_ACCEPT));
        assert_eq!(header(&head, "Sec-WebSocket-Protocol"), None);
        assert_eq!(header(&head, "Sec-WebSocket-Extensions"), None);
        task.end().unwrap();
    }
}

#[test]
fn not_get_is_405() {
    for method in ["POST", "PUT", "get"] {
        assert_refused(changed("GET", method), 405, &[("Allow", "GET")]);
    }
    assert_refused(changed("GET /chat", "OPTIONS *"), 405, &[("Allow", "GET")]);
}

#[test]
fn a_head_is_405_without_a_body() {
    let Answer { head, body, error } = refused(Accept::new(), changed("GET", "HEAD"));
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert_eq!((header(&head, "Allow"), header(&head, "Content-Length") > Some("0")), (Some("GET"), true));
    assert!(body.is_empty() && matches!(error, AcceptError::Handshake(_)), "{body} {error:?}");
}

#[test]
fn older_versions_are_505() {
    assert_refused(changed("HTTP/1.1", "HTTP/1.0"), 505, &[]);
    assert_refused("GET /chat\r\n", 505, &[]);
    assert_refused(changed("HTTP/1.1", "HTTP/2.0"), 505, &[]);
}

#[test]
fn a_bad_host_is_400() {
    for host in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: user@a\r\n", "Host:\r\n"] {
        assert_refused(changed("Host: localhost\r\n", host), 400, &[]);
    }
}

#[test]
fn no_upgrade_is_426() {
    let asks = [("Upgrade", "websocket")];
    assert_refused(changed("Upgrade: websocket\r\n", ""), 426, &asks);
    assert_refused(changed("Upgrade: websocket\r\n", "Upgrade: websockets\r\n"), 426, &asks);
    assert_refused(changed("Connection: Upgrade\r\n", ""), 426, &asks);
    assert_refused(changed("Connection: Upgrade\r\n", "Connection: keep-alive\r\n"), 426, &asks);
}

#[test]
fn another_version_is_426_and_none_400() {
    for version in ["8", "0", "14", "013", "13, 8"] {
        let request = changed("Version: 13", &format!("Version: {version}"));
        assert_refused(request, 426, &[("Sec-WebSocket-Version", "13")]);
    }
    assert_refused(changed("Sec-WebSocket-Version: 13\r\n", ""), 400, &[]);
}

#[test]
fn a_bad_key_is_400() {
    let with_key = |key: &str| changed(KEY, key);
    assert_refused(changed(&format!("Sec-WebSocket-Key: {KEY}\r\n"), ""), 400, &[]);
    assert_refused(request(&format!("Sec-WebSocket-Key: {KEY}\r\n")), 400, &[]);
    for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZSE="]
    {
        assert_refused(with_key(key), 400, &[]);
    }
}

#[test]
fn a_body_is_400() {
    for lines in [
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +0\r\n",
    ] {
        assert_refused(request(lines), 400, &[]);
    }
}

#[test]
fn a_malformed_head_is_400() {
    for malformed in [
        changed("\r\n", "\n"),
        format!("\r\n\r\n{}", request("")),
        request("X: a\r\n folded\r\n"),
        request("X : a\r\n"),
        request("X: a\0b\r\n"),
        request("X: a\x07b\r\n"),
        request("X: a\rb\r\n"),
        request("X\r\n"),
        request(": a\r\n"),
    ] {
        assert_refused(malformed, 400, &[]);
    }
}

#[test]
fn garbage_is_400() {
    // The hello of a TLS client, a word of another protocol, and bytes of no kind.
    assert_refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, &[]);
    assert_refused("SSH-2.0-OpenSSH_9.9\r\n", 400, &[]);
    assert_refused([0xff; 100], 400, &[]);
}

#[test]
fn limits_of_the_head_are_431_and_414() {
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    assert_refused(request(&fields(96)), 431, &[]); // 5 besides
    assert_refused(request(&format!("X: {}\r\n", "y".repeat(16 * 1024))), 431, &[]);
    assert_refused(changed("/chat", &format!("/{}", "x".repeat(8 * 1024))), 414, &[]);
    let tight = Accept::new().head_limits(HeadLimits::default().max_header_count(4));
    assert_refused_by(tight, request(""), 431, &[]);
}

#[test]
fn origins_are_403() {
    for origin in ["http://evil.example", "http://localhost:81", "null", "", "http://localhost.evil.example"]
    {
        assert_refused(request(&format!("Origin: {origin}\r\n")), 403, &[]);
    }
    assert_refused(request("Origin: http://localhost\r\nOrigin: http://localhost\r\n"), 403, &[]);
    let listed = Accept::new().origins(Origins::Listed(vec!["https://app.example".to_owned()]));
    assert_refused_by(listed.clone(), request("Origin: http://app.example\r\n"), 403, &[]);
    let any = Accept::new().origins(Origins::Any);
    for (accept, origin) in [(listed, "https://app.example"), (any, "null")] {
        let (mut client, server) = pair();
        let task = start(move || accept.accept(server).map(drop));
        client.write_all(request(&format!("Origin: {origin}\r\n")).as_bytes()).unwrap();
        assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
        task.end().unwrap();
    }
}

#[test]
fn other_hosts_are_421() {
    let accept = Accept::new().hosts(["chat.example", "localhost:80"]);
    assert_refused_by(accept, request(""), 421, &[]);
}

#[test]
fn malformed_extensions_are_400() {
    for value in ["permessage-deflate;", "a;b=", "a b", ";", "a;b=\"", "a;b=\" \""] {
        assert_refused(request(&format!("Sec-WebSocket-Extensions: {value}\r\n")), 400, &[]);
    }
}

#[test]
fn subprotocols_are_chosen_or_refused() {
    for value in ["a b", "a, a", "a/b"] {
        assert_refused(request(&format!("Sec-WebSocket-Protocol: {value}\r\n")), 400, &[]);
    }
    let accept = Accept::new().subprotocols(["two", "three"]).require_subprotocol(true);
    assert_refused_by(accept.clone(), request("Sec-WebSocket-Protocol: one\r\n"), 400, &[]);
    let (mut client, server) = pair();
    let task = start(move || accept.accept(server).map(|ws| ws.subprotocol().map(str::to_owned)));
    client.write_all(request("Sec-WebSocket-Protocol: one, three, two\r\n").as_bytes()).unwrap();
    assert_eq!(header(&read_head(&mut client), "Sec-WebSocket-Protocol"), Some("two"));
    assert_eq!(task.end().unwrap().as_deref(), Some("two"));
}

#[test]
fn a_refusal_of_the_caller_is_sent() {
    let (mut client, server) = pair();
    let task = start(move || {
        talkback::accept_with(server, |_, _| Err(Response::refusal(Status::NOT_FOUND, "no such room")))
            .map(drop)
    });
    client.write_all(request("").as_bytes()).unwrap();
    client.write_all(&vec![b'x'; MORE_LEN]).unwrap();
    let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
    drop(client);
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\nno such room\n"), "{answer}");
    assert!(matches!(task.end(), Err(AcceptError::Refused(status)) if status == 404));
}

#[test]
fn an_exchange_answers_pages() {
    for (method, status, body) in
        [("GET", Status::OK, "hello"), ("HEAD", Status::OK, ""), ("POST", Status::OK, "hello")]
    {
        let (mut client, server) = pair();
        let task = start(move || {
            let exchange = Exchange::read(server, &Accept::new()).unwrap();
            assert_eq!(exchange.request().path(), "/page");
            exchange.respond(&Response::new(status).body("hello")).unwrap();
        });
        client.write_all(format!("{method} /page HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
        drop(client);
        let (head, got) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!((header(head, "Connection"), header(head, "Content-Length")), (Some("close"), Some("5")));
        assert_eq!(got, body);
        task.end();
    }
}

#[test]
fn a_head_without_a_body_is_whole_for_head_requests_too() {
    let (mut client, server) = pair();
    let task = start(move || {
        let exchange = Exchange::read(server, &Accept::new()).unwrap();
        exchange.respond(&Response::new(Status::new(304).unwrap()).body(vec![b'x'; 1000])).unwrap();
    });
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read_to_end(&mut client).ends_with(b"\r\n\r\n"));
    drop(client);
    task.end();
}

#[test]
fn an_exchange_streams_events() {
    let (mut client, server) = pair();
    let task = start(move || {
        let mut events = Exchange::read(server, &Accept::new()).unwrap().events().unwrap();
        events.send(&talkback::sse::Event::new("one\ntwo")).unwrap();
        events.keep_alive().unwrap();
        events.finish().unwrap();
    });
    client.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let head = read_head(&mut client);
    assert!(header(&head, "Content-Type").unwrap().starts_with("text/event-stream"), "{head}");
    let body = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert!(body.contains("data: one\ndata: two\n\n"), "{body:?}");
    assert!(body.ends_with("\r\n0\r\n\r\n"), "{body:?}");
    task.end();

    let (mut client, server) = pair();
    let task = start(move || Exchange::read(server, &Accept::new()).unwrap().events().map(drop));
    client.write_all(b"POST /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read_to_end(&mut client).starts_with(b"HTTP/1.1 405 "));
    drop(client);
    assert!(matches!(task.end(), Err(AcceptError::Handshake(HandshakeError::NotGet))));
}

#[test]
fn the_end_of_the_stream_inside_a_head_ends_it() {
    let request = request("");
    for cut in [0, 1, 20, request.len() - 1] {
        let (mut client, server) = pair();
        let task = start(move || talkback::accept(server).map(drop));
        client.write_all(&request.as_bytes()[..cut]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client), b"", "{cut}");
        assert!(matches!(task.end(), Err(AcceptError::Disconnected)));
    }
}

#[test]
fn frames_in_the_segment_of_the_request_are_kept() {
    let (mut client, server) = pair();
    let task = start(move || {
        let mut ws = talkback::accept(server)?;
        let messages = [ws.recv().unwrap(), ws.recv().unwrap(), ws.recv().unwrap()];
        Ok::<_, AcceptError>(messages)
    });
    let mut bytes = request("").into_bytes();
    bytes.extend(frame(true, 0x81, b"early"));
    bytes.extend(frame(true, 0x82, &[7; 10_000]));
    let (now, later) = bytes.split_at(bytes.len() - 5_000);
    client.write_all(now).unwrap();
    read_head(&mut client);
    client.write_all(later).unwrap();
    client.write_all(&frame(true, 0x88, b"")).unwrap();
    let expected = [Some(Message::from("early")), Some(Message::from(vec![7; 10_000])), None];
    drop(read_to_end(&mut client));
    drop(client);
    assert_eq!(task.end().unwrap(), expected);
}

// Close codes

/// Reads until the connection is over: the peer's close, or the error.
fn run<S: Stream>(mut ws: WebSocket<S>) -> Result<Option<CloseFrame>, Error> {
    while ws.recv()?.is_some() {}
    Ok(ws.peer_close().cloned())
}

/// A connection of that role, opened by its handshake, that runs; and its peer.
fn open(role: Role, config: Config) -> (TcpStream, Task<Result<Option<CloseFrame>, Error>>) {
    // Nothing here ends by the time being up.
    let config = config.linger_timeout(None);
    let (listener, address) = listen();
    if role == Role::Server {
        let task =
            start(move || run(Accept::new().config(config).accept(listener.accept().unwrap().0).unwrap()));
        let mut peer = TcpStream::connect(address).unwrap();
        patient(&peer);
        peer.write_all(request("").as_bytes()).unwrap();
        assert!(read_head(&mut peer).starts_with("HTTP/1.1 101 "));
        (peer, task)
    } else {
        let url = format!("ws://{address}/");
        let task = start(move || run(Connect::new(url).config(config).connect().unwrap()));
        let mut peer = listener.accept().unwrap().0;
        open_by_hand(&mut peer);
        (peer, task)
    }
}

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// In both roles: `bytes` are answered by this close, and then the stream ends in order.
#[track_caller]
fn assert_closed(code: u16, bytes: impl Fn(bool) -> Vec<u8>) {
    assert_closed_by(&Config::default(), code, bytes);
}

#[track_caller]
fn assert_closed_by(config: &Config, code: u16, bytes: impl Fn(bool) -> Vec<u8>) {
    for role in ROLES {
        let masks = role == Role::Server; // the peer of a server is a client
        let (mut peer, task) = open(role, config.clone());
        peer.write_all(&bytes(masks)).unwrap();
        peer.write_all(&[0; 100_000]).unwrap(); // and more, which nobody asked for
        let answer = frames(!masks, &read_to_end(&mut peer));
        assert_listens(&mut peer);
        drop(peer);
        assert_eq!(answer.iter().map(close_code).collect::<Vec<_>>(), [Some(code)], "{role:?}");
        let reason = String::from_utf8(answer[0].1[2..].to_vec()).unwrap();
        match task.end() {
            Err(Error::Protocol(error)) => {
                assert_eq!((error.close_code().value(), error.to_string()), (code, reason));
            }
            result => panic!("{result:?}"),
        }
    }
}

#[test]
fn masks_are_required_of_clients_and_of_nobody_else() {
    for role in ROLES {
        let (mut peer, task) = open(role, Config::default());
        let wrong = role != Role::Server;
        peer.write_all(&frame(wrong, 0x81, b"hello")).unwrap();
        peer.write_all(&[0; 100_000]).unwrap();
        let answer = frames(role == Role::Client, &read_to_end(&mut peer));
        drop(peer);
        assert_eq!(close_code(&answer[0]), Some(1002));
        let expected = if role == Role::Server { ProtocolError::Unmasked } else { ProtocolError::Masked };
        assert!(matches!(task.end(), Err(Error::Protocol(error)) if error == expected));
    }
}

#[test]
fn reserved_bits_and_opcodes_are_1002() {
    for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f] {
        assert_closed(1002, |masks| frame(masks, first, b"x"));
    }
}

#[test]
fn bad_control_frames_are_1002_from_their_header() {
    for first in [0x08, 0x09, 0x0a] {
        assert_closed(1002, |masks| frame(masks, first, b""));
    }
    for first in [0x88, 0x89, 0x8a] {
        assert_closed(1002, |masks| raw_frame(masks, first, &[126, 0, 126], b""));
        assert_closed(1002, |masks| raw_frame(masks, first, &[127, 0, 0, 0, 0, 0, 1, 0, 0], b""));
    }
    for role in ROLES {
        // The header's two bytes are enough.
        let (mut peer, task) = open(role, Config::default());
        peer.write_all(&raw_frame(role == Role::Server, 0x89, &[126], b"")[..2]).unwrap();
        assert_eq!(close_code(&frames(role == Role::Client, &read_to_end(&mut peer))[0]), Some(1002));
        drop(peer);
        assert!(matches!(task.end(), Err(Error::Protocol(ProtocolError::Frame(FrameError::ControlTooLong)))));
    }
}

#[test]
fn bad_fragments_are_1002() {
    assert_closed(1002, |masks| frame(masks, 0x80, b"stray"));
    assert_closed(1002, |masks| frame(masks, 0x00, b"stray"));
    for (first, second) in [(0x01, 0x81), (0x01, 0x82), (0x02, 0x01), (0x02, 0x82)] {
        assert_closed(1002, |masks| [frame(masks, first, b"a"), frame(masks, second, b"b")].concat());
    }
}

#[test]
fn bad_lengths_are_1002() {
    assert_closed(1002, |masks| raw_frame(masks, 0x82, &[127, 0x80, 0, 0, 0, 0, 0, 0, 1], b""));
    assert_closed(1002, |masks| raw_frame(masks, 0x82, &[126, 0, 125], b""));
    assert_closed(1002, |masks| raw_frame(masks, 0x82, &[127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], b""));
}

#[test]
fn too_much_is_1009_from_the_header() {
    let giant = [127, 0, 0, 0, 0, 1, 0, 0, 1]; // 16 MiB and a byte
    assert_closed(1009, |masks| raw_frame(masks, 0x82, &giant, b""));
    assert_closed(1009, |masks| raw_frame(masks, 0x81, &[127, 0x7f, 255, 255, 255, 255, 255, 255, 255], b""));
    let small = Config::default().max_message_len(Some(1000));
    assert_closed_by(&small, 1009, |masks| raw_frame(masks, 0x82, &len_bytes(1001), b""));
    assert_closed_by(&small, 1009, |masks| {
        [frame(masks, 0x02, &[0; 600]), raw_frame(masks, 0x80, &len_bytes(401), b"")].concat()
    });
    let frames = Config::default().max_frame_len(Some(100));
    assert_closed_by(&frames, 1009, |masks| raw_frame(masks, 0x82, &len_bytes(101), b""));
    let fragments = Config::default().max_fragment_count(Some(3));
    assert_closed_by(&fragments, 1009, |masks| {
        [frame(masks, 0x02, b""), frame(masks, 0, b""), frame(masks, 0, b""), frame(masks, 0, b"")].concat()
    });
    // What is just within the limits is none of their business: the next frame's fault is told.
    assert_closed_by(&small, 1002, |masks| [frame(masks, 0x82, &[0; 1000]), vec![0x83, 0]].concat());
    assert_closed_by(&frames, 1002, |masks| [frame(masks, 0x82, &[0; 100]), vec![0x83, 0]].concat());
    assert_closed_by(&fragments, 1002, |masks| {
        [frame(masks, 0x02, b""), frame(masks, 0, b""), frame(masks, 0x80, b""), vec![0x83, 0]].concat()
    });
}

#[test]
fn bad_text_is_1007_at_its_first_bad_byte() {
    let texts: [&[u8]; 7] = [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf\xc3",
        b"\xf0\x9f\x98",
    ];
    for text in texts {
        assert_closed(1007, |masks| frame(masks, 0x81, text));
    }
    // Inside a frame that never ends, and across fragments that go on.
    for role in ROLES {
        let masks = role == Role::Server;
        for bytes in [
            raw_frame(masks, 0x81, &len_bytes(1000), b"fine so far \xc3\x28"),
            [frame(masks, 0x01, b"\xe2\x82"), frame(masks, 0x00, b"\x28")].concat(),
            [frame(masks, 0x01, b"\xe2\x82"), frame(masks, 0x80, b"")].concat(),
        ] {
            let (mut peer, task) = open(role, Config::default());
            peer.write_all(&bytes).unwrap();
            assert_eq!(close_code(&frames(!masks, &read_to_end(&mut peer))[0]), Some(1007));
            drop(peer);
            assert!(matches!(
                task.end(),
                Err(Error::Protocol(ProtocolError::Frame(FrameError::InvalidUtf8)))
            ));
        }
    }
}

#[test]
fn bad_closes_are_1002_and_bad_reasons_1007() {
    assert_closed(1002, |masks| frame(masks, 0x88, b"\x03"));
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        assert_closed(1002, |masks| frame(masks, 0x88, &code.to_be_bytes()));
    }
    assert_closed(1007, |masks| frame(masks, 0x88, b"\x03\xe8bad \xff"));
}

#[test]
fn valid_closes_are_echoed_and_the_server_ends_tcp_first() {
    let codes =
        [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
    for code in codes {
        let payload = [&code.to_be_bytes()[..], b"bye"].concat();
        let (mut peer, task) = open(Role::Server, Config::default());
        peer.write_all(&frame(true, 0x88, &payload)).unwrap();
        // What follows a close is ignored, be it valid or not.
        peer.write_all(&frame(true, 0x81, b"late")).unwrap();
        peer.write_all(&[0xff; 50_000]).unwrap();
        let answer = frames(false, &read_to_end(&mut peer));
        assert_listens(&mut peer);
        drop(peer);
        assert_eq!(answer, [(0x88, code.to_be_bytes().to_vec())]);
        let close = task.end().unwrap().unwrap();
        assert_eq!((close.code().value(), close.reason()), (code, "bye"));

        let (mut peer, task) = open(Role::Client, Config::default());
        peer.write_all(&frame(false, 0x88, &payload)).unwrap();
        assert_eq!(read_frame(true, &mut peer), (0x88, code.to_be_bytes().to_vec()));
        if code == 1000 {
            assert!(is_silent(&mut peer, millis(300)), "the client waits for the server");
            assert!(task.is_running());
        }
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut peer), b"");
        assert_eq!(task.end().unwrap().unwrap().code().value(), code);
    }
}

#[test]
fn a_close_without_a_code_is_answered_by_one_without() {
    for role in ROLES {
        let masks = role == Role::Server;
        let (mut peer, task) = open(role, Config::default());
        peer.write_all(&frame(masks, 0x88, b"")).unwrap();
        assert_eq!(read_frame(!masks, &mut peer), (0x88, Vec::new()));
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut peer), b"");
        assert_eq!(task.end().unwrap(), None);
    }
}

#[test]
fn an_end_without_a_close_is_disconnected() {
    for role in ROLES {
        let (mut peer, task) = open(role, Config::default());
        peer.write_all(&frame(role == Role::Server, 0x81, b"last words")).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut peer), b"");
        assert!(matches!(task.end(), Err(Error::Disconnected)));
    }
}

// Refusals of a client

/// What a client makes of a server that answers with `response`, in which `{accept}` is
/// replaced by the accept key, and then ends its stream.
fn connect_to(
    connect: impl FnOnce(Connect) -> Connect,
    response: impl AsRef<[u8]>,
) -> Result<WebSocket<TcpStream>, ConnectError> {
    let (listener, address) = listen();
    let response = response.as_ref().to_vec();
    let peer = start(move || {
        let mut peer = listener.accept().unwrap().0;
        patient(&peer);
        let accept = accept_for(&read_head(&mut peer));
        let placeholder = b"{accept}";
        let mut bytes = response;
        if let Some(at) = bytes.windows(placeholder.len()).position(|window| window == placeholder) {
            bytes.splice(at..at + placeholder.len(), accept.bytes());
        }
        // A client that refuses may be gone before it has read it all.
        peer.write_all(&bytes).unwrap_or_default();
        peer.shutdown(Shutdown::Write).unwrap_or_default();
        peer
    });
    let result = connect(Connect::new(format!("ws://{address}/path?query"))).connect();
    drop(peer.end());
    result
}

#[track_caller]
fn client_error(response: impl AsRef<[u8]>) -> ResponseError {
    match connect_to(|connect| connect.subprotocol("chat"), response) {
        Err(ConnectError::Response(error)) => error,
        result => panic!("{result:?}"),
    }
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: {accept}\r\n\r\n";

#[test]
fn a_client_keeps_frames_in_the_segment_of_the_response() {
    let mut response = SWITCHING.as_bytes().to_vec();
    response.extend(frame(false, 0x81, b"early"));
    response.extend(frame(false, 0x88, b"\x03\xe8"));
    let mut ws = connect_to(|connect| connect, response).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("early")));
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn a_client_refuses_what_opens_no_connection() {
    let without = |line: &str| {
        assert!(SWITCHING.contains(line));
        SWITCHING.replacen(line, "", 1)
    };
    let with = |line: &str| SWITCHING.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1);
    for (response, expected) in [
        (without("Upgrade: websocket\r\n"), ResponseError::MissingUpgrade),
        (SWITCHING.replacen("websocket", "h2c", 1), ResponseError::MissingUpgrade),
        (without("Connection: Upgrade\r\n"), ResponseError::MissingConnection),
        (without("Sec-WebSocket-Accept: {accept}\r\n"), ResponseError::InvalidAccept),
        (SWITCHING.replacen("{accept}", KEY_ACCEPT, 1), ResponseError::InvalidAccept),
        (with("Sec-WebSocket-Accept: again"), ResponseError::InvalidAccept),
        (with("Sec-WebSocket-Protocol: other"), ResponseError::UnofferedSubprotocol),
        (with("Sec-WebSocket-Protocol: chat, chat"), ResponseError::UnofferedSubprotocol),
        (with("Sec-WebSocket-Extensions: permessage-bzip2"), ResponseError::UnofferedExtension),
        (with("Sec-WebSocket-Extensions: x;"), ResponseError::UnofferedExtension),
    ] {
        assert_eq!(client_error(&response), expected, "{response}");
    }
    for malformed in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 Switching\nUpgrade: websocket\n\n", "\x16\x03\x01"]
    {
        assert!(matches!(client_error(malformed), ResponseError::Http(_)), "{malformed}");
    }
    let long = with(&format!("X: {}", "y".repeat(16 * 1024)));
    assert!(matches!(client_error(long), ResponseError::Http(_)));
    let ws = connect_to(|connect| connect.subprotocol("chat"), with("Sec-WebSocket-Protocol: chat")).unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
}

#[test]
fn a_client_shows_the_response_that_refused_it() {
    for (response, status, body_len) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nno!!!and more".to_owned(), 403, 5),
        ("HTTP/1.1 200 OK\r\n\r\nall of it".to_owned(), 200, 9), // up to the end of the stream
        (format!("HTTP/1.1 500 Oh\r\nContent-Length: 9000\r\n\r\n{}", "x".repeat(9000)), 500, 4096),
        (format!("HTTP/1.0 503 Busy\r\n\r\n{}", "x".repeat(5000)), 503, 4096),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            302,
            0,
        ),
    ] {
        match client_error(response) {
            ResponseError::Refused(response) => {
                assert_eq!(response.status(), status);
                assert_eq!(response.content().len(), body_len);
            }
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_refusal_is_told_at_once_though_the_server_keeps_tcp_open() {
    for (response, body) in [
        ("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "no"),
        ("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\nzz", "no"),
        ("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: gzip\r\n\r\nno", ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
    ] {
        let (listener, address) = listen();
        let connect = start(move || Connect::new(format!("ws://{address}/")).connect());
        let mut peer = listener.accept().unwrap().0;
        read_head(&mut peer);
        let begun = Instant::now();
        peer.write_all(response.as_bytes()).unwrap();
        match connect.end() {
            Err(ConnectError::Response(ResponseError::Refused(refused))) => {
                assert_eq!(refused.content(), body.as_bytes());
            }
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < millis(5_000), "the handshake has 10 s, an error should not take them");
    }
}

#[test]
fn interim_responses_are_stepped_over() {
    let (listener, address) = listen();
    let connect = start(move || Connect::new(format!("ws://{address}/")).connect());
    let mut peer = listener.accept().unwrap().0;
    let accept = accept_for(&read_head(&mut peer));
    let opened = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    peer.write_all(opened.as_bytes()).unwrap();
    let mut ws = connect.end().unwrap();
    peer.write_all(&frame(false, 0x81, b"behind it")).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("behind it")));
}

#[test]
fn interim_responses_without_end_are_no_connection() {
    let (listener, address) = listen();
    let connect = start(move || Connect::new(format!("ws://{address}/")).connect());
    let mut peer = listener.accept().unwrap().0;
    read_head(&mut peer);
    peer.write_all("HTTP/1.1 100 Continue\r\n\r\n".repeat(9).as_bytes()).unwrap();
    assert!(matches!(connect.end(), Err(ConnectError::Response(ResponseError::Refused(_)))));
}

#[test]
fn a_host_that_is_not_served_gets_no_page_and_no_events_either() {
    for target in ["/", "/events"] {
        let (mut peer, stream) = pair();
        let request = format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        peer.write_all(request.as_bytes()).unwrap();
        let read = start(|| Exchange::read(stream, &Accept::new().hosts(["localhost:8080"])).map(drop));
        let answer = read_to_end(&mut peer);
        assert!(answer.starts_with(b"HTTP/1.1 421 "), "{}", String::from_utf8_lossy(&answer));
        drop(peer);
        assert!(matches!(read.end(), Err(AcceptError::Handshake(HandshakeError::UnknownHost))));
    }
}

#[test]
fn a_server_that_goes_away_or_says_nothing() {
    assert!(matches!(connect_to(|connect| connect, "HTTP/1.1 101 Swi"), Err(ConnectError::Disconnected)));
    let (listener, address) = listen();
    let connect = Connect::new(format!("ws://{address}/")).handshake_timeout(Some(millis(200)));
    assert!(matches!(start(move || connect.connect()).end(), Err(ConnectError::HandshakeTimeout)));
    let mut peer = listener.accept().unwrap().0;
    patient(&peer);
    assert!(!read_to_end(&mut peer).is_empty());
    // A port where nobody listens.
    drop(listener);
    assert!(matches!(talkback::connect(&format!("ws://{address}/")), Err(ConnectError::Io(_))));
}

#[test]
fn what_cannot_be_asked_for_is_not_sent() {
    let (listener, address) = listen();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ws://{address}");
    let plain = || Connect::new(&url);
    for (connect, is_expected) in [
        (plain().header("X", "a\r\nEvil: b"), true),
        (plain().header("X\r\n", "a"), true),
        (plain().header("X", "a\0"), true),
        (plain().header("Host", "other"), true),
        (plain().header("sec-websocket-key", "other"), true),
        (plain().subprotocol("a\r\nb"), true),
        (plain().subprotocol("a, b"), true),
        (plain().subprotocol(""), true),
        (plain().subprotocol("a").subprotocol("a"), true),
    ] {
        assert_eq!(matches!(connect.connect(), Err(ConnectError::Build(_))), is_expected, "{connect:?}");
    }
    for path in ["/a b", "/a\r\nEvil: b", "/\0", "/ü", "/a#b"] {
        assert!(matches!(talkback::connect(&format!("{url}{path}")), Err(ConnectError::Url(_))), "{path:?}");
    }
    let tls = talkback::connect(&format!("wss://{address}/"));
    assert!(matches!(tls, Err(ConnectError::Url(UrlError::TlsNotBuiltIn))));
    let header = plain().header("Host", "other").connect();
    assert!(matches!(header, Err(ConnectError::Build(BuildError::ReservedHeader))));
    std::thread::sleep(millis(50));
    assert!(listener.accept().is_err(), "no connection was made");
}

#[test]
fn a_client_asks_for_what_it_was_told_to() {
    let (listener, address) = listen();
    let url = format!("ws://{address}?x=1");
    let task = start(move || {
        let connect = Connect::new(url).header("Origin", "http://a").header("Cookie", "b=c");
        connect.subprotocol("one").subprotocol("two").connect().map(drop)
    });
    let mut peer = listener.accept().unwrap().0;
    patient(&peer);
    let request = read_head(&mut peer);
    drop(peer);
    assert!(request.starts_with("GET /?x=1 HTTP/1.1\r\n"), "{request}");
    for (name, value) in [
        ("Host", address.as_str()),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "one, two"),
        ("Origin", "http://a"),
        ("Cookie", "b=c"),
    ] {
        assert_eq!(header(&request, name), Some(value), "{request}");
    }
    assert!(matches!(task.end(), Err(ConnectError::Disconnected)));
}
