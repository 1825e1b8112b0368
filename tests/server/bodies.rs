//! Bodies of requests, for a handler that asks for them.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use talkback::Accept;

use crate::app::*;
use crate::http::{ask_for, get, last_answer, read_response};
use crate::net::*;

/// A request that announces its body's length.
fn post(target: &str, body: &str) -> String {
    format!("{}{body}", ask_for("POST", target, &format!("Content-Length: {}\r\n", body.len())))
}

/// A request whose body comes in chunks of this size.
fn post_in_chunks(target: &str, body: &str, size: usize) -> String {
    let chunks: String = body
        .as_bytes()
        .chunks(size)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
        .collect();
    format!("{}{chunks}0\r\n\r\n", ask_for("POST", target, "Transfer-Encoding: chunked\r\n"))
}

/// A server with such limits for bodies.
fn serve_bodies(set: impl FnOnce(Accept) -> Accept) -> Running {
    let accept = set(accept(config()));
    serve_with(App::default(), |server| server.loop_count(1).accept(accept))
}

fn send(server: &Running, bytes: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

fn bodies(calls: &[Call]) -> Vec<String> {
    calls
        .iter()
        .filter_map(|call| if let Call::Body(body) = call { Some(body.clone()) } else { None })
        .collect()
}

#[test]
fn a_body_is_handed_over_whole_and_the_connection_goes_on() {
    let server = serve();
    let mut stream = server.connect();
    let large = "0123456789".repeat(100_000);
    for (request, expected) in [
        (post("/receive", "hello"), "hello"),
        (post_in_chunks("/receive", "hello", 2), "hello"),
        (post("/receive", ""), ""),
        (post_in_chunks("/receive", "", 1), ""),
        (get("/receive"), ""),
        (post("/receive", &large), &large),
        (post_in_chunks("/receive", &large, 70_001), &large),
    ] {
        stream.write_all(request.as_bytes()).unwrap();
        let (status, head, body) = read_response(&mut stream);
        assert_eq!((status, header(&head, "Connection")), (200, None));
        assert!(body == expected.as_bytes(), "{} of {}", body.len(), expected.len());
    }
    drop(stream);
    assert_eq!(bodies(&server.end()), ["hello", "hello", "", "", "", "1000000", "1000000"]);
}

#[test]
fn however_they_are_cut_pipelined_bodies_come_in_order_and_end_in_an_upgrade() {
    let server = serve();
    let requests = [
        post("/receive", &get("/not-a-request")),
        get("/"),
        post_in_chunks("/receive", "chunks of it", 5),
        ask_for("HEAD", "/receive", ""),
        post("/receive", "last"),
        request_to("/chat?greet", ""),
    ]
    .concat();
    for size in [1, 2, 3, 7, 20, 61, 200, requests.len()] {
        let mut stream = server.connect();
        let (mut writer, bytes) = (stream.try_clone().unwrap(), requests.clone());
        let write = start(move || {
            for piece in bytes.as_bytes().chunks(size) {
                writer.write_all(piece).unwrap();
                if size < 100 {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(read_response(&mut stream).2, get("/not-a-request").as_bytes());
        assert_eq!(read_response(&mut stream).2, b"hello");
        assert_eq!(read_response(&mut stream).2, b"chunks of it");
        assert_eq!(read_head(&mut stream), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(read_response(&mut stream).2, b"last");
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
        assert_eq!(read_text(&mut stream), "welcome");
        write.end();
        close(stream);
    }
    server.end();
}

#[test]
fn a_client_that_has_ended_its_half_behind_the_body_is_answered() {
    let server = serve();
    let mut stream = send(&server, &post("/receive", "one").repeat(20));
    stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..20 {
        assert_eq!(read_response(&mut stream).2, b"one");
    }
    assert_eq!(read_to_end(&mut stream), b"");
    server.end();
}

#[test]
fn a_body_at_its_limit_passes_and_one_past_is_413() {
    let server = serve_bodies(|accept| accept.max_body_len(Some(1000)));
    let (full, more) = ("x".repeat(1000), "x".repeat(1001));
    for request in [
        post("/receive", &full),
        post_in_chunks("/receive", &full, 999),
        post_in_chunks("/receive", &full, 1),
    ] {
        assert_eq!(read_response(&mut send(&server, &request)).2, full.as_bytes());
    }
    let chunked = post_in_chunks("/receive", &more, 1000);
    for request in [
        // From the head: nothing of the body has come.
        &ask_for("POST", "/receive", "Content-Length: 1001\r\n"),
        &ask_for("POST", "/receive", "Content-Length: 18446744073709551615\r\n"),
        &post("/receive", &more),
        &chunked,
        // As soon as it is passed: the end is not there yet.
        chunked.strip_suffix("\r\n0\r\n\r\n").unwrap(),
        &format!("{}{}", post_in_chunks("/receive", &more, 1), get("/")),
    ] {
        let mut stream = send(&server, request);
        assert_eq!(last_answer(&mut stream).0, 413);
        assert_listens(&mut stream);
    }
    // Nobody asked for it: it doesn't matter.
    assert_eq!(last_answer(&mut send(&server, &post("/", &more))).0, 200);
    let calls = server.end();
    assert_eq!(bodies(&calls), ["1000", "1000", "1000"]);
    assert_eq!(calls.len(), 3 + 3 + 6 + 1, "{calls:?}");
}

#[test]
fn the_limit_is_a_mebibyte_unless_told_otherwise() {
    let server = serve();
    let full = "x".repeat(1024 * 1024);
    assert_eq!(read_response(&mut send(&server, &post("/receive", &full))).0, 200);
    let past = ask_for("POST", "/receive", "Content-Length: 1048577\r\n");
    assert_eq!(last_answer(&mut send(&server, &past)).0, 413);
    server.end();
    let server = serve_bodies(|accept| accept.max_body_len(None));
    let large = "x".repeat(3_000_000);
    assert_eq!(read_response(&mut send(&server, &post("/receive", &large))).2.len(), large.len());
    server.end();
}

#[test]
fn a_slow_body_is_408_after_the_time_for_all_of_it() {
    let server = serve_bodies(|accept| {
        accept.body_timeout(Some(millis(500))).handshake_timeout(Some(millis(200))).max_body_len(None)
    });
    // The deadline of heads is over by then.
    let mut slow = send(&server, &ask_for("POST", "/receive", "Content-Length: 5\r\n"));
    std::thread::sleep(millis(350));
    slow.write_all(b"hello").unwrap();
    assert_eq!(read_response(&mut slow).2, b"hello");

    for lines in ["Content-Length: 100000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let begun = Instant::now();
        let mut stream = send(&server, &ask_for("POST", "/receive", lines));
        let mut writer = stream.try_clone().unwrap();
        // A byte now and then doesn't move it.
        let write = start(move || {
            while writer.write_all(b"1\r\nx\r\n").is_ok() {
                std::thread::sleep(millis(10));
            }
        });
        assert_eq!(last_answer(&mut stream).0, 408);
        assert!(begun.elapsed() >= millis(440) && begun.elapsed() < millis(5000), "{:?}", begun.elapsed());
        drop(stream);
        write.end();
    }
    // Nor does silence.
    let mut silent = send(&server, &ask_for("POST", "/receive", "Content-Length: 1\r\n"));
    assert_eq!(last_answer(&mut silent).0, 408);
    assert_eq!(bodies(&server.end()), ["hello"]);
}

#[test]
fn continue_is_said_only_to_who_may_go_on() {
    let server = serve_bodies(|accept| accept.max_body_len(Some(5)));
    let expect =
        |target: &str, lines: &str| ask_for("POST", target, &format!("Expect: 100-Continue\r\n{lines}"));
    for (lines, body) in
        [("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")]
    {
        let mut stream = send(&server, &expect("/receive", lines));
        assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
        assert!(is_silent(&mut stream, millis(50)));
        stream.write_all(format!("{body}{}", get("/")).as_bytes()).unwrap();
        assert_eq!(read_response(&mut stream).2, b"hello");
        assert_eq!(read_response(&mut stream).2, b"hello");
    }
    // It has come already, or there is none: nobody waits.
    for (lines, body) in [("Content-Length: 5\r\n", "hello"), ("Content-Length: 0\r\n", ""), ("", "")] {
        let mut stream = send(&server, &format!("{}{body}", expect("/receive", lines)));
        assert_eq!(read_response(&mut stream).2, body.as_bytes());
    }
    // Past the limit, or of no interest.
    for (target, lines, status) in [
        ("/receive", "Content-Length: 6\r\n", 413),
        ("/receive", "Transfer-Encoding: gzip\r\n", 400),
        ("/", "Content-Length: 5\r\n", 200),
        ("/nowhere", "Content-Length: 5\r\n", 404),
    ] {
        assert_eq!(last_answer(&mut send(&server, &expect(target, lines))).0, status, "{target} {lines}");
    }
    server.end();
}

#[test]
fn other_expectations_are_417_whatever_is_asked() {
    let server = serve();
    for value in ["200-ok", "100-continue, more", "100-continue=1", "more\r\nExpect: 100-continue", "\"\""] {
        for target in ["/receive", "/"] {
            let request = ask_for("POST", target, &format!("Content-Length: 1\r\nExpect: {value}\r\n"));
            assert_eq!(last_answer(&mut send(&server, &request)).0, 417, "{value}");
        }
    }
    assert!(server.end().is_empty());
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_a_request() {
    let server = serve();
    let head = |lines: &str| ask_for("POST", "/receive", lines);
    let chunked = |body: &str| format!("{}{body}", head("Transfer-Encoding: chunked\r\n"));
    let requests = [
        head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        head("Content-Length: 5\r\nContent-Length: 6\r\n"),
        head("Content-Length: 5, 5\r\n"),
        head("Content-Length: +5\r\n"),
        head("Content-Length: 0x5\r\n"),
        head("Content-Length: 5 5\r\n"),
        head("Content-Length:\r\n"),
        head("Content-Length: 18446744073709551616\r\n"),
        head("Content-Length : 5\r\n"),
        head("Transfer-Encoding: ,chunked\r\n"),
        head("Transfer-Encoding: chunked, chunked\r\n"),
        head("Transfer-Encoding: gzip, chunked\r\n"),
        head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        head("Transfer-Encoding: xchunked\r\n"),
        head("Transfer-Encoding: chunked;q=1\r\n"),
        head("Transfer-Encoding:\x0bchunked\r\n"),
        head("Transfer-Encoding:\r\n chunked\r\n"),
        head("Transfer-Encoding:\r\n"),
        chunked("+5\r\nhello\r\n0\r\n\r\n"),
        chunked("0x5\r\nhello\r\n0\r\n\r\n"),
        chunked(" 5\r\nhello\r\n0\r\n\r\n"),
        chunked("5 \r\nhello\r\n0\r\n\r\n"),
        chunked("\r\nhello\r\n0\r\n\r\n"),
        chunked("5\nhello\n0\n\n"),
        chunked("5\r\nhello!\r\n0\r\n\r\n"),
        chunked("5\r\nhello0\r\n\r\n"),
        chunked("5\r\nhell\r\n0\r\n\r\n"),
        chunked("5;x\nhello\r\n0\r\n\r\n"),
        chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"),
        chunked("0\r\nX: y\n\r\n"),
        chunked("0\r\n\n"),
    ];
    let count = requests.len();
    for request in requests {
        let mut stream = send(&server, &format!("{request}{}", get("/query?smuggled")));
        assert_eq!(last_answer(&mut stream).0, 400, "{request:?}");
        assert_listens(&mut stream);
    }
    let handle = server.handle.clone();
    let calls = server.end();
    assert!(calls.iter().all(|call| *call == Call::Request("/receive".to_owned())), "{calls:?}");
    assert_eq!(handle.snapshot().answered, [(400, count as u64)].into());
}

#[test]
fn extensions_and_trailers_are_read_over_within_their_limits() {
    let server = serve();
    let chunked =
        |body: String| format!("{}{body}", ask_for("POST", "/receive", "Transfer-Encoding: chunked\r\n"));
    let extension = |len: usize| chunked(format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(len - 1)));
    let trailer = |len: usize| chunked(format!("5\r\nhello\r\n0\r\nHost: {}\r\n\r\n", "x".repeat(len - 6)));
    for request in [extension(256), trailer(8192)] {
        let mut stream = send(&server, &format!("{request}{}", get("/query?next")));
        assert_eq!(read_response(&mut stream).2, b"hello");
        assert_eq!(read_response(&mut stream).2, b"next");
    }
    for request in [extension(257), trailer(8193)] {
        assert_eq!(last_answer(&mut send(&server, &request)).0, 400);
    }
    server.end();
}

#[test]
fn clients_that_go_away_in_mid_body_leave_nothing() {
    let server = serve();
    for whole in [post("/receive", "hello"), post_in_chunks("/receive", "hello", 3)] {
        for cut in whole.find("\r\n\r\n").unwrap() + 4..whole.len() {
            let mut stream = send(&server, &whole[..cut]);
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&mut stream), b"", "{cut}");
        }
    }
    let mut stream =
        send(&server, &format!("{}{}", get("/"), post("/receive", "hello").trim_end_matches("lo")));
    assert_eq!(read_response(&mut stream).0, 200);
    drop(stream);
    wait_until(|| server.handle.snapshot().socket_count == 0);
    assert!(bodies(&server.end()).is_empty());
}

#[test]
fn what_becomes_of_it_may_be_anything_but_the_same_again() {
    let server = serve();
    for (target, status) in [("/receive?again", 500), ("/receive?panic", 500), ("/receive?upgrade", 405)] {
        assert_eq!(last_answer(&mut send(&server, &post(target, "hello"))).0, status, "{target}");
    }
    let upgrade = request_to("/receive?upgrade", "Content-Length: 5\r\n");
    assert_eq!(last_answer(&mut send(&server, &format!("{upgrade}hello"))).0, 400);
    // A request without one can be upgraded still.
    let mut stream = send(&server, &request_to("/receive?upgrade", ""));
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    close(stream);
    let mut stream =
        send(&server, &format!("{}{}", post("/receive?hold", "hello"), post("/receive", "next")));
    assert!(is_silent(&mut stream, millis(50)));
    drop(server.held());
    assert_eq!((read_response(&mut stream).0, read_response(&mut stream).2), (204, b"next".to_vec()));
    server.end();
}

#[test]
fn connection_close_ends_it_behind_the_body() {
    let server = serve();
    let request = post("/receive", "hello").replacen("\r\n", "\r\nConnection: close\r\n", 1);
    assert_eq!(last_answer(&mut send(&server, &format!("{request}{}", get("/")))), (200, "hello".to_owned()));
    server.end();
}

#[test]
fn a_drain_refuses_a_body_that_is_not_whole() {
    let server = serve();
    let mut stream = send(&server, post("/receive", "hello").trim_end_matches("lo"));
    wait_until(|| !server.calls().is_empty());
    server.handle.drain(millis(0));
    assert_eq!(last_answer(&mut stream).0, 503);
    drop(stream);
    server.ended();
}

#[test]
fn a_flood_of_bodies_is_read_no_faster_than_it_is_answered() {
    let server = serve();
    let mut stream = server.connect();
    let (count, request) = (20_000_usize, post("/receive", "0123456789"));
    let (mut writer, bytes) = (stream.try_clone().unwrap(), request.repeat(count));
    let write = start(move || writer.write_all(bytes.as_bytes()));
    let request_len = request.len() as u64;
    let mut reader = std::io::BufReader::new(&mut stream);
    for n in 0..count {
        assert_eq!(read_response(&mut reader).2, b"0123456789");
        if n % 1000 == 0 {
            let snapshot = server.handle.snapshot();
            let answered: u64 = snapshot.answered.values().sum();
            assert!(snapshot.received_len - answered * request_len < 600 * 1024, "{snapshot:?}");
        }
    }
    write.end().unwrap();
    drop(stream);
    server.end();
}
