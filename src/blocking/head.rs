//! Reading a head before a deadline.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::Stream;
use super::link::is_wait;
use super::stream::never_zero;
use crate::http::HttpError;

/// Why no head came.
#[derive(Debug)]
pub(crate) enum HeadError {
    Http(HttpError),
    /// The stream ended before the head did.
    Closed,
    Timeout,
    Io(io::Error),
}

impl HeadError {
    /// Why a request was not written, by a stream whose write timeout was set.
    pub(crate) fn of_write(error: io::Error) -> Self {
        if is_wait(&error) { Self::Timeout } else { Self::Io(error) }
    }
}

/// Reads behind what was `received`, until `decode` makes a head of it. Gives it, and the bytes
/// behind it.
///
/// The deadline is for the whole head: a peer that sends a byte now and then gains nothing.
pub(crate) fn read_head<H>(
    stream: &mut impl Stream,
    deadline: Option<Instant>,
    mut received: Vec<u8>,
    mut decode: impl FnMut(&[u8]) -> Result<Option<(H, usize)>, HttpError>,
) -> Result<(H, Vec<u8>), HeadError> {
    loop {
        if let Some((head, head_len)) = decode(&received).map_err(HeadError::Http)? {
            return Ok((head, received.split_off(head_len.min(received.len()))));
        }
        let mut chunk = [0; 4096];
        match read_before(stream, deadline, &mut chunk)? {
            0 => return Err(HeadError::Closed),
            len => received.extend_from_slice(chunk.get(..len).unwrap_or_default()),
        }
    }
}

/// Reads once, 0 at the end of the stream.
pub(crate) fn read_before(
    stream: &mut impl Stream,
    deadline: Option<Instant>,
    buffer: &mut [u8],
) -> Result<usize, HeadError> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(HeadError::Timeout);
        }
        stream.set_read_timeout(never_zero(left)).map_err(HeadError::Io)?;
        match stream.read(buffer) {
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The time is up; or the stream doesn't block, and is asked again until it is.
            Err(error) if is_wait(&error) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(HeadError::Closed),
            Err(error) => return Err(HeadError::Io(error)),
        }
    }
}
