//! A request written, and its response read, before a deadline.

use std::time::{Duration, Instant};

use crate::blocking::{HeadError, Stream, deadline, never_zero, read_before, read_head};
use crate::http::{BodyDecoder, HeadLimits, Response, ResponseDecoder, Status};

/// How much of a refusal's body is kept for the error.
const MAX_BODY_LEN: usize = 4 * 1024;
/// .. and how long it is waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// How many interim responses may come before the final one.
const MAX_INTERIM_COUNT: usize = 8;

/// Writes a request, and reads the head of its final response. Gives it, and the bytes behind it.
pub(super) fn exchange(
    stream: &mut impl Stream,
    request: &[u8],
    limits: HeadLimits,
    deadline: Option<Instant>,
) -> Result<(Response, Vec<u8>), HeadError> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    stream.set_write_timeout(never_zero(left)).map_err(HeadError::Io)?;
    stream.set_nodelay(true).map_err(HeadError::Io)?;
    let written = stream.write_all(request).and_then(|()| stream.flush());
    written.map_err(HeadError::of_write)?;
    read_final_response(stream, ResponseDecoder::new(limits), deadline)
}

/// "A client MUST be able to parse one or more 1xx responses received prior to a final
/// response" -- RFC 9110 §15.2
fn read_final_response(
    stream: &mut impl Stream,
    mut decoder: ResponseDecoder,
    deadline: Option<Instant>,
) -> Result<(Response, Vec<u8>), HeadError> {
    let mut received = Vec::new();
    let mut interim_count = 0;
    loop {
        let (response, rest) = read_head(stream, deadline, received, |received| decoder.decode(received))?;
        let interim = response.status().code() < 200 && response.status() != Status::SWITCHING_PROTOCOLS;
        if !interim || interim_count == MAX_INTERIM_COUNT {
            return Ok((response, rest));
        }
        interim_count += 1;
        received = rest;
    }
}

/// The response with what comes of its body, 4 KiB at most: for people who read the error.
pub(super) fn with_body(
    response: Response,
    mut received: Vec<u8>,
    stream: &mut impl Stream,
    exchange_end: Option<Instant>,
) -> Response {
    let Ok(mut decoder) = BodyDecoder::of_response(&response) else { return response };
    let end = deadline(Some(BODY_TIMEOUT)).into_iter().chain(exchange_end).min();
    let mut body = Vec::new();
    while take_data(&mut decoder, &received, &mut body) {
        received.resize(MAX_BODY_LEN, 0);
        match read_before(stream, end, &mut received) {
            Ok(0) | Err(_) => break,
            Ok(len) => received.truncate(len),
        }
    }
    body.truncate(MAX_BODY_LEN);
    response.body(body)
}

/// Adds the data of `input` to the body; whether more is wanted.
fn take_data(decoder: &mut BodyDecoder, mut input: &[u8], body: &mut Vec<u8>) -> bool {
    loop {
        match decoder.decode(&mut input) {
            Ok(Some(data)) => body.extend_from_slice(data),
            Ok(None) => return !decoder.is_complete() && body.len() < MAX_BODY_LEN,
            // It ends here, as if it were cut off.
            Err(_) => return false,
        }
    }
}
