//! Polls that wait: for news, for their time, or for nothing any more.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use talkback::http::{Request, Response, Status};
use talkback::protocol::MessageRef;
use talkback::room::{RoomConfig, Rooms};
use talkback::server::{Answer, Connection, Handler, Held, Hold};

use crate::clients::*;
use crate::net::*;
use crate::serving::*;

/// Has a poll wait, and makes sure that it does: so many do then.
fn wait_for_news(server: &Running, query: &str, count: u64) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(get(&format!("/rooms/a/messages?{query}")).as_bytes()).unwrap();
    wait_until(|| server.handle.snapshot().held_count == count);
    stream
}

#[test]
fn a_publication_answers_all_that_wait_whoever_they_are() {
    let server = serve();
    let mut streams: Vec<TcpStream> = ["", "", "&client=c", "&client=d&after=end"]
        .iter()
        .zip(1..)
        .map(|(query, count)| wait_for_news(&server, &format!("wait=50{query}"), count))
        .collect();
    assert!(is_silent(&mut streams[0], millis(100)));
    let id = server.publish("a", "1", r#""news""#);
    for stream in &mut streams {
        let answer = read_answer(stream, false);
        assert_eq!((answer.status, answer.header("Cache-Control")), (200, Some("no-store")));
        let page = format!(r#""first":1,"last":1,"gap":false,"cursor":"{id}","messages":[{{"id":"{id}","#);
        assert!(answer.body.contains(&page), "{}", answer.body);
        // The connection goes on.
        assert_eq!(ask(stream, &get("/")).body, "hello");
    }
    wait_until(|| server.handle.snapshot().held_count == 0);
    drop(streams);
    server.end();
}

#[test]
fn one_that_there_is_something_for_does_not_wait() {
    let server = serve();
    server.publish("a", "1", "0");
    let mut stream = server.connect();
    for after in ["", "&after=0000000000000000-1", "&after=x"] {
        let answer = ask(&mut stream, &get(&format!("/rooms/a/messages?wait=50{after}")));
        assert!(answer.body.contains(r#""message":"1""#), "{}", answer.body);
    }
    // A gap is something, also where there is nothing behind it.
    let answer = ask(&mut stream, &get("/rooms/b/messages?wait=50&after=x"));
    assert!(answer.body.contains(r#""gap":true"#) && answer.body.ends_with(r#""messages":[]}"#));
    let head = ask(&mut stream, &request_of("HEAD", "/rooms/a/messages?wait=50&after=end", "", ""));
    assert_eq!((head.status, &*head.body), (200, ""));
    drop(stream);
    server.end();
}

#[test]
fn one_that_nothing_comes_for_gets_an_empty_page_at_the_end_of_its_time() {
    let server = serve_config(RoomConfig::default().max_wait(millis(1500)));
    let mut stream = server.connect();
    for (wait, least, most) in [(0, 0, 1000), (1, 1000, 1500), (u32::MAX, 1500, 10_000)] {
        let begun = Instant::now();
        let answer = ask(&mut stream, &get(&format!("/rooms/a/messages?wait={wait}&client=c")));
        let passed = begun.elapsed();
        assert!(passed >= millis(least) && passed < millis(most), "{wait} {passed:?}");
        assert!(answer.status == 200 && answer.body.ends_with(r#"-0","messages":[]}"#), "{}", answer.body);
    }
    for wait in ["", "x", "-1", "1.5", "4294967296", "1%20"] {
        let answer = ask(&mut server.connect(), &get(&format!("/rooms/a/messages?wait={wait}")));
        assert_eq!((answer.status, &*answer.body), (400, "wait is a number of seconds\n"));
    }
    drop(stream);
    server.end();
}

#[test]
fn a_second_one_of_the_same_client_ends_the_first_and_no_other() {
    let server = serve();
    let mut first = wait_for_news(&server, "wait=50&client=c", 1);
    let mut other = wait_for_news(&server, "wait=50&client=d", 2);
    let mut stranger = wait_for_news(&server, "wait=50", 3);
    let mut second = server.connect();
    second.write_all(get("/rooms/a/messages?wait=50&client=c").as_bytes()).unwrap();
    let ended = read_answer(&mut first, false);
    assert_eq!(ended.head, "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n");
    wait_until(|| server.handle.snapshot().held_count == 3);
    server.publish("a", "1", "0");
    for stream in [&mut second, &mut other, &mut stranger] {
        assert_eq!(read_answer(stream, false).status, 200);
    }
    // Each client in each room by itself.
    let mut here = wait_for_news(&server, "wait=50&client=c&after=end", 1);
    let mut there = server.connect();
    there.write_all(get("/rooms/b/messages?wait=50&client=c").as_bytes()).unwrap();
    wait_until(|| server.handle.snapshot().held_count == 2);
    server.publish("a", "2", "0");
    server.publish("b", "1", "0");
    assert_eq!((read_answer(&mut here, false).status, read_answer(&mut there, false).status), (200, 200));
    drop((first, second, other, stranger, here, there));
    server.end();
}

#[test]
fn one_whose_client_has_gone_is_forgotten_and_so_is_its_room() {
    let server = serve_config(RoomConfig::default().poll_grace(millis(100)));
    for query in ["wait=50", "wait=50&client=c"] {
        drop(wait_for_news(&server, query, 1));
        wait_until(|| server.handle.snapshot().held_count == 0);
    }
    // Nothing of them keeps the room.
    wait_until(|| server.rooms.count() == 0);
    server.end();
}

#[test]
fn a_thousand_that_wait_are_as_many_as_there_are_sockets_and_all_are_answered() {
    let server = serve();
    let mut streams: Vec<TcpStream> = (0..1000).map(|_| server.connect()).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        // Some say who they are.
        let client = if n % 2 == 0 { format!("&client=c{n}") } else { String::new() };
        stream.write_all(get(&format!("/rooms/a/messages?wait=50{client}")).as_bytes()).unwrap();
    }
    for round in 1..=3 {
        wait_until(|| server.handle.snapshot().held_count == 1000);
        assert_eq!(server.handle.snapshot().socket_count, 1000);
        let id = server.publish("a", &round.to_string(), "0");
        for (n, stream) in streams.iter_mut().enumerate() {
            let answer = read_answer(stream, false);
            assert_eq!(answer.body.matches(r#""message":"#).count(), 1, "{}", answer.body);
            let client = if n % 2 == 0 { format!("&client=c{n}") } else { String::new() };
            let again = get(&format!("/rooms/a/messages?wait=50&after={id}{client}"));
            stream.write_all(again.as_bytes()).unwrap();
        }
    }
    drop(streams);
    wait_until(|| server.handle.snapshot().held_count == 0);
    server.end();
}

#[test]
fn while_others_publish_none_is_answered_with_nothing() {
    let server = serve();
    server.publish("a", "0", "0");
    let (rooms, address) = (server.rooms.clone(), server.address.clone());
    let publishers: Vec<_> = (0..2)
        .map(|publisher| {
            let rooms = rooms.clone();
            start(move || {
                for n in 0..3000 {
                    publish(&rooms, "a", &format!("{publisher}-{n}"), "0");
                }
            })
        })
        .collect();
    let pollers: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            patient(&stream);
            start(move || {
                let (mut after, mut empty_count) = ("end".to_owned(), 0);
                loop {
                    let answer = ask(&mut stream, &get(&format!("/rooms/a/messages?wait=1&after={after}")));
                    let (_, cursor) = answer.body.split_once(r#""cursor":""#).unwrap();
                    after = cursor.split('"').next().unwrap().to_owned();
                    empty_count += usize::from(answer.body.ends_with(r#""messages":[]}"#));
                    if after.ends_with("-6001") {
                        return empty_count;
                    }
                }
            })
        })
        .collect();
    publishers.into_iter().for_each(Task::end);
    // At the most the one that there was nothing for, for a second, on a busy machine.
    assert!(pollers.into_iter().all(|poller| poller.end() <= 1));
    server.end();
}

/// An application with requests of its own that wait.
#[derive(Clone)]
struct Waits;

impl Handler for Waits {
    type State = ();

    fn on_request(&mut self, _: &Request) -> Answer {
        Answer::Hold(Hold::new(Response::new(Status::NO_CONTENT)))
    }

    fn on_hold(&mut self, held: Held, _: &Request) {
        held.respond(Response::new(Status::OK).body("the application's"));
    }

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, (): &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}
}

#[test]
fn what_the_application_holds_is_never_taken_for_a_poll() {
    let rooms = Rooms::new(RoomConfig::default()).unwrap();
    let server = serve_app(rooms, Waits, |server| server.loop_count(1));
    let mut stream = server.connect();
    // A HEAD is never held, so nothing follows on it.
    let head = ask(&mut stream, &request_of("HEAD", "/rooms/a/messages?wait=50", "", ""));
    assert_eq!(head.status, 200);
    assert_eq!(ask(&mut stream, &get("/own")).body, "the application's");
    wait_until(|| server.rooms.count() == 0);
    drop(stream);
    server.end();
}
