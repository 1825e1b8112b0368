//! Pages of other origins: CORS, on every endpoint.

use std::io::Write;
use std::net::TcpStream;

use talkback::handshake::Origins;
use talkback::room::{RoomConfig, Rooms};
use talkback::server::Cors;

use crate::clients::*;
use crate::net::*;
use crate::serving::*;

const ORIGIN: &str = "Origin: https://app.example\r\n";
const ENDPOINTS: [&str; 5] = ["messages", "here", "stream", "events", "socket"];

fn serve_cors(cors: Cors) -> Running {
    let rooms = Rooms::new(RoomConfig::default().cors(cors)).unwrap();
    let accept = accept().origins(Origins::Any); // WebSockets have a policy of their own besides
    serve_app(rooms, pages(), |server| server.accept(accept))
}

/// The heads of what a page gets that does all that can be done.
fn ask_all(server: &Running, origin: &str) -> Vec<String> {
    let ask_one = |request: String| {
        let mut stream: TcpStream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read_head(&mut stream)
    };
    let publish = r#"{"client":"c","message":"m","data":0}"#;
    vec![
        ask_one(request_of("GET", "/rooms/a/messages", origin, "")),
        ask_one(request_of("HEAD", "/rooms/a/messages", origin, "")),
        ask_one(request_of("GET", "/rooms/a/messages?after=end&wait=0", origin, "")),
        ask_one(request_of("GET", "/rooms/a/here", origin, "")),
        ask_one(request_of("GET", "/rooms/a/stream", origin, "")),
        ask_one(request_of("GET", "/rooms/a/events", origin, "")),
        ask_one(request_of("POST", "/rooms/a/messages", origin, publish)),
        ask_one(request_of("POST", "/rooms/a/here", origin, r#"{"client":"c","state":0}"#)),
    ]
}

fn preflight(server: &Running, endpoint: &str, origin: &str) -> Answer {
    let lines = format!("{origin}Access-Control-Request-Method: POST\r\n");
    ask(&mut server.connect(), &request_of("OPTIONS", &format!("/rooms/a/{endpoint}"), &lines, ""))
}

#[test]
fn any_page_may_ask_where_any_may() {
    let server = serve_cors(Cors::any());
    for head in ask_all(&server, ORIGIN) {
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        assert_eq!(header(&head, "Access-Control-Allow-Origin"), Some("*"), "{head}");
        assert_eq!(header(&head, "Access-Control-Allow-Credentials"), None);
    }
    let answer = preflight(&server, "messages", ORIGIN);
    assert_eq!(
        answer.head,
        "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n\
         Access-Control-Allow-Headers: Content-Type, Last-Event-ID\r\nAccess-Control-Max-Age: 3600\r\n\
         Access-Control-Allow-Origin: *\r\nCache-Control: no-store\r\n\r\n"
    );
    assert_eq!(preflight(&server, "events", ORIGIN).header("Access-Control-Allow-Methods"), Some("GET"));
    upgrade_as(&server, ORIGIN, 101);
    server.end();
}

fn upgrade_as(server: &Running, origin: &str, status: u16) {
    let mut socket = server.connect();
    socket.write_all(request_to("/rooms/a/socket", origin).as_bytes()).unwrap();
    let head = read_head(&mut socket);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
}

#[test]
fn pages_that_are_listed_may_ask_and_caches_keep_them_apart() {
    for (cors, credentials) in [
        (Cors::listed(["https://app.example"]), None),
        (Cors::listed_with_credentials(["https://app.example"]), Some("true")),
    ] {
        let server = serve_cors(cors);
        for head in ask_all(&server, ORIGIN) {
            assert_eq!(header(&head, "Access-Control-Allow-Origin"), Some("https://app.example"), "{head}");
            assert_eq!(header(&head, "Access-Control-Allow-Credentials"), credentials, "{head}");
            assert_eq!(header(&head, "Vary"), Some("Origin"), "{head}");
        }
        let answer = preflight(&server, "here", ORIGIN);
        assert_eq!((answer.status, answer.header("Vary")), (204, Some("Origin")));
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), credentials);
        // Whoever is no page may ask, and is not allowed anything besides.
        for head in ask_all(&server, "") {
            assert!(head.starts_with("HTTP/1.1 20"), "{head}");
            assert_eq!(header(&head, "Access-Control-Allow-Origin"), None);
            assert_eq!(header(&head, "Vary"), Some("Origin"));
        }
        server.end();
    }
}

#[test]
fn a_strange_page_is_refused_everywhere() {
    for cors in [Cors::same_origin(), Cors::listed(["https://other.example"])] {
        let server = serve_cors(cors);
        for head in ask_all(&server, ORIGIN) {
            assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
            assert_eq!(header(&head, "Access-Control-Allow-Origin"), None);
            assert_eq!(header(&head, "Cache-Control"), Some("no-store"));
        }
        for endpoint in ENDPOINTS {
            let answer = preflight(&server, endpoint, ORIGIN);
            assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (403, None));
        }
        upgrade_as(&server, ORIGIN, 403);
        assert_eq!(server.rooms.count(), 0, "it has not even made a room");
        server.end();
    }
    let server = serve();
    for head in ask_all(&server, "Origin: http://localhost\r\n") {
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
    }
    server.end();
}

#[test]
fn a_page_may_read_why_it_is_refused_and_what_a_long_poll_gets() {
    let server = serve_cors(Cors::any());
    let refused = |method, target, body| {
        let answer = ask(&mut server.connect(), &request_of(method, target, ORIGIN, body));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"), "{}", answer.head);
        answer.status
    };
    assert_eq!(refused("GET", "/rooms/a/nothing", ""), 404);
    assert_eq!(refused("DELETE", "/rooms/a/here", ""), 405);
    assert_eq!(refused("GET", "/rooms/a/messages?wait=x", ""), 400);
    assert_eq!(refused("GET", "/rooms/a/events?client=", ""), 400);
    assert_eq!(refused("POST", "/rooms/a/messages", "{"), 400);
    assert_eq!(refused("POST", "/rooms/a/here", "{}"), 400);
    let poll = request_of("GET", "/rooms/a/messages?wait=1&client=c", ORIGIN, "");
    // Given up for another, which gets nothing, and then something.
    let (mut first, mut second) = (server.connect(), server.connect());
    first.write_all(poll.as_bytes()).unwrap();
    wait_until(|| server.handle.snapshot().held_count == 1);
    second.write_all(poll.as_bytes()).unwrap();
    for (stream, status) in [(&mut first, 204), (&mut second, 200)] {
        let answer = read_answer(stream, false);
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (status, Some("*")));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    }
    second.write_all(poll.as_bytes()).unwrap();
    wait_until(|| server.handle.snapshot().held_count == 1);
    server.publish("a", "1", "0");
    let answer = read_answer(&mut second, false);
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, Some("*")));
    drop((first, second));
    server.end();
}
