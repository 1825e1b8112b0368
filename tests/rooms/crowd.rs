//! A crowd of polls that wait, and what it costs to answer them all.

use std::io::Write;
use std::net::TcpStream;

use talkback::server::Overflow;

use crate::child;
use crate::clients::*;
use crate::net::*;
use crate::part::{self, MAX_LEN};
use crate::playing;

const TEST: &str = "crowd::polls_that_are_answered_all_at_once_share_what_they_get";
const COUNT: usize = 1000;
const DATA_LEN: usize = 60_000;
/// What a poll may take, at the most that was ever taken: not a copy of what it gets.
const MAX_COST: usize = DATA_LEN / 4;

/// The most memory that a process ever had.
fn peak_len(status: &str) -> usize {
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn polls_that_are_answered_all_at_once_share_what_they_get() {
    match &*child::part() {
        "" => return child::play(child::command(TEST, "clients", Some(COUNT + 100))),
        "server" => return part::serve(Overflow::Drop, MAX_LEN),
        _ => watch(),
    }
    let (server, address) = playing::start(child::command(TEST, "server", Some(COUNT + 100)));
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        patient(&stream);
        stream
    };
    let mut polls: Vec<TcpStream> = (0..COUNT).map(|_| connect()).collect();
    for (n, poll) in polls.iter_mut().enumerate() {
        let client = if n % 2 == 0 { format!("&client={n}") } else { String::new() };
        poll.write_all(get(&format!("/rooms/a/messages?wait=50{client}")).as_bytes()).unwrap();
    }
    let held_count = || ask(&mut connect(), &get("/held")).body;
    wait_until(|| held_count() == COUNT.to_string());
    let before = peak_len(&server.told_by("status"));
    let data = "x".repeat(DATA_LEN);
    let body = format!(r#"{{"client":"c","message":"m","data":"{data}"}}"#);
    assert_eq!(ask(&mut connect(), &post("/rooms/a/messages", &body)).status, 200);
    for poll in &mut polls {
        assert!(read_answer(poll, false).body.ends_with(&format!(r#""data":"{data}"}}]}}"#)));
    }
    let cost = (peak_len(&server.told_by("status")) - before) / COUNT;
    println!("{COUNT} polls, {cost} bytes each, of {DATA_LEN}");
    assert!(cost < MAX_COST, "{cost}");
    ask(&mut connect(), &get("/drain"));
    drop(polls);
    server.end();
}
