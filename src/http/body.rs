//! Bodies of requests and responses, as they arrive: where one ends, and what of it is data.

use std::{error, fmt};

use super::chunked::{ChunkedDecoder, split_data};
use super::{Headers, Request, Response, Status, Version};

/// Takes the data out of a body while its bytes arrive, and knows where it ends.
///
/// Give it what comes behind the head, piece by piece, until [`is_complete`](Self::is_complete); call
/// [`finish`](Self::finish) if the connection ends before that. It looks at each byte of the framing once,
/// holds nothing and copies nothing. Extensions of chunks (256 bytes each at most) and trailers (8 KiB at
/// most) are read over.
///
/// RFC 9112 §6.3, §7.1
///
/// ```
/// use talkback::http::{BodyDecoder, HeadLimits, Response};
///
/// let received = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
/// let (response, head_len) = Response::decode(received, HeadLimits::default())?.expect("a whole head");
/// let mut decoder = BodyDecoder::of_response(&response)?;
/// let mut data = Vec::new();
/// for piece in received[head_len..].chunks(7) {
///     let mut input = piece;
///     while let Some(piece) = decoder.decode(&mut input)? {
///         data.extend_from_slice(piece);
///     }
/// }
/// assert!(decoder.is_complete());
/// assert_eq!(data, b"hello world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    framing: BodyFraming,
    limit: Limit,
    failed: Option<BodyError>,
}

/// How much data there may be, and how much of that is still to come.
#[derive(Debug, Clone, Copy)]
struct Limit {
    max: u64,
    left: u64,
}

impl Limit {
    const fn new(max: u64) -> Self {
        Self { max, left: max }
    }

    fn take(&mut self, len: usize) -> Result<(), BodyError> {
        let left = u64::try_from(len).ok().and_then(|len| self.left.checked_sub(len));
        self.left = left.ok_or(BodyError::TooLong { max: self.max })?;
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum BodyFraming {
    Chunked(ChunkedDecoder),
    Length { left: u64 },
    UntilClose,
}

impl BodyDecoder {
    /// A decoder for the body behind this head of a request, which may hold `max_len` bytes of data.
    ///
    /// A request that [has no body](Request::has_body) is complete at once.
    ///
    /// # Errors
    /// - [`BodyError::TooLong`]: its Content-Length is past the limit; nothing need be read.
    /// - [`BodyError::UnknownTransferEncoding`]: the body's end can't be known.
    ///
    /// ```
    /// use talkback::http::{BodyDecoder, BodyError, HeadLimits, Request};
    ///
    /// let received = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    /// let (request, head_len) = Request::decode(received, HeadLimits::default())?.expect("a whole head");
    /// assert_eq!(BodyDecoder::of_request(&request, 4).unwrap_err(), BodyError::TooLong { max: 4 });
    /// let mut decoder = BodyDecoder::of_request(&request, 5)?;
    /// assert_eq!(decoder.decode(&mut &received[head_len..])?, Some(&b"hello"[..]));
    /// assert!(decoder.is_complete());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_request(request: &Request, max_len: u64) -> Result<Self, BodyError> {
        let framing = if request.headers().contains("Transfer-Encoding") {
            // "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is
            // not the final encoding, the message body length cannot be determined reliably; the server MUST
            // respond with the 400 (Bad Request) status code and then close the connection."
            // -- RFC 9112 §6.3
            BodyFraming::chunked(request.headers())?
        } else {
            // "If this is a request message and none of the above are true, then the message body length is
            // zero (no message body is present)." -- RFC 9112 §6.3
            let left = request.content_length().unwrap_or_default();
            if left > max_len {
                return Err(BodyError::TooLong { max: max_len });
            }
            BodyFraming::Length { left }
        };
        Ok(Self { framing, limit: Limit::new(max_len), failed: None })
    }

    /// A decoder for the body behind this head, of whatever length, which answers a request other than HEAD and CONNECT.
    ///
    /// # Errors
    /// [`BodyError::UnknownTransferEncoding`]: the body's end can't be known.
    pub fn of_response(response: &Response) -> Result<Self, BodyError> {
        let framing = if response.status().is_bodiless() {
            BodyFraming::Length { left: 0 }
        } else if response.headers().contains("Transfer-Encoding") {
            // "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header
            // field MUST treat the message as if the framing is faulty" -- RFC 9112 §6.1
            if response.version() == Version::Http10 {
                return Err(BodyError::UnknownTransferEncoding);
            }
            BodyFraming::chunked(response.headers())?
        } else {
            match response.content_length() {
                Some(left) => BodyFraming::Length { left },
                None => BodyFraming::UntilClose,
            }
        };
        Ok(Self { framing, limit: Limit::new(u64::MAX), failed: None })
    }

    /// Consumes bytes from the front of `input`, up to and with the next piece of data, which is never
    /// empty.
    ///
    /// Call it again with what is left of `input`, until it returns `None`. What follows the body is left
    /// in `input`.
    ///
    /// `None`: more input is needed, or the body [is complete](Self::is_complete).
    ///
    /// # Errors
    /// Raised at the first wrong byte, behind the data before it; the same again for every later call.
    /// - [`BodyError::InvalidChunkSize`], [`BodyError::InvalidChunkEnd`], [`BodyError::InvalidTrailer`]: not
    ///   the syntax of RFC 9112 §7.1.
    /// - [`BodyError::ChunkExtensionTooLong`], [`BodyError::TrailersTooLong`]: past a limit.
    /// - [`BodyError::TooLong`]: more data than a request's may hold; of chunks, as soon as it is there.
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<&'i [u8]>, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let data = match &mut self.framing {
            BodyFraming::Chunked(decoder) => decoder.decode(input),
            BodyFraming::Length { left } => Ok(split_data(input, left)),
            BodyFraming::UntilClose => Ok(Some(std::mem::take(input)).filter(|data| !data.is_empty())),
        };
        let taken = data.and_then(|data| {
            self.limit.take(data.map_or(0, <[u8]>::len))?;
            Ok(data)
        });
        taken.inspect_err(|error| self.failed = Some(*error))
    }

    /// Whether the body has come to its end, before the connection has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match &self.framing {
            BodyFraming::Chunked(decoder) => decoder.is_complete(),
            BodyFraming::Length { left } => *left == 0,
            BodyFraming::UntilClose => false,
        }
    }

    /// Says that the connection has ended.
    ///
    /// # Errors
    /// [`BodyError::Incomplete`] if that is not where the body ends; the error of [`decode`](Self::decode)
    /// if there was one.
    pub fn finish(&self) -> Result<(), BodyError> {
        match &self.framing {
            _ if self.failed.is_some() => self.failed.map_or(Ok(()), Err),
            BodyFraming::UntilClose => Ok(()),
            // "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk
            // that terminates the encoding has not been received. A message that uses a valid Content-Length
            // is incomplete if the size of the message body received (in octets) is less than the value given
            // by Content-Length." -- RFC 9112 §8
            BodyFraming::Chunked(_) | BodyFraming::Length { .. } if self.is_complete() => Ok(()),
            BodyFraming::Chunked(_) | BodyFraming::Length { .. } => Err(BodyError::Incomplete),
        }
    }
}

impl BodyFraming {
    /// Chunks, where that is the one coding that the headers name.
    fn chunked(headers: &Headers) -> Result<Self, BodyError> {
        let coding = headers.only("Transfer-Encoding").ok().flatten().unwrap_or_default();
        if !coding.eq_ignore_ascii_case("chunked") {
            return Err(BodyError::UnknownTransferEncoding);
        }
        Ok(Self::Chunked(ChunkedDecoder::new()))
    }
}

/// What the peer did wrong in a body. Where the next message would begin is not known: end the connection.
///
/// ```
/// use talkback::http::{BodyDecoder, BodyError, HeadLimits, Response};
///
/// let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// let (response, _) = Response::decode(head, HeadLimits::default())?.expect("a whole head");
/// let mut decoder = BodyDecoder::of_response(&response)?;
/// assert_eq!(decoder.decode(&mut &b"0x5\r\nhello"[..]), Err(BodyError::InvalidChunkSize));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// Another Transfer-Encoding than `chunked` alone, or one of HTTP/1.0, which has none.
    UnknownTransferEncoding,
    /// The line before a chunk is not 1 to 16 hexadecimal digits, extensions if any, and CRLF.
    InvalidChunkSize,
    /// The extensions of a chunk are longer than `max` bytes.
    ChunkExtensionTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A chunk's data is not followed by CRLF.
    InvalidChunkEnd,
    /// A trailer is not a line without control bytes.
    InvalidTrailer,
    /// The trailers are longer than `max` bytes in all.
    TrailersTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// The body holds more than `max` bytes of data.
    TooLong {
        /// The limit, in bytes.
        max: u64,
    },
    /// The connection ended before the body did.
    Incomplete,
}

impl BodyError {
    /// The status to answer a request with, if this is wrong in its body: 400 or 413.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::TooLong { .. } => Status::CONTENT_TOO_LARGE,
            Self::UnknownTransferEncoding
            | Self::InvalidChunkSize
            | Self::ChunkExtensionTooLong { .. }
            | Self::InvalidChunkEnd
            | Self::InvalidTrailer
            | Self::TrailersTooLong { .. }
            | Self::Incomplete => Status::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTransferEncoding => write!(formatter, "transfer encoding other than chunked"),
            Self::InvalidChunkSize => write!(formatter, "malformed size of a chunk"),
            Self::ChunkExtensionTooLong { max } => {
                write!(formatter, "extensions of a chunk longer than {max} bytes")
            }
            Self::InvalidChunkEnd => write!(formatter, "chunk without its end"),
            Self::InvalidTrailer => write!(formatter, "malformed trailer"),
            Self::TrailersTooLong { max } => write!(formatter, "trailers longer than {max} bytes"),
            Self::TooLong { max } => write!(formatter, "body longer than {max} bytes"),
            Self::Incomplete => write!(formatter, "connection ended before the body did"),
        }
    }
}

impl error::Error for BodyError {}

#[cfg(test)]
mod tests {
    use super::super::HeadLimits;
    use super::*;

    fn decoder(head: &str) -> Result<BodyDecoder, BodyError> {
        let head = format!("{head}\r\n\r\n");
        let (response, _) = Response::decode(head.as_bytes(), HeadLimits::default()).unwrap().unwrap();
        BodyDecoder::of_response(&response)
    }

    /// The data of `body`, what is left of it, whether it is complete, and what its end here would be.
    fn read(head: &str, body: &'static str) -> (String, &'static str, bool, Result<(), BodyError>) {
        let mut decoder = decoder(head).unwrap();
        let mut input = body.as_bytes();
        let mut data = Vec::new();
        while let Some(piece) = decoder.decode(&mut input).unwrap() {
            data.extend_from_slice(piece);
        }
        let left = str::from_utf8(input).unwrap();
        (String::from_utf8(data).unwrap(), left, decoder.is_complete(), decoder.finish())
    }

    #[test]
    fn bodies_end_where_their_heads_say() {
        let ok = "HTTP/1.1 200 OK\r\n";
        let incomplete = Err(BodyError::Incomplete);
        for (head, body, expected) in [
            (format!("{ok}Content-Length: 3"), "abcd", ("abc", "d", true, Ok(()))),
            (format!("{ok}Content-Length: 3"), "ab", ("ab", "", false, incomplete)),
            (format!("{ok}Content-Length: 0"), "a", ("", "a", true, Ok(()))),
            (format!("{ok}Transfer-Encoding: CHUNKED"), "1\r\na\r\n0\r\n\r\nb", ("a", "b", true, Ok(()))),
            (format!("{ok}Transfer-Encoding: chunked"), "2\r\na", ("a", "", false, incomplete)),
            (format!("{ok}A: b"), "abc", ("abc", "", false, Ok(()))),
            ("HTTP/1.0 200 OK".to_owned(), "abc", ("abc", "", false, Ok(()))),
            ("HTTP/1.1 204 No Content".to_owned(), "a", ("", "a", true, Ok(()))),
            ("HTTP/1.1 304 OK\r\nContent-Length: 1".to_owned(), "a", ("", "a", true, Ok(()))),
        ] {
            let (data, left, is_complete, end) = read(&head, body);
            assert_eq!((data.as_str(), left, is_complete, end), expected, "{head}");
        }
    }

    #[test]
    fn other_transfer_encodings_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{e4}",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        ] {
            assert_eq!(decoder(head).unwrap_err(), BodyError::UnknownTransferEncoding, "{head}");
        }
    }

    /// The data of a request's body, read in pieces of `size`, and whether it is complete.
    fn read_request(lines: &str, body: &[u8], max: u64, size: usize) -> Result<(Vec<u8>, bool), BodyError> {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        let (request, _) = Request::decode(head.as_bytes(), HeadLimits::default()).unwrap().unwrap();
        let mut decoder = BodyDecoder::of_request(&request, max)?;
        let mut data = Vec::new();
        for mut input in body.chunks(size) {
            while let Some(piece) = decoder.decode(&mut input)? {
                data.extend_from_slice(piece);
            }
        }
        Ok((data, decoder.is_complete()))
    }

    #[test]
    fn a_request_at_its_limit_passes_and_one_past_is_refused() {
        let chunked = "Transfer-Encoding: chunked";
        let too_long = Err(BodyError::TooLong { max: 4 });
        for size in 1..10 {
            let read = |lines, body: &str| read_request(lines, body.as_bytes(), 4, size);
            assert_eq!(read("Content-Length: 4", "abcd"), Ok((b"abcd".to_vec(), true)));
            assert_eq!(read("Content-Length: 5", ""), too_long, "from the head");
            assert_eq!(read("Content-Length: 0", ""), Ok((Vec::new(), true)));
            assert_eq!(read("X: y", "what follows"), Ok((Vec::new(), true)));
            assert_eq!(read(chunked, "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"), Ok((b"abcd".to_vec(), true)));
            assert_eq!(read(chunked, "3\r\nabc\r\n2\r\nde"), too_long, "before its end");
        }
        assert_eq!(BodyError::TooLong { max: 4 }.status(), Status::CONTENT_TOO_LARGE);
    }

    #[test]
    fn a_request_is_chunked_or_nothing() {
        for coding in ["gzip", "gzip, chunked", "chunked, chunked", ",chunked", "identity", "chunked;a", ""] {
            let lines = format!("Transfer-Encoding: {coding}");
            let unknown = Err(BodyError::UnknownTransferEncoding);
            assert_eq!(read_request(&lines, b"0\r\n\r\n", 4, 99), unknown, "{coding}");
        }
    }

    #[test]
    fn errors_stay() {
        let mut decoder = decoder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked").unwrap();
        let mut input = &b"1\r\nab\r\n1\r\nc\r\n"[..];
        assert_eq!(decoder.decode(&mut input), Ok(Some(&b"a"[..])));
        for _ in 0..2 {
            assert_eq!(decoder.decode(&mut input), Err(BodyError::InvalidChunkEnd));
        }
        assert_eq!(decoder.decode(&mut &b"\r\n"[..]), Err(BodyError::InvalidChunkEnd));
        assert!(!decoder.is_complete());
        assert_eq!(decoder.finish(), Err(BodyError::InvalidChunkEnd));
    }
}
