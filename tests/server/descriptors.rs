//! A server that has no descriptors left, or no places.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use talkback::Config;

use crate::app::*;
use crate::child;
use crate::net::*;
use crate::part;
use crate::playing::{self, Playing};

const TEST: &str = "descriptors::who_comes_when_there_are_none_left_waits_and_is_served_later";
/// How many the server has.
const LIMIT: usize = 64;
/// How many want to be served: fewer than systems have wait to be accepted.
const COUNT: usize = 100;

/// Milliseconds that a process has worked, on Linux: in hundredths of a second.
fn worked(server: &Playing) -> u64 {
    let stat = std::fs::read_to_string(server.told_by("stat")).unwrap();
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    numbers[11..13].iter().map(|number| number.parse::<u64>().unwrap() * 10).sum()
}

fn connect(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    stream.write_all(request("").as_bytes()).unwrap();
    stream
}

#[track_caller]
fn assert_served(stream: &mut TcpStream) {
    let head = read_head(stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    ask(stream, "hi");
}

#[test]
fn who_comes_when_there_are_none_left_waits_and_is_served_later() {
    if !child::part().is_empty() {
        let config = Config::default().ping_interval(None).idle_timeout(None);
        return part::serve(config.close_timeout(Some(PATIENCE)).linger_timeout(Some(PATIENCE)));
    }
    let (server, address) = playing::start(child::command(TEST, "server", Some(LIMIT)));
    // What is above the limit was left to it by who began all this.
    let is_within = |name: &str| name.parse::<usize>().unwrap() < LIMIT;
    let descriptors = || {
        let files = std::fs::read_dir(server.told_by("fd")).unwrap();
        files.filter(|file| is_within(file.as_ref().unwrap().file_name().to_str().unwrap())).count()
    };
    let mut streams = vec![connect(&address)];
    assert_served(&mut streams[0]);
    let fit = LIMIT - (descriptors() - 1);
    streams.extend((1..COUNT).map(|_| connect(&address)));
    wait_until(|| descriptors() == LIMIT);
    streams[1..fit].iter_mut().for_each(assert_served);
    assert!(is_silent(&mut streams[fit], millis(200)));

    // It tries again now and then, and rests in between.
    let before = worked(&server);
    thread::sleep(millis(1000));
    let worked = worked(&server) - before;
    assert!(worked < 200, "{worked}");
    println!("{fit} are served, {} wait for {worked} ms of work a second", COUNT - fit);
    ask(&mut streams[0], "still there");

    // As many as go away are served.
    streams.drain(1..21).for_each(close);
    streams[fit - 20..fit].iter_mut().for_each(assert_served);
    wait_until(|| descriptors() == LIMIT);
    assert!(is_silent(&mut streams[fit], millis(200)));
    streams.drain(1..fit).for_each(drop);
    streams[1..].iter_mut().for_each(assert_served);
    assert_eq!(streams.len(), COUNT - 20 - (fit - 1));

    streams[0].write_all(&text("!drain 0")).unwrap();
    for mut stream in streams {
        assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1001));
        stream.write_all(&close_frame(1001, "")).unwrap();
        assert_eq!(read_to_end(&mut stream), b"");
    }
    server.end();
}

#[test]
fn who_comes_when_as_many_are_here_as_may_be_waits_until_one_has_gone() {
    const MAX_COUNT: usize = 3;
    let server = serve_with(App::default(), |server| server.loop_count(2).max_socket_count(MAX_COUNT));
    let mut streams: Vec<_> = (0..=MAX_COUNT).map(|_| connect(&server.address)).collect();
    streams[..MAX_COUNT].iter_mut().for_each(assert_served);
    assert!(is_silent(&mut streams[MAX_COUNT], millis(300)));
    assert_eq!(server.handle.snapshot().socket_count, 3);
    for _ in 0..2 {
        drop(streams.remove(0));
        assert_served(&mut streams[MAX_COUNT - 1]);
        streams.push(connect(&server.address));
        assert!(is_silent(&mut streams[MAX_COUNT], millis(300)));
    }
    drop(streams);
    server.end();
}
