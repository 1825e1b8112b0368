//! Readers and publishers whose connections are cut again and again: each message is there once, and comes once
//! and in order in each transport, or a gap is told.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use talkback::room::{Limits, PageLimits, RoomConfig};

use crate::clients::*;
use crate::net::*;
use crate::proxy::Proxy;
use crate::readers::*;
use crate::serving::*;

/// The client whose message is the last one.
const END: &str = "pen";

/// For how long it goes on.
fn time() -> Duration {
    let secs = std::env::var("TALKBACK_DROPS_SECS").ok().and_then(|secs| secs.parse().ok());
    Duration::from_secs(secs.unwrap_or(2))
}

/// Whether it is one of a network that fails: anything else is a failure of the server.
#[track_caller]
fn assert_cut(error: &io::Error) {
    assert!(
        !matches!(error.kind(), ErrorKind::Other | ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error:?}"
    );
    std::thread::sleep(millis(1));
}

/// What a reader has seen.
#[derive(Debug, Default)]
struct Seen {
    message_count: u64,
    connection_count: u64,
    gap_count: u64,
    missed_count: u64,
    seq: u64,
    /// Of each publisher, the next message to come.
    next: HashMap<String, u64>,
}

impl Seen {
    #[track_caller]
    fn hear(&mut self, told: &Told, may_miss: bool) {
        match told {
            Told::Gap { first, last, id } => {
                assert!(may_miss && *first > self.seq + 1 && *last + 1 >= *first, "{told:?} {self:?}");
                assert!(id.ends_with(&format!("-{}", first - 1)), "{told:?}");
                self.gap_count += 1;
                self.missed_count += first - 1 - self.seq;
                self.seq = first - 1;
            }
            Told::Publication { seq, client, message, .. } => {
                assert_eq!(*seq, self.seq + 1, "{told:?} {self:?}");
                self.seq = *seq;
                self.message_count += 1;
                if client != END {
                    let number: u64 = message.parse().unwrap();
                    let next = self.next.entry(client.clone()).or_default();
                    assert!(number == *next || may_miss && number > *next, "{told:?} {next}");
                    *next = number + 1;
                }
            }
            // Where it is, if it didn't know.
            Told::Place(_) | Told::Here(_) => {}
            Told::Other(_) => panic!("{told:?}"),
        }
    }
}

/// Reads to the end, over as many connections as it takes.
fn read(address: &str, transport: Transport, begin: String, may_miss: bool) -> Seen {
    let (mut seen, mut cursor) = (Seen::default(), Some(begin));
    loop {
        seen.connection_count += 1;
        let query = format!("client={transport:?}");
        let mut reader = match Reader::open(address, transport, "a", cursor.as_deref(), &query) {
            Ok(reader) => reader,
            Err(error) => {
                assert_cut(&error);
                continue;
            }
        };
        loop {
            match reader.next() {
                Ok(Some(told)) => {
                    seen.hear(&told, may_miss);
                    if matches!(&told, Told::Publication { client, .. } if client == END) {
                        return seen;
                    }
                }
                Ok(None) => panic!("{transport:?} has ended"),
                Err(error) => break assert_cut(&error),
            }
        }
        cursor = reader.cursor;
    }
}

/// How many messages were sent, how many times, and how many times the server had it already.
#[derive(Debug, Default)]
struct Sent {
    message_count: u64,
    send_count: u64,
    known_count: u64,
}

/// Publishes until it is to end, each message until it is told that it is stored.
fn publish_all(address: &str, is_socket: bool, ended: &AtomicBool) -> Sent {
    let (mut sent, mut posts, mut socket) = (Sent::default(), None, None);
    while !ended.load(Ordering::Acquire) {
        let message = sent.message_count;
        let is_new = loop {
            sent.send_count += 1;
            let stored = if is_socket {
                say(address, &mut socket, message)
            } else {
                post_it(address, &mut posts, message)
            };
            match stored {
                Ok(is_new) => break is_new,
                Err(error) => assert_cut(&error),
            }
            (posts, socket) = (None, None);
        };
        sent.known_count += u64::from(!is_new);
        sent.message_count += 1;
        std::thread::sleep(millis(1));
    }
    sent
}

fn post_it(address: &str, stream: &mut Option<Reader>, message: u64) -> io::Result<bool> {
    let stream = match stream {
        Some(stream) => stream,
        None => stream.insert(Reader::open(address, Transport::Poll, "a", None, "")?),
    };
    let data = "x".repeat(usize::try_from(message % 300).unwrap());
    let body = format!(r#"{{"client":"post","message":"{message}","data":"{data}"}}"#);
    stream.write(post("/rooms/a/messages", &body).as_bytes())?;
    let answer: Value = serde_json::from_slice(&stream.read_body()?).unwrap();
    Ok(answer["new"].as_bool().unwrap())
}

fn say(address: &str, socket: &mut Option<Reader>, message: u64) -> io::Result<bool> {
    let socket = match socket {
        Some(socket) => socket,
        None => socket.insert(Reader::open(address, Transport::Socket, "a", Some("end"), "client=say")?),
    };
    socket.write(&text(&format!(r#"{{"message":"{message}","data":{message}}}"#)))?;
    loop {
        if let Some(Told::Other(object)) = socket.next()? {
            assert_eq!(object["ack"], message.to_string(), "{object}");
            return Ok(object["new"].as_bool().unwrap());
        }
    }
}

/// Has all read and publish through a proxy that cuts.
fn run(limits: Limits, may_miss: bool) {
    watch_for(time() + PATIENCE * 7);
    // A page has to get through as a whole.
    let page_limits = PageLimits::default().max_len(Some(4000));
    let server = serve_config(RoomConfig::default().limits(limits).page_limits(page_limits));
    // The room is there before all others come, and stays.
    let mut stays = Reader::open(&server.address, Transport::Lines, "a", None, "").unwrap();
    let Told::Place(begin) = stays.read() else { panic!("it has missed something") };
    let ended = Arc::new(AtomicBool::new(false));
    let proxies: Vec<Proxy> = (0..8).map(|_| Proxy::start(&server.address)).collect();
    let readers: Vec<_> = ALL
        .into_iter()
        .zip(&proxies)
        .map(|(transport, proxy)| {
            let address = proxy.address.clone();
            let begin = begin.clone();
            start(move || read(&address, transport, begin, may_miss))
        })
        .collect();
    let publishers = [false, true].map(|is_socket| {
        let (address, ended) = (proxies[6 + usize::from(is_socket)].address.clone(), ended.clone());
        start(move || publish_all(&address, is_socket, &ended))
    });
    let begun = Instant::now();
    while begun.elapsed() < time() {
        std::thread::sleep(millis(50));
        assert!(readers.iter().all(Task::is_running) && publishers.iter().all(Task::is_running));
    }
    ended.store(true, Ordering::Release);
    let sent = publishers.map(Task::end);
    server.publish("a", "end", "0");
    let last = server.rooms.look("a", |log| log.cursor().seq).unwrap();
    println!(
        "{:?}: {last} in the room, {sent:?}, {} and {} cut",
        time(),
        proxies[6].cut_count(),
        proxies[7].cut_count()
    );
    assert_eq!(last, sent.iter().map(|sent| sent.message_count).sum::<u64>() + 1, "each is there once");
    for ((reader, transport), proxy) in readers.into_iter().zip(ALL).zip(&proxies) {
        let seen = reader.end();
        let cut_count = proxy.cut_count();
        println!("{transport:?}, cut {cut_count} times: {seen:?}");
        assert_eq!((seen.message_count + seen.missed_count, seen.seq), (last, last), "{transport:?}");
        assert!(cut_count > 2 && (may_miss || seen.gap_count == 0), "{transport:?} {seen:?}");
        let all = sent.iter().map(|sent| sent.message_count).zip(["post", "say"]);
        for (count, publisher) in all {
            assert!(may_miss || seen.next[publisher] == count, "{transport:?} {seen:?}");
        }
    }
    drop((proxies, stays));
    server.end();
}

#[test]
fn each_message_is_there_once_and_comes_once_and_in_order_whatever_is_cut() {
    run(Limits::default().max_count(None).max_len(None).max_remembered_count(None), false);
}

#[test]
fn whatever_is_cut_each_message_comes_once_or_is_told_to_be_missing() {
    run(Limits::default().max_count(Some(3)), true);
}
