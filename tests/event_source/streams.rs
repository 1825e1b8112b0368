//! Bodies: the same events however they are framed, cut into pieces, and cut off.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::collection::vec;
use proptest::prelude::*;
use talkback::client::{EventSourceError, Subscribe};
use talkback::http::BodyError;
use talkback::sse::{Event, ParseError};

use crate::net::*;
use crate::script::*;

/// The stream, and what a browser makes of it: tests/sse.rs says more.
fn vectors() -> Vec<(String, Vec<u8>, Vec<Seen>)> {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../sse-vectors.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let event = |event: &serde_json::Value| (text(&event[0]), text(&event[1]), text(&event[2]));
    let cases = cases.as_array().unwrap().iter();
    let vectors = cases.map(|case| {
        let stream = BASE64_STANDARD.decode(text(&case["stream_base64"])).unwrap();
        (text(&case["name"]), stream, case["events"].as_array().unwrap().iter().map(event).collect())
    });
    vectors.collect()
}

#[test]
fn what_a_browser_sees_is_seen_in_every_framing() {
    for (name, stream, expected) in vectors() {
        let version_0 = String::from_utf8(head("")).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        for framed in [
            until_close(&stream),
            with_length(&stream),
            chunked(&stream, 1),
            chunked(&stream, 7),
            [version_0.as_bytes(), &stream].concat(),
        ] {
            // Where a vector sets `retry`, it is bounded.
            let outcome = outcome(vec![Answer::Bytes(framed), no_content()]);
            assert_eq!(outcome.events, expected, "{name}");
            assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
        }
    }
}

#[test]
fn lines_and_chunks_may_be_cut_anywhere() {
    let stream = "\u{feff}id: 1\r\ndata: é\r\n\r\ndata: b\r\rdata: c\n\n";
    let framed = chunked(stream.as_bytes(), 5);
    let pieces = framed.chunks(1).map(<[u8]>::to_vec).collect();
    let outcome = outcome(vec![Answer::Pieces(pieces), no_content()]);
    assert_eq!(outcome.data(), ["é", "b", "c"]);
    assert_eq!(outcome.sent_ids(), [None, Some("1")]);
}

#[test]
fn each_stream_may_begin_with_a_byte_order_mark() {
    let stream = || events("\u{feff}data: a\n\n\u{feff}data: not a field\n\n");
    let outcome = outcome(vec![stream(), stream(), no_content()]);
    assert_eq!(outcome.data(), ["a", "a"]);
}

#[test]
fn a_body_that_is_complete_is_not_waited_for() {
    let stream = b"data: a\n\n";
    for framed in [with_length(stream), chunked(stream, 4), with_length(b"")] {
        let outcome = outcome(vec![Answer::Hold(framed), no_content()]);
        assert!(outcome.error.is_none());
    }
}

#[test]
fn what_is_cut_off_in_a_chunk_is_dropped_and_asked_for_again() {
    let whole = chunk(b"id: 1\ndata: a\n\n");
    let next = chunk(b"id: 2\ndata: b\n\n");
    for len in 0..next.len() {
        let cut = [&head(CHUNKED), &whole, &next[..len]].concat();
        let seen_b = len >= next.len() - 2;
        let again = if seen_b { no_content() } else { events("id: 2\ndata: b\n\n") };
        let mut answers = vec![Answer::Bytes(cut), again];
        answers.extend((!seen_b).then(no_content));
        let outcome = outcome(answers);
        assert_eq!(outcome.events, [seen("message", "a", "1"), seen("message", "b", "2")], "{len}");
        assert_eq!(outcome.sent_ids()[1], Some(if seen_b { "2" } else { "1" }), "{len}");
    }
}

#[test]
fn nonsense_for_a_chunk_size_ends_the_stream_behind_what_came_before() {
    for nonsense in
        ["0x5\r\n", "+5\r\n", "-5\r\n", " 5\r\n", "5 \r\n", "\r\n", "g\r\n", "5\n", "10000000000000000\r\n"]
    {
        let first = chunk(b"id: 1\ndata: a\n\n");
        let body = [&head(CHUNKED), &first, nonsense.as_bytes(), b"data: forged\n\n"].concat();
        let outcome =
            outcome_with(vec![Answer::Hold(body)], |subscribe| subscribe.max_attempt_count(Some(0)));
        assert_eq!(outcome.events, [seen("message", "a", "1")], "{nonsense:?}");
        let Some(EventSourceError::TooManyAttempts { count: 0, last }) = outcome.error else {
            panic!("{nonsense:?}: {:?}", outcome.error)
        };
        assert!(matches!(*last, EventSourceError::Body(BodyError::InvalidChunkSize)), "{nonsense:?}");
    }
    // .. but the source goes on.
    let body = [&head(CHUNKED)[..], b"zz\r\n"].concat();
    let outcome = outcome(vec![Answer::Bytes(body), events("data: a\n\n"), no_content()]);
    assert_eq!(outcome.data(), ["a"]);
}

#[test]
fn a_transfer_encoding_that_is_not_known_is_the_end() {
    let body = [&head("Transfer-Encoding: gzip, chunked\r\n")[..], b"data: a\n\n"].concat();
    let outcome = outcome(vec![Answer::Bytes(body)]);
    let unknown = BodyError::UnknownTransferEncoding;
    assert!(matches!(outcome.error, Some(EventSourceError::Body(error)) if error == unknown));
}

#[test]
fn line_at_its_limit_passes_and_one_past_is_the_end() {
    for (len, passes) in [(10, true), (11, false)] {
        let line = format!("data:{}", "x".repeat(len - 5));
        let stream = format!("data:a\n\n{line}\n\n");
        for framed in [until_close(stream.as_bytes()), chunked(stream.as_bytes(), 1)] {
            let mut answers = vec![Answer::Bytes(framed)];
            answers.extend(passes.then(no_content));
            let outcome = outcome_with(answers, |subscribe| subscribe.max_line_len(10));
            assert_eq!(outcome.events.len(), if passes { 2 } else { 1 });
            let too_big = ParseError::LineTooBig { max: 10 };
            match outcome.error {
                None => assert!(passes),
                Some(EventSourceError::Parse(error)) => assert!(!passes && error == too_big),
                error => panic!("{error:?}"),
            }
        }
    }
}

#[test]
fn event_at_its_limit_passes_and_one_past_is_the_end() {
    for (data, passes) in [("data: 12\ndata: 34\n\n", true), ("data: 12\ndata: 345\n\n", false)] {
        let mut answers = vec![events(data)];
        answers.extend(passes.then(no_content));
        let outcome = outcome_with(answers, |subscribe| subscribe.max_event_len(5));
        assert_eq!(outcome.events.len(), usize::from(passes));
        let too_big = ParseError::EventTooBig { max: 5 };
        assert!(passes || matches!(outcome.error, Some(EventSourceError::Parse(error)) if error == too_big));
    }
}

#[test]
fn id_at_its_limit_passes_and_one_past_is_the_end() {
    const MAX: usize = 4096;
    for (len, passes) in [(MAX, true), (MAX + 1, false)] {
        let id = "x".repeat(len);
        let mut answers = vec![events(&format!("id: 1\ndata: a\n\nid: {id}\ndata: b\n\n"))];
        answers.extend(passes.then(no_content));
        let outcome = outcome(answers);
        assert_eq!(outcome.data().len(), if passes { 2 } else { 1 });
        match outcome.error {
            None => assert!(passes && outcome.sent_ids()[1] == Some(&id)),
            Some(EventSourceError::Parse(error)) => {
                assert!(!passes && error == ParseError::IdTooBig { max: MAX });
            }
            error => panic!("{error:?}"),
        }
    }
    let short = |subscribe: Subscribe| subscribe.max_id_len(1);
    let error = outcome_with(vec![events("id: 12\n")], short).error;
    assert!(matches!(error, Some(EventSourceError::Parse(ParseError::IdTooBig { max: 1 }))), "{error:?}");
}

#[test]
fn endless_lines_and_events_are_the_end() {
    let before = resident_len();
    for again in [&b"x"[..], b"data: x\n"] {
        let outcome = outcome(vec![Answer::Endless(until_close(b"data: a\n\n"), again.repeat(10_000))]);
        assert_eq!(outcome.data(), ["a"]);
        assert!(matches!(outcome.error, Some(EventSourceError::Parse(_))), "{:?}", outcome.error);
    }
    // Two limits of 1 MiB, and vectors that double; other tests run beside this one.
    assert!(resident_len().saturating_sub(before) < 64 << 20);
}

/// What a server sends on one connection, and where it cuts it off.
#[derive(Debug, Clone)]
struct Connection {
    framing: Framing,
    cut: prop::sample::Index,
}

#[derive(Debug, Clone)]
enum Framing {
    Chunked(usize),
    Length,
    UntilClose,
}

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let framing = prop_oneof![
        4 => (1..40_usize).prop_map(Framing::Chunked),
        1 => Just(Framing::Length),
        1 => Just(Framing::UntilClose),
    ];
    let connection = (framing, any::<prop::sample::Index>());
    vec(connection.prop_map(|(framing, cut)| Connection { framing, cut }), 0..6)
}

/// The events behind the one with that id, each with a number for an id.
fn stream_after(data: &[String], id: Option<&str>) -> Vec<u8> {
    let after = id.map_or(0, |id| id.parse().unwrap());
    let mut stream = Vec::new();
    for (n, data) in data.iter().enumerate().skip(after) {
        Event::new(data).id(&(n + 1).to_string()).unwrap().encode(&mut stream);
    }
    stream
}

/// Answers connection after connection, and a last one in full.
fn serve_cut(data: Vec<String>, connections: Vec<Connection>) -> (String, Task<()>) {
    let (listener, address) = listen();
    let server = start(move || {
        for n in 0.. {
            let mut stream = listener.accept().unwrap().0;
            patient(&stream);
            let request = read_head(&mut stream);
            let body = stream_after(&data, header(&request, "Last-Event-ID"));
            if body.is_empty() {
                return std::io::Write::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            }
            let (framed, head_len) = match connections.get(n).map(|connection| &connection.framing) {
                Some(Framing::Chunked(size)) => (chunked(&body, *size), head(CHUNKED).len()),
                Some(Framing::Length) => (with_length(&body), head("Content-Length: 1\r\n").len()),
                Some(Framing::UntilClose) | None => (until_close(&body), head("").len()),
            };
            let cut = connections.get(n).map_or(framed.len(), |connection| {
                head_len + connection.cut.index(framed.len() - head_len + 1)
            });
            std::io::Write::write_all(&mut stream, &framed[..cut]).unwrap();
        }
    });
    (format!("http://{address}/"), server)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_streams_are_cut_each_event_comes_once(
        data in vec("[a-z\n\r é:]{0,30}", 1..20),
        connections in connections(),
    ) {
        let (url, server) = serve_cut(data.clone(), connections);
        let (events, error) = start(move || read(&mut subscribe(&url).unconnected().unwrap())).end();
        server.end();
        prop_assert!(error.is_none(), "{:?}", error);
        let normal = |data: &String| data.replace("\r\n", "\n").replace('\r', "\n");
        let expected: Vec<Seen> = data
            .iter()
            .enumerate()
            .map(|(n, data)| seen("message", &normal(data), &(n + 1).to_string()))
            .collect();
        prop_assert_eq!(events, expected);
    }
}
