//! Heads of requests and responses: however the bytes are cut, the result is the same, and what is accepted is
//! well-formed and is read again as it was.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::http::{
    Authority, HeadLimits, Headers, HttpError, Request, RequestDecoder, Response, ResponseDecoder,
};
use talkback_fuzz::pieces;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max_head_len: Option<u8>,
    max_header_count: Option<u8>,
    max_target_len: Option<u8>,
    cuts: Vec<u8>,
    received: &'a [u8],
}

type Decoded<T> = Result<Option<(T, usize)>, HttpError>;

fuzz_target!(|input: Input<'_>| {
    let default = HeadLimits::default();
    let limits = default
        .max_head_len(input.max_head_len.map_or(default.max_head_len, usize::from))
        .max_header_count(input.max_header_count.map_or(default.max_header_count, usize::from))
        .max_target_len(input.max_target_len.map_or(default.max_target_len, usize::from));

    let request = Request::decode(input.received, limits);
    for cuts in [&input.cuts[..], &[1]] {
        let mut decoder = RequestDecoder::new(limits);
        assert_eq!(in_pieces(&input, cuts, |received| decoder.decode(received)), request);
        match &request {
            Ok(Some((_, len))) => {
                let next = &input.received[*len..];
                assert_eq!(decoder.decode(next), Request::decode(next, limits), "a decoder is as new");
            }
            Ok(None) => assert!(input.received.len() < limits.max_head_len.max(1)),
            Err(error) => assert_eq!(decoder.decode(b""), Err(*error), "errors stay"),
        }
    }
    match request {
        Ok(Some((request, len))) => {
            check_head(&input.received[..len], request.headers(), limits);
            check_request(&request, limits);
        }
        Ok(None) => {}
        Err(error) => assert!([400, 414, 431, 505].contains(&error.status().code()), "{error}"),
    }

    let response = Response::decode(input.received, limits);
    for cuts in [&input.cuts[..], &[1]] {
        let mut decoder = ResponseDecoder::new(limits);
        assert_eq!(in_pieces(&input, cuts, |received| decoder.decode(received)), response);
    }
    match response {
        Ok(Some((response, len))) => {
            check_head(&input.received[..len], response.headers(), limits);
            check_response(&response);
        }
        Ok(None) => {}
        Err(error) => assert!([400, 431, 502, 505].contains(&error.status().code()), "{error}"),
    }
});

/// What a decoder says of `input`, given one piece more each time.
fn in_pieces<T>(input: &Input<'_>, cuts: &[u8], mut decode: impl FnMut(&[u8]) -> Decoded<T>) -> Decoded<T> {
    let mut len = 0;
    for piece in pieces(input.received, cuts) {
        len += piece.len();
        match decode(&input.received[..len]) {
            Ok(None) => {}
            decoded => return decoded,
        }
    }
    Ok(None)
}

fn check_head(head: &[u8], headers: &Headers, limits: HeadLimits) {
    assert!(head.len() <= limits.max_head_len && head.ends_with(b"\r\n\r\n"));
    assert!(!head[2..head.len() - 4].windows(4).any(|end| end == b"\r\n\r\n"));
    assert!(headers.count() <= limits.max_header_count);
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control()));
        assert!(!value.first().is_some_and(u8::is_ascii_whitespace));
        assert!(!value.last().is_some_and(u8::is_ascii_whitespace));
    }
    let lengths = headers.all("content-length").count();
    assert!(lengths == 0 || !headers.contains("transfer-encoding"));
}

fn check_request(request: &Request, limits: HeadLimits) {
    let target = request.target();
    assert!(!target.is_empty() && target.len() <= limits.max_target_len);
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    assert!(request.path().starts_with('/') || request.path() == "*" && request.method() == "OPTIONS");
    assert!(request.query().is_none_or(|query| target.ends_with(&format!("?{query}"))));
    let _ = request.query_value("name"); // must not panic
    let host = request.headers().only("Host").expect("one Host").expect("a Host");
    assert_eq!(Authority::decode(host), Some(request.authority()));
    let has_length = request.content_length().is_some_and(|length| length > 0);
    assert_eq!(request.has_body(), has_length || request.headers().contains("Transfer-Encoding"));

    let mut again = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    request.headers().encode(&mut again);
    again.extend_from_slice(b"\r\n");
    let unlimited = limits.max_head_len(usize::MAX);
    assert_eq!(Request::decode(&again, unlimited), Ok(Some((request.clone(), again.len()))));
}

fn check_response(response: &Response) {
    assert!((100..=999).contains(&response.status().code()));
    assert!(
        response.reason().bytes().all(|byte| byte == b'\t' || byte.is_ascii() && !byte.is_ascii_control())
    );
    let mut again = Vec::new();
    response.encode_chunked_head(&mut again);
    let unlimited = HeadLimits::default().max_head_len(usize::MAX).max_header_count(usize::MAX);
    let (other, len) = Response::decode(&again, unlimited).expect("valid").expect("whole");
    assert_eq!((other.status(), other.reason(), len), (response.status(), response.reason(), again.len()));
    let framing = ["content-length", "transfer-encoding"];
    let is_kept = |(name, _): &(&str, &[u8])| !framing.contains(&&*name.to_ascii_lowercase());
    assert!(response.headers().iter().filter(is_kept).eq(other.headers().iter().filter(is_kept)));
}
