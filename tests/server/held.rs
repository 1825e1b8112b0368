//! Requests that are held until somebody answers.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use talkback::http::{Response, Status};

use crate::app::*;
use crate::closing::reset;
use crate::http::{ask_for, get, last_answer, read_response};
use crate::net::*;

fn ok(body: &str) -> Response {
    Response::new(Status::OK).body(body)
}

fn hold(server: &Running, target: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(get(target).as_bytes()).unwrap();
    stream
}

#[test]
fn an_answer_from_another_thread_comes_in_its_turn_and_the_connection_goes_on() {
    let server = serve();
    let mut stream = server.connect();
    for n in 0..3 {
        stream.write_all([get("/hold"), get("/query?next"), get("/hold")].concat().as_bytes()).unwrap();
        let held = server.held();
        assert!(!held.is_closed());
        wait_until(|| server.handle.snapshot().held_count == 1);
        assert!(is_silent(&mut stream, millis(50)), "what follows waits");
        let body = n.to_string();
        thread::spawn(move || held.respond(ok(&body)));
        assert_eq!(read_response(&mut stream).2, n.to_string().as_bytes());
        assert_eq!(read_response(&mut stream).2, b"next");
        server.held().respond(ok("second"));
        assert_eq!(read_response(&mut stream).2, b"second");
    }
    stream.write_all(get("/hold?at-once").as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).2, b"at once");
    stream.write_all(request_to("/chat", "").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    close(stream);
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().answered, [(200, 10)].into());
}

#[test]
fn nobody_answers_and_it_gets_what_was_agreed_on() {
    let server = serve();
    let mut stream = server.connect();
    for target in ["/hold?drop", "/hold?wait=300"] {
        let begun = Instant::now();
        stream.write_all(format!("{}{}", get(target), get("/query?next")).as_bytes()).unwrap();
        let (status, head, _) = read_response(&mut stream);
        assert_eq!((status, header(&head, "X-Held"), header(&head, "Connection")), (204, Some("yes"), None));
        let waited = begun.elapsed();
        assert!(target == "/hold?drop" || (waited >= millis(240) && waited < millis(5000)), "{waited:?}");
        assert_eq!(read_response(&mut stream).2, b"next");
    }
    let late = server.held();
    assert!(late.is_closed());
    // The next one on the same connection is another: it isn't answered by what was meant for the last.
    stream.write_all(get("/hold").as_bytes()).unwrap();
    let held = server.held();
    assert_eq!(held.id(), late.id());
    late.respond(ok("late"));
    assert!(is_silent(&mut stream, millis(50)));
    held.respond(ok("in time"));
    assert_eq!(read_response(&mut stream).2, b"in time");
    drop(stream);
    server.end();
}

#[test]
fn two_answers_at_the_end_of_the_time_are_one() {
    let server = serve();
    let mut stream = server.connect();
    for n in 0..10 {
        stream.write_all(get("/hold?wait=50").as_bytes()).unwrap();
        let held = server.held();
        thread::sleep(millis(42 + 2 * n)); // as the time is up, or nearly
        held.respond(ok("in time"));
        assert!(matches!(read_response(&mut stream).0, 200 | 204));
        stream.write_all(get("/query?next").as_bytes()).unwrap();
        assert_eq!(read_response(&mut stream).2, b"next");
    }
    drop(stream);
    server.end();
}

#[test]
fn a_client_that_goes_away_is_noticed() {
    let server = serve();
    for pipelined in [0, 1, 500] {
        for way in ["drop", "half", "reset"] {
            let mut stream = server.connect();
            stream.write_all(get("/").as_bytes()).unwrap();
            stream.peek(&mut [0]).unwrap();
            let requests = format!("{}{}", get("/hold"), get("/").repeat(pipelined));
            stream.write_all(requests.as_bytes()).unwrap();
            let held = server.held();
            assert!(!held.is_closed());
            let kept = match way {
                "half" => {
                    stream.shutdown(Shutdown::Write).unwrap();
                    Some(stream)
                }
                "reset" => {
                    reset(stream); // the first answer was not read
                    None
                }
                _ => {
                    read_response(&mut stream);
                    drop(stream);
                    None
                }
            };
            wait_until(|| held.is_closed());
            wait_until(|| server.handle.snapshot().held_count == 0);
            held.respond(ok("in vain"));
            drop(kept);
        }
    }
    wait_until(|| server.handle.snapshot().socket_count == 0);
    server.end();
}

#[test]
fn the_end_of_a_half_loses_what_is_held_but_no_answer_before_it() {
    let server = serve();
    for _ in 0..10 {
        let mut stream = server.connect();
        let requests = [get("/query?a").repeat(20), get("/hold"), get("/").repeat(500)].concat();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        for _ in 0..20 {
            assert_eq!(read_response(&mut stream).2, b"a");
        }
        assert_eq!(read_to_end(&mut stream), b"");
        assert!(server.held().is_closed());
    }
    server.end();
}

#[test]
fn a_flood_behind_a_held_request_waits_in_the_client() {
    let server = serve();
    let mut stream = hold(&server, "/hold");
    let held = server.held();
    let (requests, count) = (get("/query?n").repeat(1000), 200_usize);
    let mut writer = stream.try_clone().unwrap();
    let write = start(move || (0..count).for_each(|_| writer.write_all(requests.as_bytes()).unwrap()));
    thread::sleep(millis(300));
    assert!(write.is_running(), "the system alone takes less");
    assert_eq!(server.handle.snapshot().received_len, get("/hold").len() as u64);
    held.respond(ok("now"));
    let mut reader = std::io::BufReader::new(&mut stream);
    assert_eq!(read_response(&mut reader).2, b"now");
    for _ in 0..count * 1000 {
        assert_eq!(read_response(&mut reader).2, b"n");
    }
    write.end();
    drop(stream);
    server.end();
}

#[test]
fn head_is_never_held() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(format!("{}{}", ask_for("HEAD", "/hold", ""), get("/query?next")).as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 204 "));
    assert_eq!(read_response(&mut stream).2, b"next");
    drop(stream);
    assert!(!server.end().iter().any(|call| matches!(call, Call::Hold(_))));
}

#[test]
fn it_is_the_last_where_the_client_says_so_or_its_body_is_not_read() {
    let server = serve();
    for lines in ["Connection: close\r\n", "Content-Length: 10\r\n"] {
        let mut stream = server.connect();
        stream.write_all(format!("{}{}", ask_for("POST", "/hold", lines), get("/")).as_bytes()).unwrap();
        server.held().respond(ok("bye"));
        assert_eq!(last_answer(&mut stream), (200, "bye".to_owned()));
        assert_listens(&mut stream);
    }
    let mut stream = hold(&server, "/hold");
    server.held().respond(Response::refusal(Status::SERVICE_UNAVAILABLE, "no"));
    assert_eq!(last_answer(&mut stream), (503, "no\n".to_owned()));
    drop(stream);
    server.end();
}

#[test]
fn a_panic_costs_its_own_connection() {
    let server = serve();
    let mut other = hold(&server, "/hold");
    let held = server.held();
    assert_eq!(last_answer(&mut hold(&server, "/hold?panic")).0, 500);
    held.respond(ok("still there"));
    assert_eq!(read_response(&mut other).2, b"still there");
    drop(other);
    server.end();
}

#[test]
fn a_drain_answers_what_is_held_and_ends() {
    let server = serve_with(App::default(), |server| server.loop_count(2).accept(accept(config())));
    let mut streams: Vec<_> = (0..6).map(|_| hold(&server, "/hold")).collect();
    wait_until(|| server.handle.snapshot().held_count == 6);
    let (begun, all) = (Instant::now(), (0..6).map(|_| server.held()).collect::<Vec<_>>());
    server.handle.drain(millis(200));
    for stream in &mut streams {
        let (status, head, _) = read_response(stream);
        assert_eq!((status, header(&head, "Connection")), (204, Some("close")));
        assert_eq!(read_to_end(stream), b"");
    }
    drop(streams);
    assert!(all.iter().all(|held| held.is_closed()));
    server.ended();
    assert!(begun.elapsed() < millis(5000));
    all.into_iter().for_each(|held| held.respond(ok("too late")));
}

#[test]
fn large_answers_to_many_are_whole() {
    let server = serve_with(App::default(), |server| server.loop_count(2).accept(accept(config())));
    let mut streams: Vec<_> = (0..50).map(|_| hold(&server, "/hold")).collect();
    wait_until(|| server.handle.snapshot().held_count == 50);
    let body = "x".repeat(500_000);
    let all: Vec<_> = (0..50).map(|_| server.held()).collect();
    for part in 0..2 {
        for stream in &mut streams {
            stream.write_all(get(&format!("/query?{part}")).as_bytes()).unwrap();
        }
    }
    let answer = start(move || all.into_iter().for_each(|held| held.respond(ok(&body))));
    for stream in &mut streams {
        assert_eq!(read_response(stream).2.len(), 500_000);
        assert_eq!((read_response(stream).2, read_response(stream).2), (b"0".to_vec(), b"1".to_vec()));
    }
    answer.end();
    wait_until(|| server.handle.snapshot().held_count == 0);
    drop(streams);
    server.end();
}
