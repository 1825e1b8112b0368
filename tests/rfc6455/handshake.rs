//! Sections 3, 4, 9.1 and 11.3: the opening handshake.

use talkback::entropy::Entropy;
use talkback::handshake::{
    BuildError, ClientHandshake, HandshakeError, Origins, Policy, ResponseError, Upgrade,
};
use talkback::http::{HeadLimits, HttpError, Request, Response};

const NONCE: [u8; 16] = *b"the sample nonce";

/// The request of section 1.3, with some lines in place of those that begin so.
fn request(replaced: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = vec![
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: http://server.example.com",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Version: 13",
    ];
    for (name, line) in replaced {
        match lines.iter_mut().find(|line| line.starts_with(name)) {
            Some(found) => *found = line,
            None => lines.push(line),
        }
    }
    lines.retain(|line| !line.is_empty());
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

fn upgrade(replaced: &[(&str, &str)]) -> Result<Upgrade, HandshakeError> {
    let bytes = request(replaced);
    let (request, len) = Request::decode(&bytes, HeadLimits::default())?.expect("it is whole");
    assert_eq!(len, bytes.len());
    Upgrade::new(&request, &Policy::default())
}

#[track_caller]
fn assert_refused(replaced: &[(&str, &str)], status: u16) {
    let error = upgrade(replaced).expect_err("a refusal");
    assert_eq!(error.status(), status, "{replaced:?}: {error}");
    let mut bytes = Vec::new();
    error.response().encode(&mut bytes);
    let (response, head_len) = Response::decode(&bytes, HeadLimits::default()).unwrap().expect("whole");
    assert_eq!(response.status(), status);
    assert!(response.headers().has_token("Connection", "close"));
    assert!(response.headers().only("Content-Type").unwrap().unwrap().starts_with("text/plain"));
    assert_eq!(bytes.len() - head_len, error.to_string().len() + 1);
}

fn accepted(replaced: &[(&str, &str)]) -> String {
    let mut bytes = Vec::new();
    upgrade(replaced).expect("it is accepted").accept().encode(&mut bytes);
    String::from_utf8(bytes).expect("text")
}

/// The client's view of this response.
fn finish(handshake: &ClientHandshake, lines: &[&str]) -> Result<Option<String>, ResponseError> {
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    let (response, _) = Response::decode(head.as_bytes(), HeadLimits::default())?.expect("it is whole");
    Ok(handshake.finish(&response)?.subprotocol().map(str::to_owned))
}

fn handshake() -> ClientHandshake {
    let mut handshake = ClientHandshake::new("server.example.com", "/chat", NONCE).unwrap();
    handshake.subprotocol("chat").unwrap();
    handshake.subprotocol("superchat").unwrap();
    handshake
}

const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// The response with line `at` in another form, or without it.
fn response_with(at: usize, line: &str) -> Result<Option<String>, ResponseError> {
    let mut lines = RESPONSE.to_vec();
    lines[at] = line;
    lines.retain(|line| !line.is_empty());
    finish(&handshake(), &lines)
}

fn response_and(more: &[&str]) -> Result<Option<String>, ResponseError> {
    finish(&handshake(), &[&RESPONSE, more].concat())
}

#[test]
fn section_3_a_target_has_no_fragment_and_is_a_path() {
    for target in ["/chat#a", "/#", "", "chat", "http://a/", "*", "/a b", "/a\r\nX: y", "/é", "/\0", "/\x7f"]
    {
        let refused = ClientHandshake::new("a", target, NONCE).map(drop);
        assert_eq!(refused, Err(BuildError::InvalidTarget), "{target:?}");
    }
    for target in ["/", "/chat?room=tea&x=%20", "/a//b?c?d"] {
        let handshake = ClientHandshake::new("a", target, NONCE).unwrap();
        let expected = format!("GET {target} HTTP/1.1\r\n");
        assert!(handshake.request().starts_with(expected.as_bytes()));
    }
    assert_refused(&[("GET", "GET /chat#a HTTP/1.1")], 400);
}

#[test]
fn section_3_a_host_is_a_host_with_an_optional_port() {
    for host in ["a", "a:8080", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
        let request = ClientHandshake::new(host, "/", NONCE).unwrap().request();
        let expected = format!("\r\nHost: {host}\r\n");
        assert!(String::from_utf8(request).unwrap().contains(&expected));
    }
    for host in ["", "a b", "a:b", "a:65536", "a/b", "a@b", "::1", "a\r\nX: y", "a\0"] {
        let refused = ClientHandshake::new(host, "/", NONCE).map(drop);
        assert_eq!(refused, Err(BuildError::InvalidHost), "{host:?}");
    }
}

#[test]
fn section_4_1_the_request_byte_for_byte() {
    let mut handshake = handshake();
    handshake.header("Origin", "http://example.com").unwrap();
    let expected = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n";
    assert_eq!(String::from_utf8(handshake.request()).unwrap(), expected);
}

#[test]
fn section_4_1_the_request_is_one_that_a_server_accepts() {
    let bytes = handshake().request();
    let (request, len) = Request::decode(&bytes, HeadLimits::default()).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    let upgrade = Upgrade::new(&request, &Policy::default()).unwrap();
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    let mut response = Vec::new();
    upgrade.accept().encode(&mut response);
    let (response, _) = Response::decode(&response, HeadLimits::default()).unwrap().unwrap();
    assert_eq!(handshake().finish(&response).unwrap().subprotocol(), None);
}

#[test]
fn section_4_1_the_nonce_is_random_for_each_connection() {
    let mut entropy = Entropy::from_system();
    let mut keys = std::collections::HashSet::new();
    for _ in 0..100 {
        keys.insert(ClientHandshake::new("a", "/", entropy.bytes()).unwrap().request());
        let mut another = Entropy::from_system();
        keys.insert(ClientHandshake::new("a", "/", another.bytes()).unwrap().request());
    }
    assert_eq!(keys.len(), 200);
}

#[test]
fn section_4_1_subprotocols_are_unique_tokens() {
    let mut handshake = ClientHandshake::new("a", "/", NONCE).unwrap();
    for name in ["", "a b", "a,b", "a\r\n", "é", "a\"", "(a)", "a/b", "a\0"] {
        assert_eq!(handshake.subprotocol(name), Err(BuildError::InvalidSubprotocol), "{name:?}");
    }
    handshake.subprotocol("chat").unwrap();
    assert_eq!(handshake.subprotocol("chat"), Err(BuildError::RepeatedSubprotocol));
    handshake.subprotocol("Chat").unwrap();
    let request = String::from_utf8(handshake.request()).unwrap();
    assert!(request.contains("Sec-WebSocket-Protocol: chat, Chat\r\n"));
}

#[test]
fn section_4_1_nothing_can_be_smuggled_into_a_request() {
    let mut handshake = ClientHandshake::new("a", "/", NONCE).unwrap();
    let before = handshake.request();
    for (name, value) in
        [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\0"), ("X\r\nY", "a"), ("X ", "a"), ("", "a")]
    {
        let refused = handshake.header(name, value);
        assert!(matches!(refused, Err(BuildError::Header(_))), "{name:?} {value:?}");
    }
    for name in [
        "Host",
        "host",
        "Connection",
        "UPGRADE",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
    ] {
        assert_eq!(handshake.header(name, "a"), Err(BuildError::ReservedHeader), "{name}");
    }
    assert_eq!(handshake.request(), before);
}

#[test]
fn section_4_1_the_response_of_the_rfc_opens_the_connection() {
    assert_eq!(finish(&handshake(), &RESPONSE), Ok(None));
    assert_eq!(response_and(&["Sec-WebSocket-Protocol: chat"]), Ok(Some("chat".to_owned())));
    assert_eq!(response_and(&["Sec-WebSocket-Protocol: superchat"]), Ok(Some("superchat".to_owned())));
}

#[test]
fn section_4_1_another_status_than_101_opens_nothing() {
    for status in
        ["100 Continue", "200 OK", "204 No Content", "301 Moved Permanently", "401 No", "426 No", "500 No"]
    {
        let refused = response_with(0, &format!("HTTP/1.1 {status}"));
        let Err(ResponseError::Refused(response)) = refused else { panic!("{status}: {refused:?}") };
        assert!(status.starts_with(&response.status().code().to_string()));
        assert_eq!(response.headers().only("Upgrade"), Ok(Some("websocket")));
    }
}

#[test]
fn section_4_1_a_response_of_http_1_0_opens_nothing() {
    let refused = response_with(0, "HTTP/1.0 101 Switching Protocols");
    assert_eq!(refused, Err(ResponseError::Http(HttpError::UnsupportedVersion)));
}

#[test]
fn section_4_1_a_response_needs_upgrade_websocket() {
    for line in ["", "Upgrade: h2c", "Upgrade: websockets", "Upgrade: websocket/13", "Upgrade:"] {
        assert_eq!(response_with(1, line), Err(ResponseError::MissingUpgrade), "{line}");
    }
    assert_eq!(response_with(1, "uPgRaDe: WebSocket"), Ok(None));
}

#[test]
fn section_4_1_a_response_needs_connection_upgrade() {
    for line in ["", "Connection: keep-alive", "Connection: Upgraded", "Connection:"] {
        assert_eq!(response_with(2, line), Err(ResponseError::MissingConnection), "{line}");
    }
    assert_eq!(response_with(2, "connection: keep-alive, UPGRADE"), Ok(None));
}

#[test]
fn section_4_1_a_response_needs_the_accept_that_fits_the_key() {
    for line in [
        "",
        "Sec-WebSocket-Accept:",
        "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, a",
    ] {
        assert_eq!(response_with(3, line), Err(ResponseError::InvalidAccept), "{line}");
    }
    // "ignoring any leading and trailing whitespace"
    assert_eq!(response_with(3, "sec-websocket-accept: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"), Ok(None));
}

#[test]
fn section_4_1_an_extension_that_was_not_offered_fails_the_handshake() {
    for line in [
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Extensions: x; y=z",
        "Sec-WebSocket-Extensions: ;",
        "Sec-WebSocket-Extensions: x;",
    ] {
        assert_eq!(response_and(&[line]), Err(ResponseError::UnofferedExtension), "{line}");
    }
}

#[test]
fn section_4_1_a_subprotocol_that_was_not_offered_fails_the_handshake() {
    for value in ["other", "Chat", "chat, superchat", "chat,", "\"chat\""] {
        let line = format!("Sec-WebSocket-Protocol: {value}");
        assert_eq!(response_and(&[&line]), Err(ResponseError::UnofferedSubprotocol), "{value}");
    }
    let without = ClientHandshake::new("a", "/", NONCE).unwrap();
    let refused = finish(&without, &[&RESPONSE[..], &["Sec-WebSocket-Protocol: chat"]].concat());
    assert_eq!(refused, Err(ResponseError::UnofferedSubprotocol));
}

#[test]
fn section_4_2_1_the_method_is_get() {
    for method in ["POST", "HEAD", "PUT", "OPTIONS", "get"] {
        assert_refused(&[("GET", &format!("{method} /chat HTTP/1.1"))], 405);
    }
    let error = upgrade(&[("GET", "POST /chat HTTP/1.1")]).unwrap_err();
    assert_eq!(error.response().headers().only("Allow"), Ok(Some("GET")));
}

#[test]
fn section_4_2_1_the_version_is_http_1_1() {
    assert_refused(&[("GET", "GET /chat HTTP/1.0")], 505);
    assert_refused(&[("GET", "GET /chat HTTP/2.0")], 505);
    assert_refused(&[("GET", "GET /chat")], 505);
    assert_refused(&[("GET", "GET /chat HTTP/x")], 400);
}

#[test]
fn section_4_2_1_a_host_is_required() {
    assert_refused(&[("Host", "")], 400);
    assert_refused(&[("Host", "Host: a b")], 400);
    assert_refused(&[("Host", "Host:")], 400);
    assert_refused(&[("X", "Host: server.example.com")], 400);
}

#[test]
fn section_4_2_1_an_upgrade_token_is_required_anywhere_in_a_list_in_any_case() {
    for line in ["", "Upgrade: h2c", "Upgrade: websockets", "Upgrade: web socket", "Upgrade:"] {
        assert_refused(&[("Upgrade", line)], 426);
    }
    for line in
        ["upgrade: WEBSOCKET", "Upgrade: h2c, WebSocket", "Upgrade: websocket,h2c", "Upgrade: ,websocket,"]
    {
        assert!(accepted(&[("Upgrade", line)]).starts_with("HTTP/1.1 101 "), "{line}");
    }
    accepted(&[("Upgrade", "Upgrade: h2c"), ("X", "Upgrade: websocket")]);
    let response = upgrade(&[("Upgrade", "")]).unwrap_err().response();
    assert_eq!(response.headers().only("Upgrade"), Ok(Some("websocket")));
}

#[test]
fn section_4_2_1_a_connection_token_is_required_anywhere_in_a_list_in_any_case() {
    for line in ["", "Connection: keep-alive", "Connection: Upgrades", "Connection: close", "Connection:"] {
        assert_refused(&[("Connection", line)], 426);
    }
    for line in ["connection: upgrade", "Connection: keep-alive, Upgrade", "Connection: UPGRADE , keep-alive"]
    {
        accepted(&[("Connection", line)]);
    }
}

#[test]
fn section_4_2_1_a_key_is_16_bytes_in_base64() {
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZ!==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        assert_refused(&[("Sec-WebSocket-Key", &format!("Sec-WebSocket-Key: {key}"))], 400);
    }
    assert_refused(&[("Sec-WebSocket-Key", "")], 400);
    accepted(&[("Sec-WebSocket-Key", "sec-websocket-key:  AAAAAAAAAAAAAAAAAAAAAA== ")]);
}

#[test]
fn section_4_2_1_and_4_4_the_version_is_13() {
    for version in ["8", "7", "0", "14", "130", "013", "13, 8", "8, 13", "", "thirteen"] {
        let line = format!("Sec-WebSocket-Version: {version}");
        assert_refused(&[("Sec-WebSocket-Version", &line)], 426);
        let response = upgrade(&[("Sec-WebSocket-Version", &line)]).unwrap_err().response();
        assert_eq!(response.headers().only("Sec-WebSocket-Version"), Ok(Some("13")));
        assert_eq!(response.headers().only("Upgrade"), Ok(Some("websocket")));
        assert!(["Upgrade", "close"].iter().all(|option| response.headers().has_token("Connection", option)));
    }
    assert_refused(&[("Sec-WebSocket-Version", "")], 400);
}

#[test]
fn section_4_2_2_the_response_byte_for_byte() {
    let plain = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_eq!(accepted(&[]), format!("{plain}\r\n"));
    let mut chosen = upgrade(&[]).unwrap();
    chosen.subprotocol("superchat").unwrap();
    chosen.header("Set-Cookie", "a=b").unwrap();
    let mut bytes = Vec::new();
    chosen.accept().encode(&mut bytes);
    let expected = format!("{plain}Sec-WebSocket-Protocol: superchat\r\nSet-Cookie: a=b\r\n\r\n");
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn section_4_2_2_the_accept_follows_from_the_key() {
    let response = accepted(&[("Sec-WebSocket-Key", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==")]);
    assert!(response.contains("\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n"), "{response}");
}

#[test]
fn section_4_2_2_only_what_the_client_offers_can_be_chosen() {
    let mut upgrade = upgrade(&[]).unwrap();
    for name in ["other", "Chat", "", "chat, superchat"] {
        assert_eq!(upgrade.subprotocol(name), Err(BuildError::UnofferedSubprotocol), "{name}");
    }
    for name in ["Sec-WebSocket-Protocol", "sec-websocket-extensions", "Upgrade", "Content-Length"] {
        assert_eq!(upgrade.header(name, "x"), Err(BuildError::ReservedHeader), "{name}");
    }
    assert!(matches!(upgrade.header("X", "a\r\nb"), Err(BuildError::Header(_))));
    assert_eq!(upgrade.accept().headers().count(), 3);
}

#[test]
fn section_4_2_2_and_10_2_an_origin_that_may_not_connect_gets_403() {
    for origin in ["http://evil.example", "null", "http://server.example.com:81", "", "server.example.com"] {
        assert_refused(&[("Origin", &format!("Origin: {origin}"))], 403);
    }
    assert_refused(&[("X", "Origin: http://server.example.com")], 403);
    accepted(&[("Origin", "")]);
    accepted(&[("Origin", "Origin: https://server.example.com")]);
    let bytes = request(&[("Origin", "Origin: http://other.example")]);
    let (request, _) = Request::decode(&bytes, HeadLimits::default()).unwrap().unwrap();
    for (origins, passes) in [
        (Origins::SameOrigin, false),
        (Origins::Any, true),
        (Origins::Listed(vec!["http://other.example".to_owned()]), true),
        (Origins::Listed(vec!["https://other.example".to_owned()]), false),
        (Origins::Listed(vec![]), false),
    ] {
        let policy = Policy::default().origins(origins);
        assert_eq!(Upgrade::new(&request, &policy).is_ok(), passes, "{policy:?}");
    }
}

#[test]
fn section_4_2_2_what_follows_the_request_belongs_to_the_connection() {
    let bytes = [request(&[]), b"\x81\x80".to_vec()].concat();
    let (_, len) = Request::decode(&bytes, HeadLimits::default()).unwrap().unwrap();
    assert_eq!(&bytes[len..], b"\x81\x80");
}

#[test]
fn section_9_1_an_extension_header_that_breaks_the_grammar_is_refused() {
    for value in ["a b", ";a", "a;", "a;b=", "a;=b", "a;b=\"", "a;b=\"c d\"", "a;b=\"\"", "(a)", "a;b=c=d"] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        assert_refused(&[("Sec-WebSocket-Extensions", &line)], 400);
    }
}

#[test]
fn section_9_1_extensions_are_declined_in_silence() {
    for value in
        ["foo", "foo; bar; baz=2", "foo; bar=\"2\", permessage-deflate; client_max_window_bits", ", ,a"]
    {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        let response = accepted(&[("Sec-WebSocket-Extensions", &line)]);
        assert!(!response.to_ascii_lowercase().contains("extensions"), "{response}");
    }
}

#[test]
fn section_9_1_offers_are_read_in_their_order_with_their_parameters() {
    let lines = [
        ("Sec-WebSocket-Extensions", "Sec-WebSocket-Extensions: foo"),
        ("X", "Sec-WebSocket-Extensions: bar; baz=2, foo; qux=\"t\\oken\""),
    ];
    let upgrade = upgrade(&lines).unwrap();
    let shown = upgrade.offers().iter().map(|offer| {
        let parameters: Vec<_> = offer.parameters().collect();
        format!("{} {parameters:?}", offer.name())
    });
    let offers: Vec<String> = shown.collect();
    let expected = ["foo []", r#"bar [("baz", Some("2"))]"#, r#"foo [("qux", Some("token"))]"#];
    assert_eq!(offers, expected);
}

#[test]
fn section_11_3_1_a_key_stands_once_in_a_request() {
    assert_refused(&[("X", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")], 400);
    let request = String::from_utf8(handshake().request()).unwrap();
    assert_eq!(request.matches("Sec-WebSocket-Key").count(), 1);
}

#[test]
fn section_11_3_2_extensions_stand_once_in_a_response() {
    let twice = ["Sec-WebSocket-Extensions: a", "Sec-WebSocket-Extensions: b"];
    assert_eq!(response_and(&twice), Err(ResponseError::UnofferedExtension));
}

#[test]
fn section_11_3_3_an_accept_stands_once_in_a_response() {
    assert_eq!(response_and(&[RESPONSE[3]]), Err(ResponseError::InvalidAccept));
    assert_eq!(accepted(&[]).matches("Sec-WebSocket-Accept").count(), 1);
}

#[test]
fn section_11_3_4_protocols_may_stand_in_several_fields_of_a_request() {
    let both = upgrade(&[("X", "Sec-WebSocket-Protocol: third")]).unwrap();
    assert_eq!(both.subprotocols().collect::<Vec<_>>(), ["chat", "superchat", "third"]);
    for value in ["chat, chat", "a b", "a, \"b\"", "é"] {
        let line = format!("Sec-WebSocket-Protocol: {value}");
        assert_refused(&[("Sec-WebSocket-Protocol", &line)], 400);
    }
    assert_refused(&[("X", "Sec-WebSocket-Protocol: superchat")], 400);
}

#[test]
fn section_11_3_4_a_protocol_stands_once_in_a_response() {
    let twice = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"];
    assert_eq!(response_and(&twice), Err(ResponseError::UnofferedSubprotocol));
    let mut upgrade = upgrade(&[]).unwrap();
    upgrade.subprotocol("chat").unwrap();
    upgrade.subprotocol("superchat").unwrap();
    let headers = upgrade.accept().headers().clone();
    assert_eq!(headers.only("Sec-WebSocket-Protocol"), Ok(Some("superchat")));
}

#[test]
fn section_11_3_5_a_version_stands_once_in_a_request() {
    assert_refused(&[("X", "Sec-WebSocket-Version: 13")], 426);
    let request = String::from_utf8(handshake().request()).unwrap();
    assert_eq!(request.matches("Sec-WebSocket-Version").count(), 1);
}

#[test]
fn a_head_that_breaks_http_is_refused_with_its_own_status() {
    let folded = upgrade(&[("X", " folded")]).unwrap_err();
    assert!(matches!(folded, HandshakeError::Http(HttpError::FoldedLine { .. })));
    assert_refused(&[("X", "X : a")], 400);
    assert_refused(&[("X", "Content-Length: 1")], 400);
    assert_refused(&[("X", "Transfer-Encoding: chunked")], 400);
    accepted(&[("X", "Content-Length: 0")]);
}
