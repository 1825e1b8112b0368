//! How it ends: for readers when a server goes down, for rooms when nobody is in them, for the thread that keeps
//! them when nobody knows them.

use std::io::Write;
use std::time::Duration;

use talkback::handshake::Origins;
use talkback::room::{Limits, RoomConfig, Rooms};

use crate::clients::*;
use crate::net::*;
use crate::readers::*;
use crate::serving::*;

#[test]
fn a_server_that_goes_down_ends_streams_cleanly_closes_connections_with_1001_and_answers_polls() {
    let server = serve();
    server.publish("a", "1", "0");
    let mut live = LIVE.map(|transport| {
        let mut reader = Reader::open(&server.address, transport, "a", None, "client=c").unwrap();
        assert_eq!(reader.read_seq(), 1);
        reader
    });
    let mut poll = server.connect();
    poll.write_all(get("/rooms/a/messages?after=end&wait=50").as_bytes()).unwrap();
    wait_until(|| server.handle.snapshot().held_count == 1);
    server.handle.drain(Duration::ZERO);
    let answer = read_answer(&mut poll, false);
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")), "{}", answer.head);
    assert!(answer.body.ends_with(r#""messages":[]}"#), "{}", answer.body);
    assert_eq!(read_to_end(&mut poll), b"");
    for reader in &mut live {
        let mut last = Vec::new();
        while let Some(told) = reader.next().unwrap() {
            let is_close = matches!(told, Told::Other(_));
            last.push(told);
            if is_close {
                break;
            }
        }
        match reader.transport {
            Transport::Socket => {
                assert_eq!(last.pop(), Some(Told::Other(serde_json::json!({ "closed": 1001 }))))
            }
            _ => assert!(last.iter().all(|told| matches!(told, Told::Here(_))), "{last:?}"),
        }
    }
    let rooms = server.rooms.clone();
    drop((live, poll));
    server.ended();
    // The rooms are not the server's.
    assert_eq!(rooms.look("a", |log| log.count()), Some(1));
}

#[test]
fn servers_that_share_rooms_deliver_to_each_other() {
    let rooms = Rooms::new(RoomConfig::default()).unwrap();
    let one = serve_app(rooms.clone(), pages(), |server| server.loop_count(1));
    let other =
        serve_app(rooms, pages(), |server| server.loop_count(3).accept(accept().origins(Origins::Any)));
    let mut readers = Vec::new();
    for server in [&one, &other] {
        for transport in ALL {
            readers.push(Reader::open(&server.address, transport, "a", None, "").unwrap());
        }
    }
    let mut poll = other.connect();
    poll.write_all(get("/rooms/a/messages?wait=50&client=c").as_bytes()).unwrap();
    wait_until(|| other.handle.snapshot().held_count == 1);
    let body = |n: usize| format!(r#"{{"client":"c","message":"{n}","data":0}}"#);
    ask(&mut one.connect(), &post("/rooms/a/messages", &body(1)));
    assert!(read_answer(&mut poll, false).body.contains(r#""message":"1""#));
    // The same again, to the other one.
    assert!(ask(&mut other.connect(), &post("/rooms/a/messages", &body(1))).body.contains(r#""new":false"#));
    for n in 2..=100 {
        let server = if n % 2 == 0 { &one } else { &other };
        ask(&mut server.connect(), &post("/rooms/a/messages", &body(n)));
    }
    for reader in &mut readers {
        for seq in 1..=100 {
            assert_eq!(reader.read_seq(), seq, "{:?}", reader.transport);
        }
    }
    // Who is here is so on both, and one going down is nothing to the other's.
    let _ada = Reader::open(&one.address, Transport::Lines, "a", None, "client=ada").unwrap();
    let mut observer = Reader::open(&other.address, Transport::Events, "a", Some("end"), "").unwrap();
    while !matches!(observer.next().unwrap().unwrap(), Told::Here(list) if list["here"][0]["client"] == "ada")
    {
    }
    one.end();
    other.publish("a", "last", "0");
    assert!(matches!(observer.read(), Told::Publication { seq: 101, .. }));
    drop((observer, readers, poll));
    other.end();
}

#[test]
fn a_room_that_nobody_uses_is_given_up_and_one_that_somebody_does_is_not() {
    let limits = Limits::default().max_age(Some(millis(500)));
    let config = RoomConfig::default().limits(limits).grace(millis(100)).poll_grace(millis(100));
    let server = serve_config(config);
    let mut stream = server.connect();
    for n in 0..200 {
        assert_eq!(ask(&mut stream, &get(&format!("/rooms/asked-{n}/messages?client=c"))).status, 200);
        server.publish(&format!("published-{n}"), "m", "0");
    }
    let mut readers = LIVE.map(|transport| {
        let room = format!("{transport:?}");
        Reader::open(&server.address, transport, &room, None, "").unwrap()
    });
    let mut poll = server.connect();
    poll.write_all(get("/rooms/LongPoll/messages?wait=50").as_bytes()).unwrap();
    // Nobody is in them any more, or what was said there is too old.
    wait_until(|| server.rooms.count() == 4);
    std::thread::sleep(millis(1500));
    assert_eq!(server.rooms.count(), 4);
    // They are the same as before: whoever is in there gets what comes.
    for reader in &mut readers {
        server.publish(&format!("{:?}", reader.transport), "m", "0");
        assert_eq!(reader.read_seq(), 1, "{:?}", reader.transport);
    }
    server.publish("LongPoll", "m", "0");
    assert!(read_answer(&mut poll, false).body.contains(r#""message":"m""#));
    drop((stream, readers, poll));
    wait_until(|| server.rooms.count() == 0);
    server.end();
}

#[test]
fn whoever_comes_while_a_room_is_given_up_is_in_the_one_that_is_published_in() {
    let server = serve_config(RoomConfig::default().limits(Limits::default().max_age(Some(millis(1)))));
    let end = std::time::Instant::now() + millis(2500); // the rooms are looked through each second
    let mut count = 0;
    while std::time::Instant::now() < end {
        let transport = LIVE[count % 3];
        let mut reader = Reader::open(&server.address, transport, "a", Some("end"), "").unwrap();
        assert!(matches!(reader.next().unwrap(), Some(Told::Place(_))));
        server.publish("a", &count.to_string(), "0");
        // It was in time, or too old by then.
        let told = reader.read();
        assert!(matches!(told, Told::Publication { .. } | Told::Gap { .. }), "{transport:?} {told:?}");
        drop(reader);
        std::thread::sleep(millis(2)); // nobody is in there for a while
        count += 1;
    }
    assert!(count > 10, "{count}");
    server.end();
}

/// How many threads of this process keep rooms.
#[cfg(target_os = "linux")]
fn keeper_count() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "talkback rooms").count()
}

#[test]
#[cfg(target_os = "linux")]
fn the_thread_that_keeps_rooms_ends_with_them() {
    watch();
    // Other tests have rooms as well: they come and go, but not so many.
    let all: Vec<Rooms> = (0..200).map(|_| Rooms::new(RoomConfig::default()).unwrap()).collect();
    for rooms in all.iter().step_by(2) {
        publish(rooms, "a", "m", "0");
    }
    wait_until(|| keeper_count() >= 200);
    drop(all);
    wait_until(|| keeper_count() < 100);
}
