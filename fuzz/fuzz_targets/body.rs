//! Bodies of responses: however the bytes are cut, the data, the end and the error are the same, and are those
//! of a slow and simple reading; what chunks are written is read back. The decoder takes no memory:
//! the data that it tells is a part of what it was given.
#![no_main]

use std::alloc::System;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use talkback::http::{BodyDecoder, BodyError, HeadLimits, Response};
use talkback_fuzz::pieces;

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    framing: Framing,
    cuts: Vec<u8>,
    chunks: Vec<Chunk>,
    trailers: Vec<String>,
    received: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Framing {
    Chunked,
    Length(u64),
    UntilClose,
}

#[derive(Debug, Arbitrary)]
struct Chunk {
    data: Vec<u8>,
    /// Zeros before the size.
    zero_count: u8,
    extension: Option<String>,
}

/// Everything that a decoder tells.
#[derive(Debug, PartialEq)]
struct Reading {
    data: Vec<u8>,
    /// How many bytes were left: behind the body, or from the wrong one on.
    left: usize,
    is_complete: bool,
    end: Result<(), BodyError>,
}

fuzz_target!(|input: Input<'_>| {
    let decoder = input.framing.decoder();
    let whole = read(decoder.clone(), input.received, &[]);
    assert_eq!(whole, input.framing.model(input.received));
    for cuts in [&input.cuts[..], &[1]] {
        assert_eq!(read(decoder.clone(), input.received, cuts), whole, "{cuts:?}");
    }

    let (mut body, mut data) = (Vec::new(), Vec::new());
    for chunk in &input.chunks {
        chunk.encode(&mut body);
        data.extend_from_slice(&chunk.data);
    }
    body.extend_from_slice(b"0\r\n");
    let is_line = |text: &&String| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control());
    for trailer in input.trailers.iter().filter(is_line).take_while(|text| text.len() < 100).take(80) {
        body.extend_from_slice(format!("{trailer}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    let body_len = body.len();
    body.extend_from_slice(input.received);
    let expected = Reading { data, left: input.received.len(), is_complete: true, end: Ok(()) };
    assert_eq!(read(Framing::Chunked.decoder(), &body, &input.cuts), expected);
    // Cut off anywhere, it is not taken for whole.
    let cut = &body[..usize::from(*input.cuts.first().unwrap_or(&0)) % body_len];
    let reading = read(Framing::Chunked.decoder(), cut, &input.cuts);
    assert_eq!((reading.is_complete, reading.end), (false, Err(BodyError::Incomplete)));
    assert!(expected.data.starts_with(&reading.data));
});

/// Reads `body` in pieces, up to its end or the first error.
fn read(mut decoder: BodyDecoder, body: &[u8], cuts: &[u8]) -> Reading {
    let mut data = Vec::new();
    let mut consumed = 0;
    let mut error = None;
    for piece in pieces(body, cuts) {
        let mut input = piece;
        error = loop {
            let before = input;
            let region = Region::new(MEMORY);
            let decoded = decoder.decode(&mut input);
            let taken = region.change();
            assert_eq!((taken.allocations, taken.reallocations), (0, 0));
            match decoded {
                Ok(Some(found)) => {
                    assert!(!found.is_empty());
                    // It stands right before what was not consumed yet.
                    let end = before.len() - input.len();
                    assert_eq!(found.as_ptr_range().end, before[..end].as_ptr_range().end);
                    assert!(found.len() <= end);
                    data.extend_from_slice(found);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        consumed += piece.len() - input.len();
        if error.is_some() || decoder.is_complete() {
            break;
        }
        assert!(input.is_empty(), "None means that all was consumed, or that the body is complete");
    }
    let is_complete = decoder.is_complete();
    if let Some(error) = error {
        let mut more = &b"0\r\n\r\n"[..];
        assert_eq!(decoder.decode(&mut more), Err(error), "errors stay");
        assert_eq!((more.len(), decoder.finish(), is_complete), (5, Err(error), false));
    } else if is_complete {
        let mut more = &b"more"[..];
        assert_eq!((decoder.decode(&mut more), more), (Ok(None), &b"more"[..]), "the end stays");
    }
    Reading { data, left: body.len() - consumed, is_complete, end: decoder.finish() }
}

impl Framing {
    fn decoder(&self) -> BodyDecoder {
        let head = match self {
            Self::Chunked => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Self::Length(len) => format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n"),
            Self::UntilClose => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        };
        let response = Response::decode(head.as_bytes(), HeadLimits::default());
        let (response, _) = response.expect("it is valid").expect("it is whole");
        BodyDecoder::of_response(&response).expect("the framing is known")
    }

    /// What is to be read of `body`.
    fn model(&self, body: &[u8]) -> Reading {
        match *self {
            Self::Chunked => {
                let mut model = Model { body, at: 0, data: Vec::new() };
                let end = model.read();
                Reading { left: body.len() - model.at, is_complete: end.is_ok(), end, data: model.data }
            }
            Self::Length(len) => {
                let data = &body[..body.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
                let is_complete = data.len() as u64 == len;
                let end = if is_complete { Ok(()) } else { Err(BodyError::Incomplete) };
                Reading { data: data.to_vec(), left: body.len() - data.len(), is_complete, end }
            }
            Self::UntilClose => Reading { data: body.to_vec(), left: 0, is_complete: false, end: Ok(()) },
        }
    }
}

/// Chunks read with all of the body at hand: RFC 9112 §7.1, line by line.
struct Model<'b> {
    body: &'b [u8],
    at: usize,
    data: Vec<u8>,
}

impl Model<'_> {
    fn read(&mut self) -> Result<(), BodyError> {
        loop {
            let digit_count = self.rest().iter().take(16).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let digits = std::str::from_utf8(&self.rest()[..digit_count]).expect("digits are ASCII");
            let size = u64::from_str_radix(digits, 16).ok();
            self.at += digit_count;
            if size.is_some() && matches!(self.peek()?, b';' | b' ' | b'\t') {
                self.extension()?;
            }
            let (Some(size), _) = (size, self.peek()?) else { return Err(BodyError::InvalidChunkSize) };
            self.expect(b"\r\n", BodyError::InvalidChunkSize)?;
            if size == 0 {
                break;
            }
            let len = usize::try_from(size).unwrap_or(usize::MAX).min(self.rest().len());
            self.data.extend_from_slice(&self.body[self.at..][..len]);
            self.at += len;
            self.expect(b"\r\n", BodyError::InvalidChunkEnd)?;
        }
        let mut room = 8192;
        while self.peek()? != b'\r' {
            room -= self.line(room, BodyError::InvalidTrailer, BodyError::TrailersTooLong { max: 8192 })?;
            self.expect(b"\r\n", BodyError::InvalidTrailer)?;
        }
        self.expect(b"\r\n", BodyError::InvalidTrailer)
    }

    /// Goes to the CR behind an extension: blanks, and what begins with a semicolon.
    fn extension(&mut self) -> Result<(), BodyError> {
        let too_long = BodyError::ChunkExtensionTooLong { max: 256 };
        let mut room = 256;
        while matches!(self.peek()?, b' ' | b'\t') {
            if room == 0 {
                return Err(too_long);
            }
            room -= 1;
            self.at += 1;
        }
        if self.peek()? != b';' {
            return Err(BodyError::InvalidChunkSize);
        }
        self.line(room, BodyError::InvalidChunkSize, too_long)?;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        &self.body[self.at..]
    }

    fn peek(&self) -> Result<u8, BodyError> {
        self.rest().first().copied().ok_or(BodyError::Incomplete)
    }

    /// Goes to the next CR; how many bytes that was.
    fn line(&mut self, max: usize, wrong: BodyError, too_long: BodyError) -> Result<usize, BodyError> {
        for len in 0.. {
            match self.peek()? {
                b'\r' => return Ok(len),
                byte if byte != b'\t' && byte.is_ascii_control() => return Err(wrong),
                _ if len == max => return Err(too_long),
                _ => self.at += 1,
            }
        }
        unreachable!("each byte ends it, or is one more")
    }

    fn expect(&mut self, bytes: &[u8], wrong: BodyError) -> Result<(), BodyError> {
        for &byte in bytes {
            if self.peek()? != byte {
                return Err(wrong);
            }
            self.at += 1;
        }
        Ok(())
    }
}

impl Chunk {
    /// Writes it in one of the ways that there are; nothing if it has no data, which would end the body.
    fn encode(&self, out: &mut Vec<u8>) {
        if self.data.is_empty() {
            return;
        }
        let digits = format!("{:x}", self.data.len());
        let zeros = "0".repeat(usize::from(self.zero_count) % (17 - digits.len()));
        out.extend_from_slice(format!("{zeros}{digits}").as_bytes());
        // Without its semicolon, which counts too.
        let is_extension =
            |text: &&String| text.len() < 256 && !text.contains(|c: char| c.is_ascii_control());
        if let Some(extension) = self.extension.as_ref().filter(is_extension) {
            out.extend_from_slice(format!(";{extension}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.data);
        out.extend_from_slice(b"\r\n");
    }
}
