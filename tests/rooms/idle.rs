//! Ten thousand subscribers that are silent, and what one costs.

use std::io::Write;
use std::net::TcpStream;

use talkback::server::Overflow;

use crate::child;
use crate::clients::*;
use crate::net::*;
use crate::part;
use crate::playing;

const TEST: &str = "idle::ten_thousand_idle_subscribers_cost_little_and_all_are_told";
const COUNT: usize = 10_000;
/// Of those that say who they are: each of them is told of the others, again and again.
const NAMED_COUNT: usize = 3000;
/// The cost of one is the difference from here on.
const FIRST_COUNT: usize = 1000;
/// What a process has open besides.
const SPARE: usize = 100;
/// Its entry, its stream, its seat, its place among the timers, and in two feeds.
const MAX_LEN: usize = 400;
/// With a name, what it says of itself, and a place among those who are here.
const MAX_NAMED_LEN: usize = 700;

#[test]
fn ten_thousand_idle_subscribers_cost_little_and_all_are_told() {
    // Either end of them takes as many descriptors as one process may have: each has its own.
    match &*child::part() {
        "" => {
            child::play(child::command(TEST, "strangers", Some(COUNT + SPARE)));
            child::play(child::command(TEST, "clients", Some(COUNT + SPARE)));
        }
        "strangers" => be_subscribers(COUNT, false, MAX_LEN),
        "clients" => be_subscribers(NAMED_COUNT, true, MAX_NAMED_LEN),
        _ => part::serve(Overflow::Drop, part::MAX_LEN),
    }
}

fn open(address: &str, streams: &mut Vec<TcpStream>, count: usize, named: bool) {
    while streams.len() < count {
        let begin = streams.len();
        // Fewer at a time than systems have wait to be accepted.
        for n in begin..count.min(begin + 100) {
            let mut stream = TcpStream::connect(address).unwrap();
            patient(&stream);
            let client = if named { format!("?client=client-{n}") } else { String::new() };
            stream.write_all(get(&format!("/rooms/a/events{client}")).as_bytes()).unwrap();
            streams.push(stream);
        }
        for stream in &mut streams[begin..] {
            assert!(read_head(stream).starts_with("HTTP/1.1 200 "));
            assert!(read_chunk(stream).starts_with("event: place\n"));
        }
    }
}

fn be_subscribers(wanted: usize, named: bool, max_len: usize) {
    watch();
    let (soft, hard) = child::descriptor_limits();
    let count = wanted.min(soft - SPARE);
    assert!(count == wanted || hard < wanted + SPARE, "{soft} {hard}");
    let (server, address) = playing::start(child::command(TEST, "server", None));
    let mut streams = Vec::new();
    open(&address, &mut streams, FIRST_COUNT.min(count / 10), named);
    let resident = |count: usize| (count, resident_len_in(&server.told_by("status")));
    let (few, before) = resident(streams.len());
    open(&address, &mut streams, count, named);
    let (all, after) = resident(streams.len());
    let len = after.saturating_sub(before) / (all - few);
    println!(
        "{count} subscribers, named: {named}, {len} bytes each: {before} with {few}, {after} with {all}"
    );
    assert!(len < max_len || count < wanted, "{len}");

    let mut asker = TcpStream::connect(&address).unwrap();
    patient(&asker);
    let body = r#"{"client":"c","message":"news","data":0}"#;
    assert_eq!(ask(&mut asker, &post("/rooms/a/messages", body)).status, 200);
    for stream in &mut streams {
        while !read_chunk(stream).contains(r#""message":"news""#) {}
    }
    ask(&mut asker, &get("/drain"));
    for mut stream in streams {
        assert!(read_to_end(&mut stream).ends_with(b"0\r\n\r\n"));
    }
    drop(asker);
    server.end();
}
