//! Event streams: however a stream is cut, the parser sees the same; what the writer writes is read back.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::sse::{self, Event, ParseError, Parser};
use talkback_fuzz::pieces;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max_line_len: Option<u8>,
    max_event_len: Option<u8>,
    cuts: Vec<u8>,
    blocks: Vec<Block>,
    stream: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Block {
    Event { data: String, name: String, id: Option<String>, retry: Option<u32> },
    Comment(String),
    Id(String),
    Retry(u32),
}

/// An event's name, data and id.
type Seen = (String, String, String);

/// Everything that a parser tells.
#[derive(Debug, PartialEq, Default)]
struct Outcome {
    seen: Vec<Seen>,
    error: Option<ParseError>,
    last_event_id: String,
    retry: Option<Duration>,
}

fuzz_target!(|input: Input<'_>| {
    let mut limited = Parser::new();
    if let Some(max) = input.max_line_len {
        limited = limited.max_line_len(usize::from(max));
    }
    if let Some(max) = input.max_event_len {
        limited = limited.max_event_len(usize::from(max));
    }
    let whole = parse(limited.clone(), pieces(input.stream, &[]));
    assert_eq!(parse(limited.clone(), pieces(input.stream, &input.cuts)), whole);
    assert_eq!(parse(limited, pieces(input.stream, &[1])), whole);
    for (_, data, id) in &whole.seen {
        assert!(!data.contains('\r') && !id.contains(['\r', '\n', '\0']));
        assert!(
            data.len() <= usize::from(input.max_event_len.unwrap_or(u8::MAX))
                || input.max_event_len.is_none()
        );
    }

    let (mut stream, mut expected) = (Vec::new(), Outcome::default());
    for block in &input.blocks {
        write(block, &mut stream, &mut expected);
    }
    assert_eq!(parse(Parser::new(), pieces(&stream, &input.cuts)), expected);
});

fn parse<'p>(mut parser: Parser, pieces: impl Iterator<Item = &'p [u8]>) -> Outcome {
    let mut seen = Vec::new();
    let mut error = None;
    for mut piece in pieces {
        error = loop {
            match parser.next_event(&mut piece) {
                Ok(Some(event)) => {
                    seen.push((event.name.into(), event.data.into(), event.last_event_id.into()))
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(error.is_some() || piece.is_empty(), "all is consumed");
    }
    Outcome { seen, error, last_event_id: parser.last_event_id().to_owned(), retry: parser.retry() }
}

/// Writes a block, if it may be written, and what is to be read of it.
fn write(block: &Block, stream: &mut Vec<u8>, expected: &mut Outcome) {
    match block {
        Block::Event { data, name, id, retry } => {
            let Ok(mut event) = Event::new(data).name(name) else {
                return assert!(name.contains(['\r', '\n', '\0']));
            };
            if let Some(id) = id {
                let Ok(with_id) = event.id(id) else { return assert!(!is_id(id)) };
                event = with_id;
                expected.last_event_id.clone_from(id);
            }
            if let Some(retry) = retry {
                event = event.retry(*retry);
                expected.retry = Some(Duration::from_millis((*retry).into()));
            }
            event.encode(stream);
            let name = if name.is_empty() { "message" } else { name };
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            expected.seen.push((name.to_owned(), data, expected.last_event_id.clone()));
        }
        Block::Comment(text) => sse::encode_comment(text, stream),
        Block::Id(id) => match sse::encode_id(id, stream) {
            Ok(()) => expected.last_event_id.clone_from(id),
            Err(_) => assert!(!is_id(id)),
        },
        Block::Retry(retry) => {
            sse::encode_retry(*retry, stream);
            expected.retry = Some(Duration::from_millis((*retry).into()));
        }
    }
}

fn is_id(id: &str) -> bool {
    id.len() <= sse::MAX_ID_LEN && id.bytes().all(|byte| byte.is_ascii_graphic())
}
