//! Bodies of responses: however the bytes are cut, the data is the same; and garbage is refused, not feared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that tests share")]

use proptest::collection::vec;
use proptest::prelude::*;
use talkback::http::{BodyDecoder, BodyError, HeadLimits, Response};

fn chunked() -> BodyDecoder {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (response, _) = Response::decode(head, HeadLimits::default()).unwrap().unwrap();
    BodyDecoder::of_response(&response).unwrap()
}

#[derive(Debug, PartialEq, Eq)]
struct Reading {
    data: Vec<u8>,
    /// How many bytes were left behind the body, or at an error.
    left: usize,
    end: Result<(), BodyError>,
}

/// Reads a body in pieces of these lengths, over and over.
fn read(body: &[u8], lengths: &[usize]) -> Reading {
    let mut decoder = chunked();
    let (mut data, mut rest) = (Vec::new(), body);
    for length in lengths.iter().chain([&1]).cycle() {
        let (mut piece, after) = rest.split_at((*length).min(rest.len()));
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(found)) => {
                    assert!(!found.is_empty());
                    data.extend_from_slice(found);
                }
                Ok(None) => break,
                Err(error) => return Reading { data, left: piece.len() + after.len(), end: Err(error) },
            }
        }
        if decoder.is_complete() || after.is_empty() {
            return Reading { data, left: piece.len() + after.len(), end: decoder.finish() };
        }
        assert!(piece.is_empty(), "None means that all was consumed, or that the body is complete");
        rest = after;
    }
    unreachable!("there is always a next length");
}

/// Chunks, each with a way to write its size and an extension.
fn chunks() -> impl Strategy<Value = Vec<(Vec<u8>, bool, Option<String>)>> {
    vec((vec(any::<u8>(), 1..40), any::<bool>(), proptest::option::of("[ -~\t]{0,20}")), 0..12)
}

fn encoded(chunks: &[(Vec<u8>, bool, Option<String>)], trailers: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    for (data, padded, extension) in chunks {
        let size = if *padded { format!("{:06X}", data.len()) } else { format!("{:x}", data.len()) };
        let extension = extension.as_ref().map(|extension| format!(";{extension}")).unwrap_or_default();
        body.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    for trailer in trailers {
        body.extend_from_slice(format!("X: {trailer}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

proptest! {
    #[test]
    fn any_cut_gives_the_data_of_the_chunks(
        chunks in chunks(),
        trailers in vec("[ -~]{0,30}", 0..3),
        behind in vec(any::<u8>(), 0..20),
        lengths in vec(0..12_usize, 1..12),
    ) {
        let body = [encoded(&chunks, &trailers), behind.clone()].concat();
        let data: Vec<u8> = chunks.into_iter().flat_map(|(data, _, _)| data).collect();
        let expected = Reading { data, left: behind.len(), end: Ok(()) };
        prop_assert_eq!(read(&body, &lengths), expected);
    }

    #[test]
    fn a_body_that_is_cut_off_is_incomplete(chunks in chunks(), at in any::<prop::sample::Index>()) {
        let body = encoded(&chunks, &[]);
        let cut = body.get(..at.index(body.len())).unwrap();
        let reading = read(cut, &[7]);
        prop_assert_eq!(reading.end, Err(BodyError::Incomplete));
        let data: Vec<u8> = chunks.into_iter().flat_map(|(data, _, _)| data).collect();
        prop_assert!(data.starts_with(&reading.data));
    }

    #[test]
    fn garbage_is_read_the_same_in_any_cut(
        tokens in vec(prop_oneof![
            4 => prop::sample::select(vec![
                &b"\r\n"[..], b"0", b"1", b"\r", b"\n", b";", b"a", b"F", b"x", b" ", b"0\r\n\r\n", b"1\r\nz\r\n",
            ]).prop_map(<[u8]>::to_vec),
            1 => vec(any::<u8>(), 0..6),
        ], 0..30),
        lengths in vec(0..12_usize, 1..12),
    ) {
        let body = tokens.concat();
        prop_assert_eq!(read(&body, &lengths), read(&body, &[body.len()]));
    }
}
