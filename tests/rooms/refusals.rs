//! What is refused, and exactly from where on.

use std::io::Write;

use talkback::room::{Limits, PageLimits, PresenceLimits, RoomConfig};
use talkback::server::Cors;

use crate::clients::*;
use crate::net::*;
use crate::serving::*;

/// Refused with this status and this reason, in plain text, and kept by nobody.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, why: &str) {
    assert_eq!((answer.status, &*answer.body), (status, &*format!("{why}\n")), "{}", answer.head);
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{}", answer.head);
}

#[track_caller]
fn ask_once(server: &Running, request: &str) -> Answer {
    ask(&mut server.connect(), request)
}

#[test]
fn nothing_is_anywhere_else_and_other_pages_are_the_applications() {
    let server = serve();
    for target in
        ["/rooms/", "/rooms/a", "/rooms/a/", "/rooms//messages", "/rooms/a/nothing", "/rooms/a/b/here"]
    {
        assert_refused(&ask_once(&server, &get(target)), 404, "there is nothing here");
    }
    for target in ["/rooms/a%62/messages", "/rooms/%C3%A4/events", "/rooms/a%20b/socket"] {
        assert_refused(&ask_once(&server, &get(target)), 404, "there is nothing here");
    }
    for target in ["/rooms", "/roomsa/b/here", "/other"] {
        assert_eq!(ask_once(&server, &get(target)).body, "no such page\n");
    }
    assert_eq!(server.rooms.count(), 0);
    server.end();
    let server = serve_config(RoomConfig::default().path("/talk/here/"));
    assert_eq!(ask_once(&server, &get("/talk/here/a/here")).status, 200);
    assert_eq!(ask_once(&server, &get("/rooms/a/here")).body, "no such page\n");
    server.end();
}

#[test]
fn the_name_of_a_room_has_64_bytes_at_most() {
    let server = serve();
    let name = "A-z.0_~".repeat(10);
    for endpoint in ["messages", "here"] {
        assert_eq!(ask_once(&server, &get(&format!("/rooms/{}/{endpoint}", &name[..64]))).status, 200);
        let answer = ask_once(&server, &get(&format!("/rooms/{}/{endpoint}", &name[..65])));
        assert_refused(&answer, 404, "there is nothing here");
    }
    let post_to =
        |name: &str| post(&format!("/rooms/{name}/messages"), r#"{"client":"c","message":"m","data":0}"#);
    assert_eq!(ask_once(&server, &post_to(&name[..64])).status, 200);
    assert_refused(&ask_once(&server, &post_to(&name[..65])), 404, "there is nothing here");
    let error = server.rooms.publish(
        &name[..65],
        &talkback::room::ClientId::new("c").unwrap(),
        &talkback::room::MessageId::new("m").unwrap(),
        &raw("0"),
    );
    assert_eq!(error.unwrap_err().to_string(), "404: no room can have this name");
    server.end();
}

#[test]
fn a_method_that_an_endpoint_does_not_know_is_refused_and_those_it_knows_are_told() {
    let server = serve();
    for endpoint in ["messages", "here"] {
        let request = request_of("DELETE", &format!("/rooms/a/{endpoint}"), "", "");
        let answer = ask_once(&server, &request);
        assert_refused(&answer, 405, "only GET, HEAD, POST can be done here");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD, POST"));
    }
    for endpoint in ["stream", "events", "socket"] {
        let answer = ask_once(&server, &post(&format!("/rooms/a/{endpoint}"), "{}"));
        assert_refused(&answer, 405, "only GET can be done here");
        assert_eq!(answer.header("Allow"), Some("GET"));
        let head = ask_once(&server, &request_of("HEAD", &format!("/rooms/a/{endpoint}"), "", ""));
        assert_eq!((head.status, &*head.body), (405, ""));
    }
    assert_eq!(server.rooms.count(), 0);
    server.end();
}

#[test]
fn ids_are_visible_ascii_of_64_bytes_at_most_everywhere() {
    let server = serve();
    let (longest, longer) = ("~".repeat(64), "~".repeat(65));
    for endpoint in ["messages", "stream", "events"] {
        let target = |client: &str| format!("/rooms/a/{endpoint}?client={client}");
        let mut stream = server.connect();
        stream.write_all(get(&target(&longest)).as_bytes()).unwrap();
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 "));
        for (client, why) in [
            (&*longer, "an id of 65 bytes is over the limit of 64"),
            ("", "an id is empty"),
            ("a%20b", "an id has byte 0x20 at 1"),
            ("%C3%A4", "an id has byte 0xc3 at 0"),
        ] {
            assert_refused(&ask_once(&server, &get(&target(client))), 400, why);
        }
    }
    let socket = |client: &str| request_to(&format!("/rooms/a/socket?client={client}"), "");
    upgrade(&mut server.connect(), &format!("/rooms/a/socket?client={longest}"));
    let why = "an id of 65 bytes is over the limit of 64";
    assert_refused(&ask_once(&server, &socket(&longer)), 400, why);
    let body = |client: &str, message: &str| {
        post("/rooms/a/messages", &format!(r#"{{"client":"{client}","message":"{message}","data":0}}"#))
    };
    assert_eq!(ask_once(&server, &body(&longest, &longest)).status, 200);
    assert_refused(&ask_once(&server, &body(&longer, "m")), 400, why);
    assert_refused(&ask_once(&server, &body("c", &longer)), 400, why);
    assert_refused(&ask_once(&server, &body("c", "")), 400, "an id is empty");
    let said = post("/rooms/a/here", &format!(r#"{{"client":"{longer}","state":0}}"#));
    assert_refused(&ask_once(&server, &said), 400, why);
    server.end();
}

#[test]
fn a_publication_may_be_as_long_as_its_limit_and_not_longer() {
    // `{"id":"E-1","at":1700000000000,"client":"c","message":"m","data":"…"}`
    let around =
        r#"{"id":"0123456789abcdef-1","at":1700000000000,"client":"c","message":"m","data":""}"#.len();
    let limits = Limits::default().max_publication_len(Some(1000));
    let server = serve_config(RoomConfig::default().limits(limits));
    let data = |len: usize| "x".repeat(len - around);
    let of = |len: usize| {
        post("/rooms/a/messages", &format!(r#"{{"client":"c","message":"m","data":"{}"}}"#, data(len)))
    };
    assert_refused(
        &ask_once(&server, &of(1001)),
        413,
        "a publication of 1001 bytes is over the limit of 1000",
    );
    assert_eq!(ask_once(&server, &of(1000)).status, 200);

    let mut socket = server.connect();
    upgrade(&mut socket, "/rooms/b/socket?client=c");
    let mut say = |len: usize| {
        socket.write_all(&text(&format!(r#"{{"message":"m","data":"{}"}}"#, data(len)))).unwrap();
        loop {
            let reply = read_text(&mut socket);
            if reply.contains("refused") || reply.contains("ack") {
                break reply;
            }
        }
    };
    let why = "a publication of 1001 bytes is over the limit of 1000";
    assert_eq!(say(1001), format!(r#"{{"refused":"m","status":413,"error":"{why}"}}"#));
    assert!(say(1000).starts_with(r#"{"ack":"m","#));
    drop(socket);
    server.end();
}

#[test]
fn a_page_has_as_many_and_as_much_as_its_limits_allow() {
    let server = serve();
    (0..101).for_each(|n| drop(server.publish("a", &n.to_string(), "0")));
    let epoch = server.epoch("a");
    let page = ask_once(&server, &get("/rooms/a/messages")).body;
    assert_eq!(page.matches(r#""message":"#).count(), 100);
    assert!(page.contains(&format!(r#""first":1,"last":101,"gap":false,"cursor":"{epoch}-100""#)));
    let rest = ask_once(&server, &get(&format!("/rooms/a/messages?after={epoch}-100"))).body;
    assert_eq!(rest.matches(r#""message":"#).count(), 1);
    server.end();

    let limits = PageLimits::default().max_count(Some(3)).max_len(Some(500));
    let server = serve_config(RoomConfig::default().page_limits(limits));
    for n in 0..4 {
        server.publish("small", &n.to_string(), "0");
        server.publish("large", &n.to_string(), &format!(r#""{}""#, "x".repeat(300)));
    }
    for (room, count) in [("small", 3), ("large", 1)] {
        let page = ask_once(&server, &get(&format!("/rooms/{room}/messages"))).body;
        assert_eq!(page.matches(r#""message":"#).count(), count);
    }
    server.end();
}

#[test]
fn one_room_too_many_is_refused_until_another_is_given_up() {
    let server = serve_config(RoomConfig::default().max_room_count(2));
    server.publish("a", "m", "0");
    assert_eq!(ask_once(&server, &get("/rooms/b/here")).status, 200);
    let why = "there are too many rooms";
    assert_refused(&ask_once(&server, &get("/rooms/c/messages")), 503, why);
    assert_refused(&ask_once(&server, &get("/rooms/c/events")), 503, why);
    assert_refused(&ask_once(&server, &request_to("/rooms/c/socket", "")), 503, why);
    assert_refused(&ask_once(&server, &post("/rooms/c/here", r#"{"client":"c","state":0}"#)), 503, why);
    let body = r#"{"client":"c","message":"m","data":0}"#;
    assert_refused(&ask_once(&server, &post("/rooms/c/messages", body)), 503, why);
    assert_eq!(ask_once(&server, &get("/rooms/a/messages")).status, 200);
    // Nobody is in b.
    wait_until(|| server.rooms.count() == 1);
    assert_eq!(ask_once(&server, &get("/rooms/c/messages")).status, 200);
    server.end();
}

#[test]
fn one_client_too_many_is_refused_and_who_does_not_say_who_it_is_may_read() {
    let limits = PresenceLimits::default().max_client_count(Some(1)).max_state_len(Some(4));
    let server = serve_config(RoomConfig::default().presence_limits(limits));
    let mut first = server.connect();
    first.write_all(get("/rooms/a/stream?client=c&state=1234").as_bytes()).unwrap();
    assert!(read_head(&mut first).starts_with("HTTP/1.1 200 "));
    let why = "the room has 1 clients already";
    for endpoint in ["messages", "stream", "events"] {
        assert_refused(&ask_once(&server, &get(&format!("/rooms/a/{endpoint}?client=d"))), 503, why);
        let long = get(&format!("/rooms/a/{endpoint}?client=c&state=12345"));
        assert_refused(&ask_once(&server, &long), 413, "a state of 5 bytes is over the limit of 4");
    }
    assert_refused(&ask_once(&server, &request_to("/rooms/a/socket?client=d", "")), 503, why);
    assert_refused(&ask_once(&server, &post("/rooms/a/here", r#"{"client":"d","state":0}"#)), 503, why);
    assert_eq!(ask_once(&server, &get("/rooms/a/messages?client=c")).status, 200);
    assert_eq!(ask_once(&server, &get("/rooms/a/messages")).status, 200);
    upgrade(&mut server.connect(), "/rooms/a/socket");
    // Whoever is not here may publish all the same.
    let body = r#"{"client":"d","message":"m","data":0}"#;
    assert_eq!(ask_once(&server, &post("/rooms/a/messages", body)).status, 200);
    drop(first);
    server.end();
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read_so_that_any_page_knows() {
    let body = r#"{"client":"c","message":"m","data":0}"#;
    let max_body_len = u64::try_from(body.len()).unwrap();
    let server = serve_config(RoomConfig::default().max_body_len(max_body_len).cors(Cors::any()));
    assert_eq!(ask_once(&server, &post("/rooms/a/messages", body)).status, 200);
    let mut stream = server.connect();
    let len = body.len() + 1;
    let head = format!("POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n");
    let answer = ask(&mut stream, &head);
    assert_eq!((answer.status, answer.header("Connection")), (413, Some("close")), "{}", answer.head);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    drop(stream);
    server.end();
}
