//! HTTP heads as a server and a client see them: each rule, each limit at its edge, any cut of the bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use talkback::http::{
    HeadLimits, HeaderError, Headers, HttpError, Request, RequestDecoder, Response, ResponseDecoder, Status,
    Version,
};

fn limits() -> HeadLimits {
    HeadLimits::default()
}

fn decode(head: impl AsRef<[u8]>) -> Result<Request, HttpError> {
    let head = head.as_ref();
    Request::decode(head, limits()).map(|decoded| {
        let (request, head_len) = decoded.expect("a whole head");
        assert_eq!(head_len, head.len());
        request
    })
}

/// A request with these lines between Host and the empty line.
fn with_headers(lines: &str) -> Result<Request, HttpError> {
    decode(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
}

fn with_target(method: &str, target: &str, host: &str) -> Result<Request, HttpError> {
    decode(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

fn status(decoded: Result<Request, HttpError>) -> u16 {
    decoded.expect_err("a refusal").status().code()
}

// Limits

fn head_of_len(len: usize) -> Vec<u8> {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    head.resize(len - 4, b'x');
    head.extend_from_slice(b"\r\n\r\n");
    head
}

#[test]
fn a_head_of_16_kib_passes_and_one_byte_more_is_431() {
    assert!(decode(head_of_len(16 * 1024)).is_ok());
    let error = decode(head_of_len(16 * 1024 + 1)).unwrap_err();
    assert_eq!(error, HttpError::HeadTooLong { max: 16 * 1024 });
    assert_eq!(error.status(), 431);
}

#[test]
fn a_head_that_cannot_end_in_time_is_refused_without_its_end() {
    let mut decoder = RequestDecoder::new(limits());
    let head = head_of_len(20 * 1024);
    assert!(decoder.decode(&head[..16 * 1024 - 1]).unwrap().is_none());
    assert_eq!(decoder.decode(&head[..16 * 1024]), Err(HttpError::HeadTooLong { max: 16 * 1024 }));
}

#[test]
fn bytes_behind_a_head_do_not_count_as_head() {
    let mut received = head_of_len(16 * 1024);
    received.resize(100 * 1024, 0);
    let (_, head_len) = Request::decode(&received, limits()).unwrap().unwrap();
    assert_eq!(head_len, 16 * 1024);
}

#[test]
fn a_hundred_fields_pass_and_one_more_is_431() {
    assert_eq!(with_headers(&"X: y\r\n".repeat(99)).unwrap().headers().count(), 100);
    let error = with_headers(&"X: y\r\n".repeat(100)).unwrap_err();
    assert_eq!(error, HttpError::TooManyHeaders { max: 100 });
    assert_eq!(error.status(), 431);
    // Early: with the first byte of the field that is too many.
    let head = format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(100));
    let mut decoder = RequestDecoder::new(limits());
    assert!(decoder.decode(head.as_bytes()).unwrap().is_none());
    assert!(decoder.decode(format!("{head}X").as_bytes()).is_err());
}

#[test]
fn a_target_of_8_kib_passes_and_one_byte_more_is_414() {
    let target = |len: usize| format!("/{}", "x".repeat(len - 1));
    assert_eq!(with_target("GET", &target(8 * 1024), "a").unwrap().path().len(), 8 * 1024);
    let error = with_target("GET", &target(8 * 1024 + 1), "a").unwrap_err();
    assert_eq!(error, HttpError::TargetTooLong { max: 8 * 1024 });
    assert_eq!(error.status(), 414);
    // Early, and before the longer limit on the head: no end of the line is there.
    let error = Request::decode(format!("GET {}", target(100_000)).as_bytes(), limits()).unwrap_err();
    assert_eq!(error.status(), 414);
}

#[test]
fn limits_can_be_set() {
    let limits = limits().max_head_len(64).max_header_count(1).max_target_len(2);
    let decode = |head: &[u8]| Request::decode(head, limits);
    assert!(decode(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().is_some());
    assert_eq!(decode(b"GET /ab"), Err(HttpError::TargetTooLong { max: 2 }));
    assert_eq!(decode(b"GET / HTTP/1.1\r\nHost: a\r\nB"), Err(HttpError::TooManyHeaders { max: 1 }));
    assert_eq!(decode(&[b'A'; 20]), Ok(None));
    assert_eq!(
        decode(b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        Err(HttpError::HeadTooLong { max: 64 })
    );
}

// The request line

#[test]
fn other_versions_are_505() {
    for line in
        ["GET / HTTP/1.0", "GET / HTTP/0.9", "GET / HTTP/2.0", "GET /", "PRI * HTTP/2.0", "GET / HTTP/1.2"]
    {
        assert_eq!(status(decode(format!("{line}\r\nHost: a\r\n\r\n"))), 505, "{line}");
    }
}

#[test]
fn malformed_request_lines_are_400() {
    for line in [
        "GET",
        "GET ",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.11",
        "GET / HTTP/x.1",
        "GET / HTTPS/1.1",
        "G(T / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /#f HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "GET /\u{0} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET a HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        ": / HTTP/1.1",
        "\"GET\" / HTTP/1.1",
    ] {
        assert_eq!(status(decode(format!("{line}\r\nHost: a\r\n\r\n"))), 400, "{line:?}");
    }
}

#[test]
fn methods_are_case_sensitive_tokens() {
    assert_eq!(with_target("get", "/", "a").unwrap().method(), "get");
    assert_eq!(with_target("M-SEARCH", "/", "a").unwrap().method(), "M-SEARCH");
}

#[test]
fn one_empty_line_before_the_request_is_fine_and_two_are_400() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(decode(format!("\r\n{request}")).is_ok());
    assert_eq!(decode(format!("\r\n\r\n{request}")), Err(HttpError::EmptyLines));
    assert_eq!(decode(format!("\n{request}")), Err(HttpError::BareLineFeed { at: 0 }));
}

#[test]
fn a_tls_hello_is_refused_at_its_first_byte() {
    let error = Request::decode(b"\x16", limits()).unwrap_err();
    assert_eq!(error, HttpError::ControlByte { byte: 0x16, at: 0 });
    assert_eq!(error.status(), 400);
}

// Bytes

#[test]
fn what_hides_a_second_head_is_400() {
    for lines in [
        "A: b\n",
        "A: b\r",
        "A: b\rB: c\r\n",
        "A: b\r\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        " A: b\r\n",
        "A\r\n",
        ": b\r\n",
        "A b: c\r\n",
        "A: b\0c\r\n",
        "A: b\u{1}\r\n",
        "A: \u{7f}\r\n",
        "A\u{e4}: b\r\n",
        "A: b\r\n\n",
    ] {
        assert_eq!(status(with_headers(lines)), 400, "{lines:?}");
    }
}

#[test]
fn a_tab_and_bytes_beyond_ascii_pass_in_a_value() {
    let request = decode(b"GET / HTTP/1.1\r\nHost: a\r\nX: \t a\tb\xff \t\r\nY:\r\nZ:z\r\n\r\n").unwrap();
    let values: Vec<_> = request.headers().iter().map(|(_, value)| value).collect();
    assert_eq!(values, [&b"a"[..], b"a\tb\xff", b"", b"z"]);
    assert_eq!(request.headers().only("X"), Err(HttpError::NotAscii));
}

// Host and the forms of the target

#[test]
fn a_host_missing_twice_or_malformed_is_400() {
    assert_eq!(decode("GET / HTTP/1.1\r\n\r\n"), Err(HttpError::MissingHost));
    assert_eq!(with_headers("Host: a\r\n"), Err(HttpError::InvalidHost));
    assert_eq!(with_headers("hOST: b\r\n"), Err(HttpError::InvalidHost));
    for host in
        ["", "a b", "a/", "http://a", "a@b", "a:b", "a:65536", "a:-1", "[::1", "[x]", "a\u{e4}", ":80"]
    {
        assert_eq!(with_target("GET", "/", host), Err(HttpError::InvalidHost), "{host:?}");
    }
    assert_eq!(HttpError::MissingHost.status(), 400);
    assert_eq!(HttpError::InvalidHost.status(), 400);
}

#[test]
fn hosts_are_split_from_their_ports() {
    let host_and_port = |host: &str| {
        let request = with_target("GET", "/", host).unwrap();
        (request.authority().host().to_owned(), request.authority().port())
    };
    assert_eq!(host_and_port("chat.example"), ("chat.example".to_owned(), None));
    assert_eq!(host_and_port("127.0.0.1:8080"), ("127.0.0.1".to_owned(), Some(8080)));
    assert_eq!(host_and_port("[::1]:65535"), ("[::1]".to_owned(), Some(65535)));
}

#[test]
fn an_absolute_target_must_agree_with_host() {
    for (target, host, path) in [
        ("http://a/b?c", "a", "/b"),
        ("ws://A:80/b", "a", "/b"),
        ("wss://a", "a:443", "/"),
        ("HTTPS://a:8443?c", "a:8443", "/"),
    ] {
        assert_eq!(with_target("GET", target, host).unwrap().path(), path, "{target}");
    }
    for (target, host) in
        [("http://a/", "b"), ("http://a/", "a:81"), ("https://a/", "a:80"), ("ws://[::1]/", "[::2]")]
    {
        assert_eq!(with_target("GET", target, host), Err(HttpError::HostMismatch), "{target}");
    }
    assert_eq!(HttpError::HostMismatch.status(), 400);
}

#[test]
fn forms_belong_to_their_methods() {
    assert_eq!(with_target("OPTIONS", "*", "a").unwrap().path(), "*");
    assert_eq!(with_target("CONNECT", "a:1", "a:1").unwrap().method(), "CONNECT");
    for (method, target) in
        [("GET", "*"), ("GET", "a:1"), ("POST", "ftp://a/"), ("GET", "http://u@a/"), ("GET", "?x")]
    {
        assert_eq!(with_target(method, target, "a"), Err(HttpError::InvalidTargetForm), "{method} {target}");
    }
    assert_eq!(HttpError::InvalidTargetForm.status(), 400);
}

#[test]
fn paths_stay_encoded_and_query_values_are_decoded() {
    let request = with_target("GET", "/a%2Fb?after=7-3&name=Zo%C3%AB+T&name=x", "a").unwrap();
    assert_eq!(request.target(), "/a%2Fb?after=7-3&name=Zo%C3%AB+T&name=x");
    assert_eq!(request.path(), "/a%2Fb");
    assert_eq!(request.query(), Some("after=7-3&name=Zo%C3%AB+T&name=x"));
    assert_eq!(request.query_value("after").as_deref(), Some("7-3"));
    assert_eq!(request.query_value("name").as_deref(), Some("Zo\u{eb} T"));
    assert_eq!(request.query_value("wait"), None);
    let request = with_target("GET", "/a", "a").unwrap();
    assert_eq!((request.query(), request.query_value("a")), (None, None));
}

// Bodies

#[test]
fn contradictory_lengths_are_400() {
    for lines in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: 1a\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\ncontent-length: 0\r\n",
    ] {
        assert_eq!(status(with_headers(lines)), 400, "{lines:?}");
    }
}

#[test]
fn a_request_says_whether_a_body_follows() {
    for (lines, length, has_body) in [
        ("", None, false),
        ("Content-Length: 0\r\n", Some(0), false),
        ("Content-Length: 1\r\n", Some(1), true),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", Some(2), true),
        ("Transfer-Encoding: chunked\r\n", None, true),
        ("Transfer-Encoding: ,chunked\r\n", None, true),
    ] {
        let request = with_headers(lines).unwrap();
        assert_eq!((request.content_length(), request.has_body()), (length, has_body), "{lines:?}");
    }
}

// Decoders

#[test]
fn an_error_stays() {
    let mut decoder = RequestDecoder::new(limits());
    let error = decoder.decode(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(error, HttpError::MissingHost);
    assert_eq!(decoder.decode(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(error));
}

#[test]
fn pipelined_requests_come_one_after_the_other() {
    let heads = ["GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /two HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"];
    let mut received = format!("{}{}GET", heads[0], heads[1]).into_bytes();
    let mut decoder = RequestDecoder::new(limits());
    for (head, path) in heads.iter().zip(["/1", "/two"]) {
        let (request, head_len) = decoder.decode(&received).unwrap().unwrap();
        assert_eq!((request.path(), head_len), (path, head.len()));
        received.drain(..head_len);
    }
    assert_eq!(decoder.decode(&received), Ok(None));
}

#[test]
fn a_list_of_16_kib_of_commas_has_one_token() {
    let mut lines = String::from("Connection: ");
    lines.push_str(&", ".repeat(8000));
    lines.push_str("upgrade\r\n");
    let request = with_headers(&lines).unwrap();
    assert_eq!(request.headers().tokens("Connection").collect::<Vec<_>>(), [Ok("upgrade")]);
    assert!(request.headers().has_token("connection", "Upgrade"));
}

// Responses

#[test]
fn a_built_response_is_written_with_its_length() {
    let mut output = b"before".to_vec();
    let response = Response::new(Status::NOT_FOUND).header("X-A", " b ").unwrap().body("gone");
    response.encode(&mut output);
    assert_eq!(output, b"beforeHTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 4\r\n\r\ngone");
    output.clear();
    response.encode_chunked_head(&mut output);
    assert_eq!(output, b"HTTP/1.1 404 Not Found\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn a_status_without_a_body_has_neither_body_nor_length() {
    for code in [101, 204, 304] {
        let mut output = Vec::new();
        Response::new(Status::new(code).unwrap()).body("x").encode(&mut output);
        let text = String::from_utf8(output).unwrap();
        assert!(text.ends_with("\r\n\r\n") && !text.contains("Content-Length"), "{text}");
    }
}

#[test]
fn a_refusal_says_why_and_closes() {
    let mut output = Vec::new();
    let error = HttpError::MissingHost;
    Response::refusal(error.status(), &error.to_string()).encode(&mut output);
    let expected = "HTTP/1.1 400 Bad Request\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
                    Content-Length: 15\r\n\r\nno Host header\n";
    assert_eq!(String::from_utf8(output).unwrap(), expected);
}

#[test]
fn a_header_cannot_split_a_response_nor_set_its_length() {
    let header = |name: &str, value: &str| Response::new(Status::OK).header(name, value).map(|_| ());
    assert_eq!(header("A", "b\r\nC: d"), Err(HeaderError::InvalidValue { at: 1 }));
    assert_eq!(header("A", "\n"), Err(HeaderError::InvalidValue { at: 0 }));
    assert_eq!(header("A", "bc\0"), Err(HeaderError::InvalidValue { at: 2 }));
    assert_eq!(header("A\r\nB", "c"), Err(HeaderError::InvalidName));
    assert_eq!(header("A:", "c"), Err(HeaderError::InvalidName));
    assert_eq!(header("", "c"), Err(HeaderError::InvalidName));
    assert_eq!(header("content-LENGTH", "1"), Err(HeaderError::Reserved));
    assert_eq!(header("Transfer-Encoding", "chunked"), Err(HeaderError::Reserved));
    assert_eq!(header("A", ""), Ok(()));
}

#[test]
fn responses_are_read() {
    let received =
        b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 3\r\n\r\nno\n";
    let (response, head_len) = Response::decode(received, limits()).unwrap().unwrap();
    assert_eq!((response.version(), response.status().code()), (Version::Http11, 426));
    assert_eq!((response.reason(), response.content_length()), ("Upgrade Required", Some(3)));
    assert_eq!(response.headers().only("sec-websocket-version"), Ok(Some("13")));
    let response = response.body(&received[head_len..]);
    assert_eq!(response.content(), b"no\n");
    // The received length is not written a second time.
    let mut output = Vec::new();
    response.encode(&mut output);
    assert_eq!(output, received);
}

#[test]
fn old_and_terse_status_lines_are_read() {
    for (line, version, reason) in [
        ("HTTP/1.0 200 OK", Version::Http10, "OK"),
        ("HTTP/1.1 200", Version::Http11, ""),
        ("HTTP/1.1 200 ", Version::Http11, ""),
        ("HTTP/1.1 200 All\tis  well", Version::Http11, "All\tis  well"),
    ] {
        let (response, _) =
            Response::decode(format!("{line}\r\n\r\n").as_bytes(), limits()).unwrap().unwrap();
        assert_eq!((response.version(), response.reason()), (version, reason), "{line}");
        assert_eq!(response.content_length(), None);
    }
}

#[test]
fn malformed_responses_are_errors() {
    for received in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "GET",
        "HTTP/2",
        "HTTP/1.1  ",
        "HTTP/1.1 20 ",
        "HTTP/1.1 2000",
        "HTTP/1.1 099",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 200 OK\r\n A",
        "HTTP/1.1 200 OK\r\nA : b",
        "HTTP/1.1 200 O\0",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(Response::decode(received.as_bytes(), limits()).is_err(), "{received:?}");
    }
}

#[test]
fn the_limits_hold_for_responses() {
    let head = |len: usize| {
        let mut head = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        head.resize(len - 4, b'x');
        head.extend_from_slice(b"\r\n\r\n");
        head
    };
    assert!(Response::decode(&head(16 * 1024), limits()).unwrap().is_some());
    assert!(Response::decode(&head(16 * 1024 + 1), limits()).is_err());
    let head = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(Response::decode(head(100).as_bytes(), limits()).unwrap().is_some());
    assert_eq!(Response::decode(head(101).as_bytes(), limits()), Err(HttpError::TooManyHeaders { max: 100 }));
}

// Properties

/// The first answer other than "more", the bytes arriving in pieces that end at these places.
fn first_answer<T, E>(
    received: &[u8],
    cuts: &[usize],
    mut decode: impl FnMut(&[u8]) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (received.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(received.len());
    for end in ends {
        if let Some(decoded) = decode(received.get(..end).unwrap_or_default())? {
            return Ok(Some(decoded));
        }
    }
    Ok(None)
}

/// Pieces that often make a head, and often a broken one.
fn head_like(starts: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        &b"Host: a\r\n"[..],
        b"Host: b:1\r\n",
        b"A: b\r\n",
        b"A:\xff\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"A : b\r\n",
        b" fold\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"x",
    ]);
    let start = prop::sample::select(starts);
    (start, vec(line, 0..6), any::<bool>()).prop_map(|(start, lines, is_ended)| {
        let mut head = start.to_vec();
        lines.iter().for_each(|line| head.extend_from_slice(line));
        head.extend_from_slice(if is_ended { b"\r\n\r\ntail" } else { b"" });
        head
    })
}

const REQUEST_LINES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"GET http://a/x?y HTTP/1.1\r\n",
    b"\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n",
    b"GET / HTTP/1.0\r\n",
    b"GET /\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n",
    b"\r\n",
    b"GET /# HTTP/1.1\r\n",
    b"\x16\x03",
];
const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 200\r\n",
    b"HTTP/2 200\r\n",
    b"\r\n",
    b"HTTP/1.1 2\r\n",
    b"HTTP/1.1 404 \xe4\r\n",
];

fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let byte = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    ("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", vec(byte, 0..40))
}

proptest! {
    #[test]
    fn any_cut_of_a_request_gives_the_same(
        received in head_like(REQUEST_LINES),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let whole = Request::decode(&received, limits());
        let mut decoder = RequestDecoder::new(limits());
        prop_assert_eq!(&first_answer(&received, &cuts, |bytes| decoder.decode(bytes)), &whole);
        let each: Vec<_> = (0..received.len()).collect();
        let mut decoder = RequestDecoder::new(limits());
        prop_assert_eq!(first_answer(&received, &each, |bytes| decoder.decode(bytes)), whole);
    }

    #[test]
    fn any_cut_of_a_response_gives_the_same(
        received in head_like(STATUS_LINES),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let whole = Response::decode(&received, limits());
        let mut decoder = ResponseDecoder::new(limits());
        prop_assert_eq!(first_answer(&received, &cuts, |bytes| decoder.decode(bytes)), whole);
    }

    #[test]
    fn garbage_never_panics(
        received in vec(any::<u8>(), 0..300),
        limits in (0..64_usize, 0..3_usize, 0..8_usize),
    ) {
        let limits = HeadLimits::default()
            .max_head_len(limits.0)
            .max_header_count(limits.1)
            .max_target_len(limits.2);
        let _ = Request::decode(&received, limits);
        let _ = Response::decode(&received, limits);
        let head = [b"GET / HTTP/1.1\r\nHost: a\r\n", &received[..], b"\r\n\r\n"].concat();
        let _ = Request::decode(&head, HeadLimits::default());
    }

    /// The scanner and the parser agree: what the one lets through, the other reads as it was written.
    #[test]
    fn what_passes_the_scanner_passes_the_parser(
        method in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}",
        target in "/[!-~&&[^#]]{0,40}",
        fields in vec(field(), 0..8),
    ) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        for (name, value) in &fields {
            head.extend_from_slice(&[b"X-", name.as_bytes(), b":", value, b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        let request = decode(&head).unwrap();
        prop_assert_eq!(request.method(), method);
        prop_assert_eq!(request.target(), target);
        let mut sent = Headers::new();
        sent.append("Host", "a").unwrap();
        for (name, value) in &fields {
            sent.append(&format!("X-{name}"), value).unwrap();
        }
        prop_assert_eq!(request.headers(), &sent);
    }

    #[test]
    fn decode_inverts_encode(
        code in 200..=999_u16,
        fields in vec(field(), 0..8),
        body in vec(any::<u8>(), 0..100),
    ) {
        let mut response = Response::new(Status::new(code).unwrap()).body(body);
        for (name, value) in &fields {
            response = response.header(&format!("X-{name}"), value).unwrap();
        }
        let mut output = Vec::new();
        response.encode(&mut output);
        let (decoded, head_len) = Response::decode(&output, limits()).unwrap().unwrap();
        prop_assert_eq!(decoded.status(), response.status());
        prop_assert_eq!(decoded.reason(), response.reason());
        let without_length = decoded.headers().iter().filter(|(name, _)| *name != "Content-Length");
        prop_assert!(without_length.eq(response.headers().iter()));
        if !response.status().is_bodiless() {
            prop_assert_eq!(decoded.content_length(), u64::try_from(response.content().len()).ok());
            prop_assert_eq!(&output[head_len..], response.content());
        }
        for len in 0..head_len {
            prop_assert_eq!(Response::decode(&output[..len], limits()), Ok(None));
        }
    }

    #[test]
    fn a_name_or_value_is_written_as_it_is_or_not_at_all(name in ".{0,8}", value in vec(any::<u8>(), 0..40)) {
        let mut headers = Headers::new();
        let mut output = Vec::new();
        let appended = headers.append(&name, &value);
        headers.encode(&mut output);
        if appended.is_ok() {
            let lines = output.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count();
            prop_assert_eq!(lines, 2);
            prop_assert!(output.ends_with(b"\r\n"));
        } else {
            prop_assert!(output.is_empty());
        }
    }
}
