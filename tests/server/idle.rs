//! Ten thousand connections that are silent, and what one costs.

use std::io::Write;
use std::net::TcpStream;

use talkback::Config;

use crate::app::*;
use crate::child;
use crate::net::*;
use crate::part;
use crate::playing;

const TEST: &str = "idle::ten_thousand_idle_connections_cost_little_and_are_all_served";
const COUNT: usize = 10_000;
/// The cost of one is the difference from here on.
const FIRST_COUNT: usize = 1000;
/// What a process has open besides.
const SPARE: usize = 100;
/// Its entry, its place among the timers, and in its room. What a system keeps for a socket is not in there.
const MAX_LEN: usize = 300;

#[test]
fn ten_thousand_idle_connections_cost_little_and_are_all_served() {
    // Either end of them takes as many descriptors as one process may have: each has its own.
    match &*child::part() {
        "" => child::play(child::command(TEST, "clients", Some(COUNT + SPARE))),
        "clients" => be_clients(),
        _ => {
            let deadlines = Config::default().ping_interval(Some(millis(2000)));
            let long = Some(PATIENCE * 5);
            part::serve(deadlines.idle_timeout(long).close_timeout(long).linger_timeout(long));
        }
    }
}

fn open(address: &str, streams: &mut Vec<TcpStream>, count: usize) {
    while streams.len() < count {
        let begin = streams.len();
        // Fewer at a time than systems have wait to be accepted.
        for _ in begin..count.min(begin + 100) {
            let mut stream = TcpStream::connect(address).unwrap();
            patient(&stream);
            stream.write_all(request("").as_bytes()).unwrap();
            streams.push(stream);
        }
        for stream in &mut streams[begin..] {
            assert!(read_head(stream).starts_with("HTTP/1.1 101 "));
        }
    }
}

/// Reads what comes next but for pings, which it answers.
fn read(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    loop {
        let read = read_frame(false, stream);
        if read.0 != 0x89 {
            return read;
        }
        stream.write_all(&frame(true, 0x8a, &read.1)).unwrap();
    }
}

fn be_clients() {
    watch();
    let (soft, hard) = child::descriptor_limits();
    let count = COUNT.min(soft - SPARE);
    assert!(count == COUNT || hard < COUNT + SPARE, "{soft} {hard}");
    let (server, address) = playing::start(child::command(TEST, "server", None));
    let mut streams = Vec::new();
    open(&address, &mut streams, FIRST_COUNT.min(count / 10));
    let resident = |count: usize| (count, resident_len_in(&server.told_by("status")));
    let (few, before) = resident(streams.len());
    open(&address, &mut streams, count);
    let (all, after) = resident(streams.len());
    let len = after.saturating_sub(before) / (all - few);
    println!("{count} connections, {len} bytes each: {before} with {few}, {after} with {all}");
    assert!(len < MAX_LEN || count < COUNT, "{len}");

    for (n, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&text(&n.to_string())).unwrap();
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(read(stream), (0x81, n.to_string().into_bytes()));
    }
    streams[count / 2].write_all(&text("!publish news")).unwrap();
    for stream in &mut streams {
        assert_eq!(read(stream), (0x81, b"news".to_vec()));
    }

    // All are silent now, and pinged. Who hasn't answered isn't pinged again.
    for _ in 0..2 {
        for stream in &mut streams {
            assert_eq!(read_frame(false, stream), (0x89, Vec::new()));
            stream.write_all(&frame(true, 0x8a, b"")).unwrap();
        }
    }

    streams[0].write_all(&text("!drain 500")).unwrap();
    for stream in &mut streams {
        assert_eq!(close_code(&read(stream)), Some(1001));
        stream.write_all(&close_frame(1001, "")).unwrap();
    }
    for mut stream in streams {
        assert_eq!(read_to_end(&mut stream), b"");
    }
    server.end();
}
