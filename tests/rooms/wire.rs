//! Each endpoint, as it is on the wire.

use std::io::Write;

use crate::clients::*;
use crate::net::*;
use crate::serving::*;

/// A publication that is told, but for its time.
#[track_caller]
fn without_time(object: &str) -> String {
    let (before, rest) = object.split_once(r#""at":"#).unwrap();
    let (at, after) = rest.split_once(',').unwrap();
    assert!(at.parse::<u64>().unwrap() > 1_700_000_000_000, "{object}");
    format!("{before}{after}")
}

fn publication(epoch: &str, seq: u64, data: &str) -> String {
    format!(r#"{{"id":"{epoch}-{seq}","client":"pen","message":"m{seq}","data":{data}}}"#)
}

const NOBODY: &str = r#"{"here":[],"count":0}"#;

#[test]
fn a_poll_gets_a_page_of_json() {
    let server = serve();
    let mut stream = server.connect();
    let answer = ask(&mut stream, &get("/rooms/a/messages"));
    let epoch = server.epoch("a");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
    assert_eq!(answer.head, format!("{head}Content-Length: {}\r\n\r\n", answer.body.len()));
    let page = |first, last, cursor, messages: &str| {
        format!(
            r#"{{"epoch":"{epoch}","first":{first},"last":{last},"gap":false,"cursor":"{epoch}-{cursor}","messages":[{messages}]}}"#
        )
    };
    assert_eq!(answer.body, page(1, 0, 0, ""));

    server.publish("a", "m1", r#"{"text":"hi"}"#);
    let first = ask(&mut stream, &get("/rooms/a/messages"));
    assert_eq!(without_time(&first.body), page(1, 1, 1, &publication(&epoch, 1, r#"{"text":"hi"}"#)));
    let none = ask(&mut stream, &get(&format!("/rooms/a/messages?after={epoch}-1")));
    assert_eq!(none.body, page(1, 1, 1, ""));
    let end = ask(&mut stream, &get("/rooms/a/messages?after=end"));
    assert_eq!(end.body, page(1, 1, 1, ""));

    let head = ask(&mut stream, &request_of("HEAD", "/rooms/a/messages", "", ""));
    assert_eq!((head.head, head.body), (first.head, String::new()));
    // The connection was kept for all of them.
    assert_eq!(ask(&mut stream, &get("/")).body, "hello");
    drop(stream);
    server.end();
}

#[test]
fn a_post_is_stored_once_however_often_it_is_sent() {
    let server = serve();
    let mut stream = server.connect();
    let body = r#"{"client":"c","message":"m","data":["any",1]}"#;
    let answer = ask(&mut stream, &post("/rooms/a/messages", body));
    let epoch = server.epoch("a");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
    assert_eq!(answer.head, format!("{head}Content-Length: {}\r\n\r\n", answer.body.len()));
    assert_eq!(answer.body, format!(r#"{{"id":"{epoch}-1","new":true}}"#));
    // Of whatever type it says it is, and whatever it says this time.
    let again = body.replace("any", "other");
    let again = request_of("POST", "/rooms/a/messages", "Content-Type: text/plain\r\n", &again);
    assert_eq!(ask(&mut stream, &again).body, format!(r#"{{"id":"{epoch}-1","new":false}}"#));
    let page = ask(&mut stream, &get("/rooms/a/messages"));
    let stored = format!(r#"[{{"id":"{epoch}-1","client":"c","message":"m","data":["any",1]}}]}}"#);
    assert!(without_time(&page.body).ends_with(&stored), "{}", page.body);
    drop(stream);
    server.end();
}

#[test]
fn what_is_sent_by_post_and_by_web_socket_is_stored_once_in_either_order() {
    let server = serve();
    let mut stream = server.connect();
    let mut socket = server.connect();
    upgrade(&mut socket, "/rooms/a/socket?client=c&after=end");
    let epoch = server.epoch("a");
    assert_eq!(read_text(&mut socket), format!(r#"{{"id":"{epoch}-0"}}"#));
    let post_it = |stream: &mut _, message: &str| {
        let body = format!(r#"{{"client":"c","message":"{message}","data":0}}"#);
        ask(stream, &post("/rooms/a/messages", &body)).body
    };
    let next = |socket: &mut _| loop {
        let text = read_text(socket);
        if !text.starts_with(r#"{"here""#) && !text.contains(r#""data""#) {
            return text;
        }
    };
    assert_eq!(post_it(&mut stream, "1"), format!(r#"{{"id":"{epoch}-1","new":true}}"#));
    socket.write_all(&text(r#"{"message":"1","data":0}"#)).unwrap();
    assert_eq!(next(&mut socket), format!(r#"{{"ack":"1","id":"{epoch}-1","new":false}}"#));
    socket.write_all(&text(r#"{"message":"2","data":0}"#)).unwrap();
    assert_eq!(next(&mut socket), format!(r#"{{"ack":"2","id":"{epoch}-2","new":true}}"#));
    assert_eq!(post_it(&mut stream, "2"), format!(r#"{{"id":"{epoch}-2","new":false}}"#));
    assert_eq!(server.rooms.look("a", |log| log.count()), Some(2));
    server.end();
}

#[test]
fn a_stream_of_lines_has_an_object_a_line() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(get("/rooms/a/stream").as_bytes()).unwrap();
    assert_eq!(
        read_head(&mut stream),
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let epoch = server.epoch("a");
    assert_eq!(read_chunk(&mut stream), format!("{{\"id\":\"{epoch}-0\"}}\n"));
    assert_eq!(read_chunk(&mut stream), format!("{NOBODY}\n"));
    server.publish("a", "m1", "[1,\n2]");
    let line = read_chunk(&mut stream);
    assert_eq!(without_time(&line), format!("{}\n", publication(&epoch, 1, "[1,2]")));
    server.handle.drain(millis(0));
    assert_eq!(read_to_end(&mut stream), b"0\r\n\r\n");
    drop(stream);
    server.ended();
}

#[test]
fn an_event_stream_has_publications_without_a_name_and_all_else_with_one() {
    let server = serve();
    let mut stream = server.connect();
    stream.write_all(get("/rooms/a/events?after=0000000000000000-7").as_bytes()).unwrap();
    assert_eq!(
        read_head(&mut stream),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let epoch = server.epoch("a");
    let gap = format!(r#"{{"id":"{epoch}-0","gap":{{"epoch":"{epoch}","first":1,"last":0}}}}"#);
    assert_eq!(read_chunk(&mut stream), format!("event: gap\nid: {epoch}-0\ndata: {gap}\n\n"));
    assert_eq!(read_chunk(&mut stream), format!("event: here\ndata: {NOBODY}\n\n"));
    server.publish("a", "m1", "1");
    let event = read_chunk(&mut stream);
    let expected = format!("id: {epoch}-1\ndata: {}\n\n", publication(&epoch, 1, "1"));
    assert_eq!(without_time(&event), expected);
    let mut other = server.connect();
    other.write_all(get(&format!("/rooms/a/events?after={epoch}-1")).as_bytes()).unwrap();
    read_head(&mut other);
    let place = format!("event: place\nid: {epoch}-1\ndata: {{\"id\":\"{epoch}-1\"}}\n\n");
    assert_eq!(read_chunk(&mut other), place);
    server.handle.drain(millis(0));
    let retry = read_chunk(&mut stream);
    assert!(retry.starts_with("retry: "), "{retry}");
    assert_eq!(read_to_end(&mut stream), b"0\r\n\r\n");
    drop((stream, other));
    server.ended();
}

#[test]
fn a_web_socket_has_an_object_a_text_both_ways() {
    let server = serve();
    let mut socket = server.connect();
    let head = upgrade(&mut socket, "/rooms/a/socket?client=pen&state=%7B%22n%22%3A1%7D");
    assert_eq!(header(&head, "Sec-WebSocket-Accept"), Some(KEY_ACCEPT));
    let epoch = server.epoch("a");
    assert_eq!(read_text(&mut socket), format!(r#"{{"id":"{epoch}-0"}}"#));
    let here = |n: u8| format!(r#"{{"here":[{{"client":"pen","state":{{"n":{n}}}}}],"count":1}}"#);
    // The list of before, if the new one isn't made yet.
    let first = read_text(&mut socket);
    assert!(first == here(1) || first == NOBODY && read_text(&mut socket) == here(1), "{first}");
    socket.write_all(&text(r#"{"message":"m1","data":{"x":[]}}"#)).unwrap();
    assert_eq!(read_text(&mut socket), format!(r#"{{"ack":"m1","id":"{epoch}-1","new":true}}"#));
    assert_eq!(without_time(&read_text(&mut socket)), publication(&epoch, 1, r#"{"x":[]}"#));
    socket.write_all(&text(r#"{"state":{"n":2}}"#)).unwrap();
    assert_eq!(read_text(&mut socket), here(2));
    let long = format!(r#"{{"message":"m2","data":"{}"}}"#, "x".repeat(70_000));
    socket.write_all(&text(&long)).unwrap();
    let refused = read_text(&mut socket);
    assert!(refused.starts_with(r#"{"refused":"m2","status":413,"error":"a publication of 70"#), "{refused}");
    socket.write_all(&text(&format!(r#"{{"state":"{}"}}"#, "x".repeat(1100)))).unwrap();
    assert_eq!(
        read_text(&mut socket),
        r#"{"refused":null,"status":413,"error":"a state of 1102 bytes is over the limit of 1024"}"#
    );
    server.handle.drain(millis(0));
    let end = read_frame(false, &mut socket);
    assert_eq!(close_code(&end), Some(1001));
    socket.write_all(&frame(true, 0x88, &end.1)).unwrap();
    assert_eq!(read_to_end(&mut socket), b"");
    drop(socket);
    server.ended();
}

#[test]
fn who_is_here_is_asked_and_told() {
    let server = serve();
    let mut stream = server.connect();
    let answer = ask(&mut stream, &get("/rooms/a/here"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
    assert_eq!(answer.head, format!("{head}Content-Length: {}\r\n\r\n", NOBODY.len()));
    assert_eq!(answer.body, NOBODY);
    let head = ask(&mut stream, &request_of("HEAD", "/rooms/a/here", "", ""));
    assert_eq!((head.head, head.body), (answer.head, String::new()));

    let said = ask(&mut stream, &post("/rooms/a/here", r#"{"client":"c","state":"busy"}"#));
    assert_eq!(said.head, "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n");
    let list = r#"{"here":[{"client":"c","state":"busy"}],"count":1}"#;
    loop {
        let now = ask(&mut stream, &get("/rooms/a/here")).body;
        if now == list {
            break;
        }
        assert_eq!(now, NOBODY);
    }
    drop(stream);
    server.end();
}

#[test]
fn the_browsers_client_is_there() {
    let server = serve();
    let mut stream = server.connect();
    let answer = ask(&mut stream, &get("/rooms/talkback.js"));
    assert_eq!(answer.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    assert!(answer.status == 200 && answer.body.contains("export class TalkbackRoom"), "{}", answer.head);
    let head = ask(&mut stream, &request_of("HEAD", "/rooms/talkback.js", "", ""));
    assert_eq!((head.head, head.body), (answer.head, String::new()));
    let refused = ask(&mut stream, &post("/rooms/talkback.js", ""));
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD")));
    server.end();
}

#[test]
fn pipelined_polls_are_answered_in_order_and_one_that_waits_holds_up_those_behind_it() {
    let server = serve();
    (1..=3).for_each(|n| drop(server.publish("a", &n.to_string(), "0")));
    let epoch = server.epoch("a");
    let mut stream = server.connect();
    let poll = |n: u64| get(&format!("/rooms/a/messages?after={epoch}-{n}&wait=20"));
    let requests = [poll(1), poll(2), poll(3), get("/rooms/a/here"), get("/")];
    stream.write_all(requests.concat().as_bytes()).unwrap();
    for count in [2, 1] {
        let answer = read_answer(&mut stream, false);
        assert_eq!(answer.body.matches(r#""message":"#).count(), count, "{}", answer.body);
    }
    assert!(is_silent(&mut stream, millis(200)));
    server.publish("a", "4", "0");
    assert!(read_answer(&mut stream, false).body.contains(r#""message":"4""#));
    assert_eq!(read_answer(&mut stream, false).body, NOBODY);
    assert_eq!(read_answer(&mut stream, false).body, "hello");
    drop(stream);
    server.end();
}
