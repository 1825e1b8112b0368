//! Who is here: who comes, goes, comes back, and what each says of itself.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use talkback::room::{PresenceLimits, RoomConfig};

use crate::clients::*;
use crate::net::*;
use crate::readers::*;
use crate::serving::*;

/// Nobody is awaited back.
fn serve_without_grace() -> Running {
    serve_config(RoomConfig::default().grace(Duration::ZERO).poll_grace(Duration::ZERO))
}

fn open(server: &Running, transport: Transport, query: &str) -> Reader {
    Reader::open(&server.address, transport, "a", None, query).unwrap()
}

/// One who looks on, and whom nobody sees.
fn observe(server: &Running) -> Reader {
    let mut observer = open(server, Transport::Lines, "");
    assert!(matches!(observer.next().unwrap().unwrap(), Told::Place(_)));
    assert_eq!(next_list(&mut observer), list(&[]));
    observer
}

/// The next list that comes.
#[track_caller]
fn next_list(reader: &mut Reader) -> Value {
    loop {
        if let Told::Here(list) = reader.next().unwrap().unwrap() {
            return list;
        }
    }
}

/// Reads lists until it is this one.
#[track_caller]
fn await_list(reader: &mut Reader, expected: &Value) {
    let begun = Instant::now();
    let mut lists = Vec::new();
    while lists.last() != Some(expected) {
        assert!(begun.elapsed() < PATIENCE, "{lists:?}");
        lists.push(next_list(reader));
    }
}

fn list(clients: &[(&str, Value)]) -> Value {
    let here: Vec<_> =
        clients.iter().map(|(client, state)| json!({ "client": client, "state": state })).collect();
    json!({ "here": here, "count": here.len() })
}

fn here_now(server: &Running) -> Value {
    let answer = ask(&mut server.connect(), &get("/rooms/a/here"));
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn whoever_comes_in_whatever_transport_is_seen_with_what_it_says_until_it_goes() {
    let server = serve_without_grace();
    let mut observer = observe(&server);
    for transport in LIVE {
        let mut reader = open(&server, transport, "client=ada&state=%7B%22colour%22%3A%22%23c33%22%7D");
        let ada = list(&[("ada", json!({ "colour": "#c33" }))]);
        await_list(&mut observer, &ada);
        await_list(&mut reader, &ada); // it sees itself
        // One that comes later is told at once.
        let mut late = open(&server, transport, "");
        assert!(matches!(late.next().unwrap().unwrap(), Told::Place(_)), "{transport:?}");
        assert_eq!(late.next().unwrap().unwrap(), Told::Here(ada));
        drop(reader);
        await_list(&mut observer, &list(&[]));
    }
    drop(observer);
    server.end();
}

#[test]
fn whoever_comes_back_in_time_was_never_gone_and_who_does_not_goes_after_the_grace() {
    let server = serve_config(RoomConfig::default().grace(millis(1500)));
    let mut observer = observe(&server);
    let ada = open(&server, Transport::Socket, "client=ada");
    let alone = list(&[("ada", Value::Null)]);
    await_list(&mut observer, &alone);
    drop(ada);
    std::thread::sleep(millis(300));
    let ada = open(&server, Transport::Events, "client=ada");
    std::thread::sleep(millis(1500));
    let bob = open(&server, Transport::Lines, "client=bob");
    // Nothing was told in between.
    let both = list(&[("ada", Value::Null), ("bob", Value::Null)]);
    assert_eq!(next_list(&mut observer), both);
    drop(ada);
    let begun = Instant::now();
    assert_eq!(next_list(&mut observer), list(&[("bob", Value::Null)]));
    assert!(begun.elapsed() >= millis(1200), "{:?}", begun.elapsed());
    drop((bob, observer));
    server.end();
}

#[test]
fn a_client_is_here_as_long_as_one_of_its_connections_is() {
    let server = serve_without_grace();
    let mut observer = observe(&server);
    let first = open(&server, Transport::Socket, "client=ada");
    await_list(&mut observer, &list(&[("ada", Value::Null)]));
    let second = open(&server, Transport::Lines, "client=ada");
    let mut poller = open(&server, Transport::Poll, "client=ada");
    poller.read();
    drop(first);
    let bob = open(&server, Transport::Events, "client=bob");
    await_list(&mut observer, &list(&[("ada", Value::Null), ("bob", Value::Null)]));
    drop(second);
    await_list(&mut observer, &list(&[("bob", Value::Null)]));
    drop((bob, observer, poller));
    server.end();
}

#[test]
fn a_state_is_changed_by_web_socket_and_by_post() {
    let server = serve();
    let mut observer = observe(&server);
    let mut ada = open(&server, Transport::Socket, "client=ada&state=1");
    await_list(&mut observer, &list(&[("ada", json!(1))]));
    ada.write(&text(r#"{"state":{"typing":true}}"#)).unwrap();
    await_list(&mut observer, &list(&[("ada", json!({ "typing": true }))]));
    let said = ask(&mut server.connect(), &post("/rooms/a/here", r#"{"client":"ada","state":[2]}"#));
    assert_eq!((said.status, said.header("Cache-Control")), (204, Some("no-store")));
    await_list(&mut observer, &list(&[("ada", json!([2]))]));
    // The same again changes nothing: what comes next is about something else.
    ada.write(&text(r#"{"state":[2]}"#)).unwrap();
    // Who isn't here is by saying something, as if it had polled.
    ask(&mut server.connect(), &post("/rooms/a/here", r#"{"client":"bob","state":"b"}"#));
    let both = list(&[("ada", json!([2])), ("bob", json!("b"))]);
    assert_eq!(next_list(&mut observer), both);
    wait_until(|| here_now(&server) == both);
    // Nobody can say something of nobody.
    let mut nobody = open(&server, Transport::Socket, "");
    nobody.write(&text(r#"{"state":1}"#)).unwrap();
    while !matches!(nobody.next().unwrap(), Some(Told::Other(object))
        if object == json!({ "refused": null, "status": 400, "error": "client is missing" }))
    {}
    drop((observer, ada, nobody));
    server.end();
}

#[test]
fn whoever_says_nothing_of_itself_leaves_what_it_said_before() {
    let server = serve();
    let mut observer = observe(&server);
    ask(&mut server.connect(), &post("/rooms/a/here", r#"{"client":"ada","state":"busy"}"#));
    await_list(&mut observer, &list(&[("ada", json!("busy"))]));
    let mut poller = open(&server, Transport::Poll, "client=ada");
    poller.read();
    let _streams: Vec<_> = LIVE.map(|transport| open(&server, transport, "client=ada")).into();
    let _bob = open(&server, Transport::Lines, "client=bob");
    assert_eq!(next_list(&mut observer), list(&[("ada", json!("busy")), ("bob", Value::Null)]));
    // Nothing is something to be said, too.
    let _stream = open(&server, Transport::Lines, "client=ada&state=null");
    await_list(&mut observer, &list(&[("ada", Value::Null), ("bob", Value::Null)]));
    drop(observer);
    server.end();
}

#[test]
fn who_polls_is_here_for_a_while_after_each_poll() {
    let server = serve_config(RoomConfig::default().poll_grace(millis(2500)));
    let mut observer = observe(&server);
    let ada = list(&[("ada", json!("a"))]);
    let mut stream = server.connect();
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(ask(&mut stream, &get("/rooms/a/messages?client=ada&state=%22a%22")).status, 200);
        std::thread::sleep(millis(1000));
    }
    let polled = begun.elapsed() - millis(1000);
    // It came once, and went once.
    assert_eq!(next_list(&mut observer), ada);
    assert_eq!(next_list(&mut observer), list(&[]));
    assert!(begun.elapsed() >= polled + millis(2200), "{:?}", begun.elapsed());
    drop((stream, observer));
    server.end();
}

#[test]
fn so_many_are_listed_and_all_are_counted() {
    let limits = PresenceLimits::default().max_client_count(Some(4));
    let server = serve_config(RoomConfig::default().presence_limits(limits).max_listed_count(2));
    let mut observer = observe(&server);
    let _readers: Vec<_> = ["d", "a", "c", "b"]
        .map(|client| open(&server, Transport::Lines, &format!("client={client}")))
        .into();
    let first = list(&[("a", Value::Null), ("b", Value::Null)]);
    await_list(&mut observer, &json!({ "here": first["here"], "count": 4 }));
    let refused = Reader::open(&server.address, Transport::Socket, "a", None, "client=e");
    assert!(refused.err().unwrap().to_string().starts_with("HTTP/1.1 503 "));
    drop(observer);
    server.end();
}

#[test]
fn a_crowd_that_comes_at_once_is_told_in_few_lists() {
    let server = serve();
    let mut observer = observe(&server);
    let begun = Instant::now();
    let readers: Vec<_> = (0..300).map(|n| open(&server, LIVE[n % 3], &format!("client=c{n}"))).collect();
    let mut list_count = 0;
    while next_list(&mut observer)["count"] != 300 {
        list_count += 1;
    }
    // One in a tenth of a second, and the first at once.
    let most = begun.elapsed().as_millis() / 100 + 2;
    assert!(list_count <= most, "{list_count} lists in {:?}", begun.elapsed());
    drop((observer, readers));
    server.end();
}

#[test]
fn a_seat_ends_with_its_connection_however_that_ends() {
    let server = serve_without_grace();
    let mut observer = observe(&server);
    let ada = list(&[("ada", Value::Null)]);
    // Closed with unread input, which is a reset; half closed; in the middle of a frame; by a close.
    for transport in LIVE {
        for ending in 0..4 {
            let mut reader = open(&server, transport, "client=ada");
            await_list(&mut observer, &ada);
            match ending {
                0 => {}
                1 => reader.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap(),
                2 => reader.write(&text(r#"{"message":"m","data":1}"#)[..9]).unwrap(),
                _ => reader.write(&frame(true, 0x88, b"\x03\xe8")).unwrap(),
            }
            // Who has said farewell needn't end TCP as well.
            let said = ending == 1 || ending == 3 && transport == Transport::Socket;
            let reader = said.then_some(reader);
            await_list(&mut observer, &list(&[]));
            drop(reader);
        }
    }
    drop(observer);
    server.end();
}

#[test]
fn whoever_is_refused_never_was_here() {
    let server = serve_without_grace();
    let mut observer = observe(&server);
    let upgrade = request_to("/rooms/a/socket?client=ada", "");
    for request in [
        request_of("HEAD", "/rooms/a/stream?client=ada", "", ""),
        request_of("HEAD", "/rooms/a/events?client=ada", "", ""),
        request_of("HEAD", "/rooms/a/socket?client=ada", "", ""),
        get("/rooms/a/socket?client=ada"),
        upgrade.replace("Version: 13", "Version: 8"),
        upgrade.replace("?client=ada", "?client=ada&state=%7B"),
        upgrade.replace("Host:", "Origin: https://strange.example\r\nHost:"),
        get("/rooms/a/stream?client=ada&state="),
        get("/rooms/a/messages?client=ada&wait=x"),
    ] {
        let answer = ask(&mut server.connect(), &request);
        assert!(answer.status >= 400, "{request}{}", answer.head);
    }
    // One that doesn't even ask to the end.
    server.connect().write_all(&upgrade.as_bytes()[..100]).unwrap();
    let _bob = open(&server, Transport::Lines, "client=bob");
    assert_eq!(next_list(&mut observer), list(&[("bob", Value::Null)]));
    drop(observer);
    server.end();
}
