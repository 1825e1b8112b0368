//! RFC 7692: a test for each MUST of §5 to §7 and each known trap, in both roles, named for its section. What
//! is received is fed in every style and in several cuts; what is sent is read by inflaters of others.

#![cfg(feature = "deflate")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod pair;

#[path = "rfc7692/inflater.rs"]
mod inflater;
#[path = "rfc7692/negotiation.rs"]
mod negotiation;
#[path = "rfc7692/properties.rs"]
mod properties;
#[path = "rfc7692/python.rs"]
mod python;
#[path = "rfc7692/receiving.rs"]
mod receiving;
#[path = "rfc7692/sending.rs"]
mod sending;

use pair::*;
use talkback::entropy::Entropy;
use talkback::handshake::{DeflateParameters, WindowBits};
use talkback::protocol::{Config, Deflate, Protocol, Role};
use zlib_rs::{DeflateFlush, Status};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
/// First bytes of frames with RSV1.
const RSV1: u8 = 0x40;
const DEFLATED_TEXT: u8 = TEXT | RSV1;
const DEFLATED_BINARY: u8 = BINARY | RSV1;

fn takeover() -> DeflateParameters {
    DeflateParameters::default()
}

fn no_takeover() -> DeflateParameters {
    takeover().server_no_context_takeover(true).client_no_context_takeover(true)
}

/// Takeover both ways, and this window.
fn windows(bits: u8) -> DeflateParameters {
    let bits = WindowBits::new(bits).unwrap();
    takeover().server_max_window_bits(bits).client_max_window_bits(bits)
}

fn protocol(role: Role, config: &Config, agreed: &DeflateParameters, options: &Deflate) -> Protocol {
    let entropy = Entropy::from_seed([7; 32]);
    Protocol::new(role, config.clone()).with_entropy(entropy).with_deflate(agreed, options)
}

/// An endpoint that compresses all that it can.
fn endpoint(role: Role, agreed: &DeflateParameters, style: Style) -> Endpoint {
    let options = Deflate::private().min_len(Some(0));
    Endpoint::of(protocol(role, &Config::default(), agreed, &options), style)
}

/// What came to an endpoint, and how it answered. How far an error has counted depends on the cuts, and is
/// not compared.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    received: Vec<Received>,
    /// Of the close that an error calls for.
    code: Option<u16>,
}

fn came(mut endpoint: Endpoint, bytes: &[u8], piece_len: usize) -> Came {
    bytes.chunks(piece_len).for_each(|piece| endpoint.read(piece));
    let code = endpoint.error.as_ref().map(|error| error.close_code().value());
    if let Some(code) = code {
        let output = endpoint.write(usize::MAX);
        let frames = wire(&output);
        let close = frames.last().unwrap();
        assert_eq!((close.first, &close.payload[..2]), (CLOSE, &code.to_be_bytes()[..]));
    }
    Came { received: endpoint.received, code }
}

/// What comes of these bytes: the same in each style, and in some cuts.
fn feed_deflated(role: Role, config: &Config, agreed: &DeflateParameters, bytes: &[u8]) -> Came {
    let new = |style| Endpoint::of(protocol(role, config, agreed, &Deflate::private()), style);
    let expected = came(new(Style::Window), bytes, usize::MAX);
    for style in STYLES {
        for piece_len in [usize::MAX, 7, 1] {
            // A byte at a time takes its while.
            if piece_len < 100 && bytes.len() > 20_000 {
                continue;
            }
            let other = came(new(style), bytes, piece_len);
            assert!(other == expected, "{role:?} {style:?} in pieces of {piece_len}: {:?}", other.code);
        }
    }
    expected
}

/// Has all of `messages`, and no error, come of these bytes.
#[track_caller]
fn assert_received(role: Role, agreed: &DeflateParameters, bytes: impl AsRef<[u8]>, messages: &[Received]) {
    let came = feed_deflated(role, &Config::default(), agreed, bytes.as_ref());
    assert_eq!(came.received, messages, "{role:?}, {:x?}", bytes.as_ref());
    assert_eq!(came.code, None, "{role:?}, {:x?}", bytes.as_ref());
}

#[track_caller]
fn assert_refused(role: Role, agreed: &DeflateParameters, bytes: impl AsRef<[u8]>, code: u16) {
    let came = feed_deflated(role, &Config::default(), agreed, bytes.as_ref());
    assert_eq!(came, Came { received: vec![], code: Some(code) }, "{role:?}, {:x?}", bytes.as_ref());
}

fn text(text: &str) -> Received {
    Received::Text(text.to_owned())
}

fn binary(bytes: impl AsRef<[u8]>) -> Received {
    Received::Binary(bytes.as_ref().to_vec())
}

/// Text that shrinks, but not to nothing: words in no order.
fn prose(len: usize) -> String {
    let words =
        ["window ", "offer ", "takes ", "of ", "compressed ", "a ", "frame ", "0123456789 ", "Grüße "];
    let (mut prose, mut seed) = (String::new(), 1_u32);
    while prose.len() < len {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        prose.push_str(words[usize::try_from(seed >> 8).unwrap() % words.len()]);
    }
    while prose.len() > len {
        prose.pop();
    }
    while prose.len() < len {
        prose.push('.');
    }
    prose
}

/// Bytes that don't shrink.
fn noise(len: usize) -> Vec<u8> {
    let mut entropy = Entropy::from_seed([3; 32]);
    (0..len).map(|_| entropy.bytes::<1>()[0]).collect()
}

/// Another's deflate.
struct Deflater(zlib_rs::Deflate);

impl Deflater {
    fn new(level: i32, bits: u8) -> Self {
        Self(zlib_rs::Deflate::new(level, false, bits))
    }

    fn flushed(&mut self, bytes: &[u8], flush: DeflateFlush) -> Vec<u8> {
        let mut out = vec![0; bytes.len() * 2 + 1000];
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.compress(bytes, &mut out, flush).unwrap();
        assert_eq!(self.0.total_in() - read, bytes.len() as u64);
        assert_eq!(status == Status::StreamEnd, flush == DeflateFlush::Finish);
        out.truncate(usize::try_from(self.0.total_out() - written).unwrap());
        out
    }

    /// A message's payload: RFC 7692 §7.2.1.
    fn message(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = self.flushed(bytes, DeflateFlush::SyncFlush);
        if out.is_empty() {
            return vec![0]; // nothing came since the last flush
        }
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    /// A whole deflate stream.
    fn stream(bytes: &[u8]) -> Vec<u8> {
        Self::new(6, 15).flushed(bytes, DeflateFlush::Finish)
    }
}

/// A payload in fragments of at most this length.
fn fragments(to: Role, first: u8, payload: &[u8], len: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = payload.chunks(len).collect();
    let frames = pieces.iter().enumerate().map(|(index, piece)| {
        let opcode = if index == 0 { first & !0x80 } else { MIDDLE };
        let fin = if index + 1 == pieces.len() { 0x80 } else { 0 };
        frame(to, opcode | fin, piece)
    });
    frames.collect()
}
