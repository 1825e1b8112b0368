//! Plain HTTP on the same port, and requests that come to nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use talkback::handshake::Origins;

use crate::app::*;
use crate::net::*;

pub(crate) fn get(target: &str) -> String {
    ask_for("GET", target, "")
}

pub(crate) fn ask_for(method: &str, target: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

/// Reads a response whose length its head tells: its status, its head, its body.
#[track_caller]
pub(crate) fn read_response(stream: &mut impl Read) -> (u16, String, Vec<u8>) {
    let head = read_head(stream);
    let status = head[9..12].parse().unwrap();
    let len = header(&head, "Content-Length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    (status, head, body)
}

/// The status and body of the one answer, behind which TCP ends.
#[track_caller]
pub(crate) fn last_answer(stream: &mut TcpStream) -> (u16, String) {
    let bytes = read_to_end(stream);
    let mut input = &bytes[..];
    let (status, head, body) = read_response(&mut input);
    assert!(input.is_empty(), "{head}");
    assert!(header(&head, "Connection").is_some_and(|value| value.contains("close")), "{head}");
    (status, String::from_utf8(body).unwrap())
}

#[test]
fn requests_follow_each_other_on_a_connection_and_end_in_an_upgrade() {
    let server = serve();
    let mut stream = server.connect();
    for _ in 0..3 {
        for (target, status, body) in
            [("/", 200, "hello"), ("/query?a=1", 200, "a=1"), ("/nothing", 204, ""), ("/nowhere", 404, "")]
        {
            stream.write_all(get(target).as_bytes()).unwrap();
            let (found, head, found_body) = read_response(&mut stream);
            assert_eq!(found, status);
            if status == 404 {
                // It was built as a refusal, and says that it is the last.
                assert_eq!(header(&head, "Connection"), Some("close"));
                assert_eq!(read_to_end(&mut stream), b"");
                stream = server.connect();
            } else {
                assert_eq!(found_body, body.as_bytes());
                assert_eq!(header(&head, "Connection"), None);
            }
        }
    }
    stream.write_all(request_to("/chat", "").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    ask(&mut stream, "hi");
    close(stream);
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().answered, [(200, 6), (204, 3), (404, 3)].into());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve();
    let mut stream = server.connect();
    let requests: String = (0..500).map(|n| get(&format!("/query?{n}"))).collect();
    let upgrade = request_to("/chat?greet", "");
    stream.write_all(&[requests.as_bytes(), upgrade.as_bytes(), &text("hi")].concat()).unwrap();
    for n in 0..500 {
        let (status, _, body) = read_response(&mut stream);
        assert_eq!((status, body), (200, n.to_string().into_bytes()));
    }
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    assert_eq!((read_text(&mut stream), read_text(&mut stream)), ("welcome".to_owned(), "hi".to_owned()));
    close(stream);
    server.end();
}

#[test]
fn pipelined_requests_are_answered_even_if_the_client_has_ended_its_half() {
    let server = serve();
    let mut stream = server.connect();
    let requests: String = (0..50).map(|n| get(&format!("/query?{n}"))).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for n in 0..50 {
        assert_eq!(read_response(&mut stream).2, n.to_string().into_bytes());
    }
    assert_eq!(read_to_end(&mut stream), b"");
    server.end();
}

#[test]
fn a_flood_of_requests_is_read_no_faster_than_it_is_answered() {
    let server = serve();
    let mut stream = server.connect();
    let request = get("/query?n");
    let count: usize = 60_000;
    let (mut writer, bytes) = (stream.try_clone().unwrap(), request.repeat(count));
    let handle = server.handle.clone();
    let request_len = request.len() as u64;
    let watcher = start(move || {
        let mut most = 0;
        loop {
            let snapshot = handle.snapshot();
            let answered: u64 = snapshot.answered.values().sum();
            most = most.max(snapshot.received_len.saturating_sub(answered * request_len));
            if answered == count as u64 {
                return most;
            }
            std::thread::sleep(millis(2));
        }
    });
    let write = start(move || writer.write_all(bytes.as_bytes()));
    let begun = Instant::now();
    let mut reader = std::io::BufReader::new(&mut stream);
    for _ in 0..count {
        let (status, _, body) = read_response(&mut reader);
        assert_eq!((status, &body[..]), (200, &b"n"[..]));
    }
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    write.end().unwrap();
    let most = watcher.end();
    // One read of the loop.
    assert!(most <= 600 * 1024, "{most} bytes of requests were held");
    drop(stream);
    server.end();
}

#[test]
fn head_gets_no_body_and_what_follows_is_in_step() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(format!("{}{}", ask_for("HEAD", "/", ""), get("/query?x")).as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 ") && header(&head, "Content-Length") == Some("5"), "{head}");
    assert_eq!(read_response(&mut stream).2, b"x");
    drop(stream);
    server.end();
}

#[test]
fn connection_close_ends_it_from_both_sides() {
    let server = serve();
    for request in [ask_for("GET", "/", "Connection: Close\r\n"), get("/close")] {
        let mut stream = server.connect();
        stream.write_all(format!("{request}{}", get("/query?ignored")).as_bytes()).unwrap();
        assert_eq!(last_answer(&mut stream).0, 200);
        assert_listens(&mut stream);
    }
    server.end();
}

#[test]
fn a_request_with_a_body_is_answered_and_then_closed() {
    let server = serve();
    let mut stream = server.connect();
    let head = ask_for("POST", "/", "Content-Length: 3000000\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (status, head, body) = read_response(&mut stream);
    assert_eq!((status, &body[..]), (200, &b"hello"[..]));
    assert_eq!(header(&head, "Connection"), Some("close"));
    // The body may come: no reset eats the answer, nothing in it is taken for a request.
    stream.write_all(get("/").repeat(10_000).as_bytes()).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");

    let mut stream = server.connect();
    let chunked = ask_for("POST", "/", "Transfer-Encoding: chunked\r\n");
    stream.write_all(format!("{chunked}5\r\nGET /\r\n0\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(last_answer(&mut stream).0, 200);
    let requests = server.end();
    assert_eq!(requests.len(), 2, "{requests:?}");
}

#[test]
fn bad_requests_are_refused_each_with_its_status() {
    let server = serve_with(App::default(), |server| {
        let accept = accept(config()).origins(Origins::Listed(vec!["https://app.example".to_owned()]));
        server.loop_count(1).accept(accept.hosts(["localhost"]))
    });
    let long = "x".repeat(9000);
    let many = "X: y\r\n".repeat(101);
    let huge = format!("X: {}\r\n", "y".repeat(17_000));
    let upgrade = |from: &str, to: &str| request("").replace(from, to);
    let cases = [
        (400, "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\nHost: localhost\n\n".to_owned()),
        (400, ask_for("GET", "/", "Host: localhost\r\n")),
        (400, ask_for("GET", "/", "X : y\r\n")),
        (400, ask_for("GET", "/", "X: y\r\n z\r\n")),
        (400, ask_for("GET", "/", "X: \0\r\n")),
        (400, ask_for("POST", "/", "Content-Length: +1\r\n")),
        (400, ask_for("POST", "/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
        (414, get(&format!("/{long}"))),
        (421, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned()),
        (421, upgrade("localhost", "other.example")),
        (431, ask_for("GET", "/", &many)),
        (431, ask_for("GET", "/", &huge)),
        (505, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".to_owned()),
        (405, upgrade("GET", "POST")),
        (426, get("/chat")),
        (426, upgrade("Version: 13", "Version: 8")),
        (400, upgrade("Sec-WebSocket-Version: 13\r\n", "")),
        (400, upgrade(KEY, "short")),
        (400, request("Content-Length: 5\r\n")),
        (403, request("Origin: https://evil.example\r\n")),
        (400, request("Sec-WebSocket-Extensions: ;;\r\n")),
        (403, request_to("/refused", "")),
        (405, ask_for("POST", "/events", "")),
    ];
    let mut counts = std::collections::BTreeMap::new();
    for (status, request) in cases {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let (found, why) = last_answer(&mut stream);
        assert_eq!(found, status, "{request:?}: {why}");
        assert!(!why.is_empty() && why.len() < 200);
        assert_listens(&mut stream);
        *counts.entry(status).or_default() += 1;
    }
    drop(server.open("/chat")); // the others don't suffer
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().answered, counts);
}

#[test]
fn the_headers_of_refusals_say_what_would_do() {
    let server = serve();
    for (request, name, value) in [
        (request("").replace("GET", "POST"), "Allow", "GET"),
        (get("/chat"), "Upgrade", "websocket"),
        (request("").replace("Version: 13", "Version: 8"), "Sec-WebSocket-Version", "13"),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert_eq!(header(&head, name), Some(value), "{head}");
    }
    server.end();
}

#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let server = serve();
    let mut stream = server.connect();
    let mut bytes = request("Origin: https://evil.example\r\n").into_bytes();
    bytes.resize(3_000_000, 0x81);
    let mut writer = stream.try_clone().unwrap();
    let write = start(move || writer.write_all(&bytes));
    assert_eq!(last_answer(&mut stream).0, 403);
    write.end().unwrap();
    server.end();
}

#[test]
fn a_slow_head_is_408_and_silence_just_ends() {
    let server = serve_with(App::default(), |server| {
        server.loop_count(1).accept(accept(config()).handshake_timeout(Some(millis(300))))
    });
    let begun = Instant::now();
    let (mut silent, mut slow, mut kept) = (server.connect(), server.connect(), server.connect());
    kept.write_all(get("/").as_bytes()).unwrap();
    assert_eq!(read_response(&mut kept).0, 200);
    // The deadline is for all of it: a byte now and then doesn't move it.
    let mut writer = slow.try_clone().unwrap();
    let write = start(move || {
        for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain(&[b'x'; 1000]) {
            if writer.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(millis(10));
        }
    });
    assert_eq!(last_answer(&mut slow).0, 408);
    assert!(begun.elapsed() >= millis(290));
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut kept), b"");
    assert!(begun.elapsed() < millis(5000), "{:?}", begun.elapsed());
    drop(slow);
    write.end();
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().answered, [(200, 1), (408, 1)].into());
}

#[test]
fn clients_that_go_away_in_mid_head_leave_nothing() {
    let server = serve();
    let whole = request("");
    for cut in (0..whole.len()).step_by(7) {
        let mut stream = server.connect();
        stream.write_all(&whole.as_bytes()[..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), b"");
    }
    assert!(server.end().is_empty());
}

#[test]
fn a_large_answer_reaches_a_slow_reader_whole() {
    // The deadlines are shorter than what the reader needs.
    for (lines, deadline) in [("Connection: close\r\n", millis(200)), ("", millis(1000))] {
        let server = serve_with(App::default(), |server| {
            let accept = accept(config().linger_timeout(Some(deadline)));
            server.loop_count(1).accept(accept.handshake_timeout(Some(deadline)))
        });
        let mut stream = server.connect();
        stream.write_all(ask_for("GET", "/large", lines).as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert_eq!(header(&head, "Content-Length"), Some(&*LARGE_LEN.to_string()));
        std::thread::sleep(deadline + millis(400));
        let mut body = vec![0; LARGE_LEN];
        stream.read_exact(&mut body).unwrap();
        if lines.is_empty() {
            stream.write_all(get("/").as_bytes()).unwrap();
            assert_eq!(read_response(&mut stream).0, 200);
        }
        assert_eq!(read_to_end(&mut stream), b"");
        assert!(body.iter().all(|byte| *byte == 7));
        server.end();
    }
}
