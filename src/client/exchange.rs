//! A request written, and its response read, before a deadline.

use std::io::ErrorKind;
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
    stream.set_nodelay(true).map_err(HeadError::Io)?;
    write_before(stream, deadline, request)?;
    read_final_response(stream, ResponseDecoder::new(limits), deadline)
}

/// Writes all of it. The deadline is for the whole: a peer that takes a byte now and then gains nothing, as
/// each write is given only the time that is left.
fn write_before(
    stream: &mut impl Stream,
    deadline: Option<Instant>,
    mut bytes: &[u8],
) -> Result<(), HeadError> {
    while !bytes.is_empty() {
        bound_write(stream, deadline)?;
        match stream.write(bytes) {
            Ok(0) => return Err(HeadError::Io(ErrorKind::WriteZero.into())),
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(HeadError::of_write(error)),
        }
    }
    bound_write(stream, deadline)?;
    stream.flush().map_err(HeadError::of_write)
}

/// Gives the next write the time that is left.
fn bound_write(stream: &impl Stream, deadline: Option<Instant>) -> Result<(), HeadError> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(HeadError::Timeout);
    }
    stream.set_write_timeout(never_zero(left)).map_err(HeadError::Io)
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{self, Read, Write};
    use std::net::Shutdown;
    use std::thread::sleep;

    use super::*;

    /// Takes a byte each few milliseconds.
    #[derive(Default)]
    struct Slow {
        written: Vec<u8>,
        timeout: Cell<Option<Duration>>,
        timeouts: Vec<Option<Duration>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            sleep(Duration::from_millis(5));
            self.timeouts.push(self.timeout.get());
            self.written.extend(bytes.first());
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.timeouts.push(self.timeout.get());
            Ok(())
        }
    }

    impl Read for Slow {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    impl Stream for Slow {
        fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            self.timeout.set(timeout);
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_deadline_is_for_all_writes_of_a_request() {
        let mut stream = Slow::default();
        let end = deadline(Some(Duration::from_millis(50)));
        let result = exchange(&mut stream, &[b'x'; 1000], HeadLimits::default(), end);
        assert!(matches!(result, Err(HeadError::Timeout)), "{result:?}");
        assert!(stream.written.len() <= 10);
        assert!(stream.timeouts.is_sorted_by(|one, next| one > next), "{:?}", stream.timeouts);
    }

    #[test]
    fn a_request_is_written_in_full_and_without_a_bound_where_there_is_none() {
        for timeout in [None, Some(Duration::from_secs(60))] {
            let mut stream = Slow::default();
            let result = exchange(&mut stream, b"request", HeadLimits::default(), deadline(timeout));
            assert!(matches!(result, Err(HeadError::Closed)), "{result:?}");
            assert_eq!(stream.written, b"request");
            assert_eq!(stream.timeouts.len(), 8);
            assert!(stream.timeouts.iter().all(|given| given.is_some() == timeout.is_some()));
        }
    }
}
