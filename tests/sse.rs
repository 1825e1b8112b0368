//! Server-sent events: the parser against results seen in a browser, in every cut; its limits; the writer
//! against injection; and what the writer writes, the parser reads back.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in the functions that the tests share"
)]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::collection::vec;
use proptest::prelude::*;
use talkback::sse::{
    EncodeError, Event, KEEP_ALIVE, MAX_ID_LEN, ParseError, Parser, RESPONSE_HEADERS, encode_comment,
    encode_id, encode_retry,
};

/// Name, data and last event id.
type Seen = (String, String, String);

#[derive(Debug, PartialEq, Eq)]
struct Reading {
    events: Vec<Seen>,
    last_event_id: String,
    retry: Option<Duration>,
    error: Option<ParseError>,
}

fn seen(name: &str, data: &str, last_event_id: &str) -> Seen {
    (name.to_owned(), data.to_owned(), last_event_id.to_owned())
}

fn read_pieces<'a>(mut parser: Parser, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut events = Vec::new();
    let mut error = None;
    'pieces: for mut input in pieces {
        loop {
            match parser.next_event(&mut input) {
                Ok(Some(event)) => events.push(seen(event.name, event.data, event.last_event_id)),
                Ok(None) => break,
                Err(raised) => {
                    error = Some(raised);
                    break 'pieces;
                }
            }
        }
        assert!(input.is_empty(), "None means that all was consumed");
    }
    Reading { events, last_event_id: parser.last_event_id().to_owned(), retry: parser.retry(), error }
}

fn read(stream: &[u8]) -> Reading {
    read_pieces(Parser::new(), [stream])
}

/// Cuts the stream into pieces of these lengths, over and over; an empty piece may be among them.
fn cut<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().chain([&1]).cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn encoded(event: Event<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    event.encode(&mut out);
    out
}

/// Fails, rather than hangs, where the work is not linear: the limit is many times what linear work takes,
/// and a small part of what quadratic work would.
fn in_bounded_time(work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    if wait.recv_timeout(Duration::from_secs(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("still at work after 20 s");
    }
    worker.join().unwrap();
}

// ---- What a browser makes of a stream ----

struct Vector {
    name: String,
    stream: Vec<u8>,
    events: Vec<Seen>,
    last_event_id: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let cases: serde_json::Value = serde_json::from_str(include_str!("sse-vectors.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let vector = |case: &serde_json::Value| Vector {
        name: text(&case["name"]),
        stream: BASE64_STANDARD.decode(text(&case["stream_base64"])).unwrap(),
        events: case["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (text(&event[0]), text(&event[1]), text(&event[2])))
            .collect(),
        last_event_id: case["last_event_id"].as_str().map(str::to_owned),
    };
    cases.as_array().unwrap().iter().map(vector).collect()
}

impl Vector {
    fn check(&self, pieces: Vec<&[u8]>) {
        let reading = read_pieces(Parser::new(), pieces.iter().copied());
        assert_eq!(reading.events, self.events, "{}: {pieces:?}", self.name);
        assert_eq!(reading.error, None, "{}: {pieces:?}", self.name);
        if let Some(id) = &self.last_event_id {
            assert_eq!(&reading.last_event_id, id, "{}: {pieces:?}", self.name);
        }
    }
}

#[test]
fn vectors_whole_and_byte_by_byte() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 24);
    for vector in vectors {
        vector.check(vec![&vector.stream]);
        vector.check(vector.stream.chunks(1).collect());
    }
}

#[test]
fn vectors_cut_in_two_and_three_at_every_place() {
    for vector in vectors() {
        for second in 0..=vector.stream.len() {
            let (head, last) = vector.stream.split_at(second);
            vector.check(vec![head, last]);
            for first in 0..=second {
                let (start, middle) = head.split_at(first);
                vector.check(vec![start, middle, last]);
            }
        }
    }
}

/// The standard's text taken literally, over the whole stream at once.
fn model(stream: &[u8]) -> (Vec<Seen>, String) {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut data, mut name, mut id) = (String::new(), String::new(), String::new());
    let (mut events, mut last_event_id) = (Vec::new(), String::new());
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if line.is_empty() {
            last_event_id = id.clone();
            if let Some(data) = data.strip_suffix('\n') {
                let name = if name.is_empty() { "message" } else { &name };
                events.push(seen(name, data, &last_event_id));
            }
            data.clear();
            name.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.extend([value, "\n"]),
            "event" => name = value.to_owned(),
            "id" if !value.contains('\0') => id = value.to_owned(),
            _ => {}
        }
    }
    (events, last_event_id)
}

/// Streams that are mostly of the pieces that matter.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            &b"\n"[..], b"\r", b"\r\n", b"\n\n", b"data", b"data:", b"data: ", b"event:", b"id:", b"id",
            b"retry:", b"12", b":", b" ", b"\0", b"\xef\xbb\xbf", b"\xef\xbb", b"\xe2\x80", b"\xff", b"x",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(0..12_usize, 1..12)
}

proptest! {
    #[test]
    fn vectors_in_random_cuts(lengths in cuts()) {
        for vector in vectors() {
            vector.check(cut(&vector.stream, &lengths));
        }
    }

    #[test]
    fn any_stream_reads_as_the_standard_says(stream in stream()) {
        let reading = read(&stream);
        prop_assert_eq!(reading.error, None);
        prop_assert_eq!((reading.events, reading.last_event_id), model(&stream));
    }

    #[test]
    fn any_cut_reads_the_same(stream in stream(), lengths in cuts()) {
        let pieces = cut(&stream, &lengths);
        prop_assert_eq!(read_pieces(Parser::new(), pieces), read(&stream));
    }

    #[test]
    fn any_cut_meets_the_limits_at_the_same_place(
        stream in stream(),
        lengths in cuts(),
        line in 0..24_usize,
        event in 0..24_usize,
    ) {
        let parser = Parser::new().max_line_len(line).max_event_len(event);
        let whole = read_pieces(parser.clone(), [stream.as_slice()]);
        prop_assert_eq!(read_pieces(parser, cut(&stream, &lengths)), whole);
    }

    #[test]
    fn garbage_never_panics(garbage in vec(any::<u8>(), 0..2000), lengths in cuts()) {
        let reading = read_pieces(Parser::new(), cut(&garbage, &lengths));
        prop_assert_eq!(reading, read(&garbage));
    }
}

// ---- Limits, and work ----

#[test]
fn line_at_its_limit_passes_and_one_past_is_refused() {
    let limited = || Parser::new().max_line_len(10);
    let refused = Some(ParseError::LineTooBig { max: 10 });
    for end in ["\n", "\r", "\r\n"] {
        for size in [1, 2, 3, 100] {
            let at = format!("data:12345{end}{end}");
            let reading = read_pieces(limited(), at.as_bytes().chunks(size));
            assert_eq!(reading.events, [seen("message", "12345", "")]);
            assert_eq!(reading.error, None);
            let past = format!("data:123456{end}{end}");
            let reading = read_pieces(limited(), past.as_bytes().chunks(size));
            assert_eq!((reading.events, reading.error), (Vec::new(), refused));
        }
    }
    // Also without an end, and whatever the line is.
    assert_eq!(read_pieces(limited(), [&b":123456789"[..]]).error, None);
    assert_eq!(read_pieces(limited(), [&b":1234567890"[..]]).error, refused);
    assert_eq!(read_pieces(limited(), b":1234567890".chunks(1)).error, refused);
}

#[test]
fn event_at_its_limit_passes_and_one_past_is_refused() {
    let limited = || Parser::new().max_event_len(5);
    let refused = Some(ParseError::EventTooBig { max: 5 });
    for at in ["data:12345\n\n", "data:12\ndata:34\n\n", "data\ndata\ndata\ndata\ndata\ndata\n\n"] {
        let reading = read_pieces(limited(), [at.as_bytes()]);
        assert_eq!((reading.events[0].1.len(), reading.error), (5, None), "{at:?}");
    }
    for past in ["data:123456\n", "data:123\ndata:45\n", "data\ndata\ndata\ndata\ndata\ndata\ndata\n"] {
        assert_eq!(read_pieces(limited(), [past.as_bytes()]).error, refused, "{past:?}");
    }
    // Counted as handed out: a replacement character has three bytes.
    assert_eq!(read_pieces(limited(), [&b"data:ab\xff\n\n"[..]]).error, None);
    assert_eq!(read_pieces(limited(), [&b"data:abc\xff\n\n"[..]]).error, refused);
    // Each event anew.
    let reading = read_pieces(limited(), [&b"data:12345\n\ndata:12345\n\n"[..]]);
    assert_eq!((reading.events.len(), reading.error), (2, None));
}

#[test]
fn limits_are_a_mebibyte_by_default() {
    const MAX: usize = 1 << 20;
    let line = |len: usize| [b"data:", "x".repeat(len - 5).as_bytes(), b"\n"].concat();
    assert_eq!(read(&line(MAX)).error, None);
    assert_eq!(read(&line(MAX + 1)).error, Some(ParseError::LineTooBig { max: MAX }));
    // Two lines and the LF between them.
    let event = |len: usize| [line(MAX / 2 + 5), line(len - MAX / 2 - 1 + 5)].concat();
    assert_eq!(read(&event(MAX)).error, None);
    assert_eq!(read(&event(MAX + 1)).error, Some(ParseError::EventTooBig { max: MAX }));
}

#[test]
fn events_before_an_error_are_delivered_and_the_error_stays() {
    let mut parser = Parser::new().max_line_len(8);
    let mut input = &b"data: a\n\n123456789"[..];
    assert_eq!(parser.next_event(&mut input).unwrap().map(|event| event.data), Some("a"));
    let error = Err(ParseError::LineTooBig { max: 8 });
    assert_eq!(parser.next_event(&mut input), error);
    assert_eq!(parser.next_event(&mut input), error);
    assert_eq!(parser.next_event(&mut &b"\ndata: b\n\n"[..]), error);
}

#[test]
fn endless_comments_and_events_fill_nothing_up() {
    let parser = Parser::new().max_line_len(16).max_event_len(16);
    let stream = b": comment\nid: 1\nevent: x\nretry: 5\n".repeat(10_000);
    assert_eq!(read_pieces(parser.clone(), [stream.as_slice()]).error, None);
    let stream = b"data: 0123456789\n\n".repeat(10_000);
    assert_eq!(read_pieces(parser, [stream.as_slice()]).events.len(), 10_000);
}

#[test]
fn work_is_linear_for_a_long_line_byte_by_byte() {
    in_bounded_time(|| {
        let data = "x".repeat((1 << 20) - 6);
        let reading = read_pieces(Parser::new(), encoded(Event::new(&data)).chunks(1));
        assert_eq!(reading.events, [seen("message", &data, "")]);
    });
}

#[test]
fn work_is_linear_for_many_lines_in_one_piece() {
    in_bounded_time(|| {
        let data = "\n".repeat(1 << 20);
        let reading = read(&encoded(Event::new(&data)));
        assert_eq!(reading.events, [seen("message", &data, "")]);
    });
}

#[test]
fn work_is_linear_for_a_long_id_before_many_events() {
    in_bounded_time(|| {
        let id = "x".repeat((1 << 20) - 3);
        let stream = [format!("id:{id}\n").as_bytes(), &b"data\n\n".repeat(1 << 19)].concat();
        let mut parser = Parser::new();
        let mut input = stream.as_slice();
        let mut count = 0;
        while let Some(event) = parser.next_event(&mut input).unwrap() {
            assert_eq!(event.last_event_id.len(), id.len());
            count += 1;
        }
        assert_eq!(count, 1 << 19);
    });
}

// ---- Writing ----

#[test]
fn end_of_line_and_nul_in_a_name_are_refused() {
    for byte in ['\r', '\n', '\0'] {
        for (before, after) in [("", ""), ("a", "data: forged"), ("é", "\n\n")] {
            let name = format!("{before}{byte}{after}");
            let position = before.len();
            let error = EncodeError::InvalidName { byte: byte as u8, position };
            assert_eq!(Event::new("x").name(&name), Err(error));
        }
    }
    assert!(Event::new("x").name("any: other \t text \u{2028}\u{85}\u{b}\u{1f} é").is_ok());
}

#[test]
fn id_is_of_visible_ascii_alone() {
    for byte in 0..=u8::MAX {
        let id = format!("1{}", char::from(byte));
        let mut out = b"before".to_vec();
        if (0x21..=0x7e).contains(&byte) {
            assert!(Event::new("x").id(&id).is_ok(), "{byte:#04x}");
            assert_eq!(encode_id(&id, &mut out), Ok(()));
        } else {
            let found = id.as_bytes()[1];
            let error = Err(EncodeError::InvalidId { byte: found, position: 1 });
            assert_eq!(Event::new("x").id(&id).map(|_| ()), error);
            assert_eq!(encode_id(&id, &mut out), error);
            assert_eq!(out, b"before", "nothing is written");
        }
    }
}

#[test]
fn id_at_its_limit_passes_and_one_past_is_refused() {
    assert_eq!(MAX_ID_LEN, 128);
    let at = "x".repeat(128);
    assert_eq!(read(&encoded(Event::new("").id(&at).unwrap())).last_event_id, at);
    let past = "x".repeat(129);
    let error = EncodeError::IdTooLong { len: 129, max: 128 };
    assert_eq!(Event::new("").id(&past), Err(error));
    let mut out = Vec::new();
    assert_eq!(encode_id(&past, &mut out), Err(error));
    assert!(out.is_empty());
}

#[test]
fn data_and_comments_forge_nothing() {
    for end in ["\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r", "\r\n\r\n"] {
        let attack = format!("x{end}id: 6{end}event: forged{end}retry: 1{end}data: forged{end}{end}y");
        let stream = encoded(Event::new(&attack).id("5").unwrap());
        let data = attack.replace("\r\n", "\n").replace('\r', "\n");
        let reading = read(&stream);
        assert_eq!(reading.events, [seen("message", &data, "5")]);
        assert_eq!((reading.last_event_id.as_str(), reading.retry), ("5", None));

        let mut stream = Vec::new();
        encode_comment(&attack, &mut stream);
        assert_eq!(read(&stream), read(b""));
    }
}

#[test]
fn blocks_without_data_dispatch_nothing() {
    let mut stream = Vec::new();
    encode_id("9", &mut stream).unwrap();
    encode_retry(250, &mut stream);
    stream.extend_from_slice(KEEP_ALIVE);
    let reading = read(&stream);
    assert_eq!(reading.events, []);
    assert_eq!(reading.last_event_id, "9");
    assert_eq!(reading.retry, Some(Duration::from_millis(250)));
    encode_id("", &mut stream).unwrap();
    assert_eq!(read(&stream).last_event_id, "");
}

#[test]
fn response_headers_are_the_three_that_matter() {
    let headers = [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
    ];
    assert_eq!(RESPONSE_HEADERS, headers);
}

/// Any text, with ends of lines, spaces, colons and byte order marks more often than chance would have them.
fn text() -> impl Strategy<Value = String> {
    let special = ["\n", "\r", "\r\n", " ", ":", "\0", "\u{feff}", "data: ", "id: 1", "\u{2028}", "é", "🦀"];
    let token = prop_oneof![
        prop::sample::select(special.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

#[derive(Debug)]
enum Written {
    Event { data: String, name: String, id: Option<String>, retry: Option<u32> },
    Comment(String),
    Id(String),
    Retry(u32),
}

fn written() -> impl Strategy<Value = Written> {
    let id = || "[!-~]{0,128}";
    let name = text().prop_map(|name| name.replace(['\r', '\n', '\0'], ""));
    let event = (text(), name, proptest::option::of(id()), any::<Option<u32>>());
    prop_oneof![
        6 => event.prop_map(|(data, name, id, retry)| Written::Event { data, name, id, retry }),
        1 => text().prop_map(Written::Comment),
        1 => id().prop_map(Written::Id),
        1 => any::<u32>().prop_map(Written::Retry),
    ]
}

proptest! {
    #[test]
    fn what_the_writer_writes_the_parser_reads_back(blocks in vec(written(), 0..8), lengths in cuts()) {
        let mut stream = Vec::new();
        let mut expected = Reading { events: Vec::new(), last_event_id: String::new(), retry: None, error: None };
        for block in &blocks {
            match block {
                Written::Event { data, name, id, retry } => {
                    let mut event = Event::new(data).name(name).unwrap();
                    if let Some(id) = id {
                        event = event.id(id).unwrap();
                        expected.last_event_id.clone_from(id);
                    }
                    if let Some(milliseconds) = *retry {
                        event = event.retry(milliseconds);
                        expected.retry = Some(Duration::from_millis(milliseconds.into()));
                    }
                    event.encode(&mut stream);
                    let name = if name.is_empty() { "message" } else { name };
                    let data = data.replace("\r\n", "\n").replace('\r', "\n");
                    expected.events.push(seen(name, &data, &expected.last_event_id));
                }
                Written::Comment(text) => encode_comment(text, &mut stream),
                Written::Id(id) => {
                    encode_id(id, &mut stream).unwrap();
                    expected.last_event_id.clone_from(id);
                }
                Written::Retry(milliseconds) => {
                    encode_retry(*milliseconds, &mut stream);
                    expected.retry = Some(Duration::from_millis((*milliseconds).into()));
                }
            }
        }
        prop_assert_eq!(read_pieces(Parser::new(), cut(&stream, &lengths)), expected);
    }
}
