//! Bodies of responses, as they arrive: where one ends, and what of it is data.

use std::{error, fmt};

use super::chunked::{ChunkedDecoder, split_data};
use super::{Response, Version};

/// Takes the data out of a response's body while its bytes arrive, and knows where it ends.
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
    failed: Option<BodyError>,
}

#[derive(Debug, Clone)]
enum BodyFraming {
    Chunked(ChunkedDecoder),
    Length { left: u64 },
    UntilClose,
}

impl BodyDecoder {
    /// A decoder for the body behind this head, which answers a request other than HEAD and CONNECT.
    ///
    /// # Errors
    /// [`BodyError::UnknownTransferEncoding`]: the body's end can't be known.
    pub fn of_response(response: &Response) -> Result<Self, BodyError> {
        let framing = if response.status().is_bodiless() {
            BodyFraming::Length { left: 0 }
        } else if response.headers().contains("Transfer-Encoding") {
            // "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header
            // field MUST treat the message as if the framing is faulty" -- RFC 9112 §6.1
            let coding = response.headers().only("Transfer-Encoding").ok().flatten().unwrap_or_default();
            if !coding.eq_ignore_ascii_case("chunked") || response.version() == Version::Http10 {
                return Err(BodyError::UnknownTransferEncoding);
            }
            BodyFraming::Chunked(ChunkedDecoder::new())
        } else {
            match response.content_length() {
                Some(left) => BodyFraming::Length { left },
                None => BodyFraming::UntilClose,
            }
        };
        Ok(Self { framing, failed: None })
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
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<&'i [u8]>, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match &mut self.framing {
            BodyFraming::Chunked(decoder) => {
                decoder.decode(input).inspect_err(|error| self.failed = Some(*error))
            }
            BodyFraming::Length { left } => Ok(split_data(input, left)),
            BodyFraming::UntilClose => Ok(Some(std::mem::take(input)).filter(|data| !data.is_empty())),
        }
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
    /// The connection ended before the body did.
    Incomplete,
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
