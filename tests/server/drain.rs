//! How a server goes down.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use talkback::blocking::Wait;
use talkback::server::{Closed, Server};

use crate::app::*;
use crate::net::*;

#[test]
fn all_get_1001_one_after_the_other_and_nobody_new_is_taken() {
    // An address of its own: the port that is given back could be another test's by then, on the same address.
    let bound = |_| Server::bind("127.0.0.2:0").unwrap();
    let server = serve_with(App::default(), |server| bound(server).loop_count(2).accept(accept(config())));
    let streams: Vec<_> = (0..20).map(|_| server.open("/chat")).collect();
    let begun = Instant::now();
    let over = millis(2000);
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            start(move || {
                assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1001));
                let at = begun.elapsed();
                stream.write_all(&close_frame(1001, "")).unwrap();
                assert_eq!(read_to_end(&mut stream), b"");
                at
            })
        })
        .collect();
    server.handle.drain(over);
    server.handle.drain(Duration::ZERO); // the first one counts
    wait_until(|| TcpStream::connect(&server.address).is_err());
    assert!(begun.elapsed() < over, "it stops to accept at once");
    let mut times: Vec<_> = tasks.into_iter().map(Task::end).collect();
    times.sort();
    assert!(times[5] < over && times[19] < over * 4, "{times:?}");
    assert!(times[19] - times[0] > over / 2, "{times:?}");
    assert!(times[19] - times[10] > over / 5, "{times:?}");
    let handle = server.handle.clone();
    server.ended();
    assert_eq!(handle.snapshot().closed, [(1001, 20)].into());
}

#[test]
fn a_peer_that_never_answers_does_not_hold_it_up() {
    let server = serve_config(config().close_timeout(Some(millis(300))).linger_timeout(Some(millis(300))));
    let silent = server.open("/chat");
    let mut stuck = server.open("/chat");
    stuck.write_all(&text("!len 20000000")).unwrap();
    wait_until(|| server.handle.snapshot().waiting_len > 0);
    let open_tcp = server.open("/chat");
    let (nothing, mut half) = (server.connect(), server.connect());
    half.write_all(b"GET / HT").unwrap();
    let mut answered = open_tcp.try_clone().unwrap();
    let begun = Instant::now();
    server.handle.drain(millis(200));
    assert_eq!(close_code(&read_frame(false, &mut answered)), Some(1001));
    answered.write_all(&close_frame(1001, "")).unwrap();
    let mut ends: Vec<_> = server
        .ended()
        .into_iter()
        .filter_map(|call| if let Call::Close(_, closed) = call { Some(closed) } else { None })
        .collect();
    assert!(begun.elapsed() < millis(5000), "{:?}", begun.elapsed());
    ends.sort_by_key(|closed| format!("{closed:?}"));
    assert_eq!(ends, [cleanly(1001, ""), Closed::Timeout(Wait::Close), Closed::Timeout(Wait::Close)]);
    drop((silent, stuck, open_tcp, nothing, half));
}

#[test]
fn an_answer_that_is_on_its_way_arrives() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 "));
    server.handle.drain(Duration::ZERO);
    wait_until(|| TcpStream::connect(&server.address).is_err());
    std::thread::sleep(millis(200)); // a slow reader
    assert_eq!(read_to_end(&mut stream).len(), LARGE_LEN);
    drop(stream);
    server.ended();
}

#[test]
fn messages_are_answered_until_it_is_ones_turn() {
    let server = serve();
    let _first = server.open("/chat");
    let mut last = server.open("/chat");
    server.handle.drain(millis(700));
    let begun = Instant::now();
    let mut count = 0;
    loop {
        last.write_all(&text("hi")).unwrap();
        match read_frame(false, &mut last) {
            (0x81, _) => count += 1,
            frame => break assert_eq!(close_code(&frame), Some(1001)),
        }
    }
    assert!(count > 1 && begun.elapsed() > millis(200), "{count}, {:?}", begun.elapsed());
    last.write_all(&close_frame(1001, "")).unwrap();
    assert_eq!(read_to_end(&mut last), b"");
    server.ended();
}

#[test]
fn an_idle_server_and_one_that_does_not_run_yet_end_at_once() {
    let server = serve_with(App::default(), |server| server.loop_count(3));
    let begun = Instant::now();
    server.end();
    assert!(begun.elapsed() < millis(5000));

    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    handle.drain(Duration::from_secs(3600));
    assert_eq!(handle.snapshot().opened_count, 0);
    start(move || server.run(App::default())).end().unwrap();
}

#[test]
fn connections_that_come_while_it_goes_down_hold_nothing_up() {
    for _ in 0..3 {
        let config = config().close_timeout(Some(millis(100)));
        let server = serve_with(App::default(), |server| server.loop_count(2).accept(accept(config)));
        let address = server.address.clone();
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let address = address.clone();
                start(move || {
                    let mut streams = Vec::new();
                    while let Ok(mut stream) = TcpStream::connect(&address) {
                        if stream.write_all(request("").as_bytes()).is_err() {
                            break;
                        }
                        streams.push(stream);
                    }
                    streams
                })
            })
            .collect();
        wait_until(|| server.handle.snapshot().opened_count > 20);
        let begun = Instant::now();
        server.end();
        assert!(begun.elapsed() < millis(8000), "{:?}", begun.elapsed());
        for client in clients {
            drop(client.end());
        }
    }
}
