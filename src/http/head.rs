//! Finding the end of a head as its bytes arrive, and refusing at the first byte that is wrong.

use super::HttpError;
use super::syntax::{is_target_byte, is_token_byte, is_value_byte};

/// No registered method has more than 17 bytes; a longer word is somebody who speaks another protocol.
const MAX_METHOD_LEN: usize = 32;
const VERSION: &[u8; 8] = b"HTTP/1.1";

/// How much a head may take.
///
/// ```
/// use talkback::http::HeadLimits;
///
/// let limits = HeadLimits::default().max_head_len(4096);
/// assert_eq!(limits.max_head_len, 4096);
/// assert_eq!(limits.max_header_count, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Bytes of a whole head, its last empty line included. Default: 16 KiB.
    pub max_head_len: usize,
    /// Header fields. Default: 100.
    pub max_header_count: usize,
    /// Bytes of a request's target. Default: 8 KiB.
    pub max_target_len: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_head_len: 16 * 1024, max_header_count: 100, max_target_len: 8 * 1024 }
    }
}

impl HeadLimits {
    /// Sets the limit on a whole head, in bytes.
    #[must_use]
    pub const fn max_head_len(self, max_head_len: usize) -> Self {
        Self { max_head_len, ..self }
    }

    /// Sets the limit on the number of header fields.
    #[must_use]
    pub const fn max_header_count(self, max_header_count: usize) -> Self {
        Self { max_header_count, ..self }
    }

    /// Sets the limit on a request's target, in bytes.
    #[must_use]
    pub const fn max_target_len(self, max_target_len: usize) -> Self {
        Self { max_target_len, ..self }
    }
}

/// Where in the head the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestStart { after_empty_line: bool },
    Method { len: usize },
    Target { len: usize },
    RequestVersion { len: usize },
    ResponseVersion { len: usize },
    StatusCode { len: usize },
    Reason,
    FieldStart,
    FieldName,
    FieldValue,
    End,
}

/// Walks over a head once, byte by byte, however the bytes are cut.
///
/// It checks the bytes; what they mean together (Host, Content-Length, forms of the target) is checked once
/// the head is whole.
#[derive(Debug, Clone)]
pub(super) struct HeadScanner {
    limits: HeadLimits,
    start: Place,
    place: Place,
    /// The last byte was a carriage return: a line feed must follow.
    after_carriage_return: bool,
    /// How many bytes were looked at; never goes back.
    scanned_len: usize,
    header_count: usize,
    failed: Option<HttpError>,
    #[cfg(test)]
    step_count: usize,
}

impl HeadScanner {
    pub(super) const fn request(limits: HeadLimits) -> Self {
        Self::new(limits, Place::RequestStart { after_empty_line: false })
    }

    pub(super) const fn response(limits: HeadLimits) -> Self {
        Self::new(limits, Place::ResponseVersion { len: 0 })
    }

    const fn new(limits: HeadLimits, start: Place) -> Self {
        Self {
            limits,
            start,
            place: start,
            after_carriage_return: false,
            scanned_len: 0,
            header_count: 0,
            failed: None,
            #[cfg(test)]
            step_count: 0,
        }
    }

    /// Looks on, and has `parse` read the head, with its count of fields, once it is whole; begins anew
    /// behind it. After an error it says the same again.
    pub(super) fn decode<H>(
        &mut self,
        received: &[u8],
        parse: impl FnOnce(&[u8], usize) -> Result<H, HttpError>,
    ) -> Result<Option<(H, usize)>, HttpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let decoded = self.find(received).and_then(|found| {
            let Some(head_len) = found else { return Ok(None) };
            let head = received.get(..head_len).unwrap_or_default();
            Ok(Some((parse(head, self.header_count)?, head_len)))
        });
        match &decoded {
            Ok(Some(_)) => *self = Self::new(self.limits, self.start),
            Ok(None) => {}
            Err(error) => self.failed = Some(*error),
        }
        decoded
    }

    /// Looks at those bytes of `received` that it has not seen; `received` is everything since the head's
    /// start.
    ///
    /// Some(length of the head) as soon as its last byte is there, None before.
    fn find(&mut self, received: &[u8]) -> Result<Option<usize>, HttpError> {
        for &byte in received.get(self.scanned_len..).unwrap_or_default() {
            self.step(byte)?;
            self.scanned_len += 1;
            if self.place == Place::End {
                return Ok(Some(self.scanned_len));
            }
            // Known one byte before the limit is passed, so that a buffer of just this size is enough for a
            // caller.
            if self.scanned_len >= self.limits.max_head_len {
                return Err(HttpError::HeadTooLong { max: self.limits.max_head_len });
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<(), HttpError> {
        #[cfg(test)]
        {
            self.step_count += 1;
        }
        let at = self.scanned_len;
        // "A recipient of such a bare CR MUST consider that element to be invalid" -- RFC 9112 §2.2
        if self.after_carriage_return && byte != b'\n' {
            return Err(HttpError::BareCarriageReturn { at: at.saturating_sub(1) });
        }
        match byte {
            b'\n' if self.after_carriage_return => self.place = self.end_line(at)?,
            b'\n' => return Err(HttpError::BareLineFeed { at }),
            b'\r' => {}
            _ if !is_value_byte(byte) => return Err(HttpError::ControlByte { byte, at }),
            _ => self.place = self.step_in_line(byte, at)?,
        }
        self.after_carriage_return = byte == b'\r';
        Ok(())
    }

    /// The place behind a CRLF, where one may stand.
    const fn end_line(&self, at: usize) -> Result<Place, HttpError> {
        match self.place {
            // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one
            // empty line (CRLF) received prior to the request-line" -- RFC 9112 §2.2
            Place::RequestStart { after_empty_line: false } => {
                Ok(Place::RequestStart { after_empty_line: true })
            }
            Place::RequestStart { after_empty_line: true } => Err(HttpError::EmptyLines),
            Place::Method { .. } => Err(HttpError::InvalidMethod { at }),
            // A method and a target alone were a whole request of HTTP/0.9.
            Place::Target { len: 1.. } => Err(HttpError::UnsupportedVersion),
            Place::Target { .. } => Err(HttpError::InvalidTarget { at }),
            Place::RequestVersion { len } if len == VERSION.len() => Ok(Place::FieldStart),
            Place::RequestVersion { .. } => Err(HttpError::InvalidVersion { at }),
            // The space and the reason are left out by some servers, and mean nothing.
            Place::StatusCode { len: 3 } | Place::Reason => Ok(Place::FieldStart),
            Place::ResponseVersion { .. } | Place::StatusCode { .. } => {
                Err(HttpError::InvalidStatusLine { at })
            }
            Place::FieldStart | Place::End => Ok(Place::End),
            Place::FieldName => Err(HttpError::MissingColon { at }),
            Place::FieldValue => Ok(Place::FieldStart),
        }
    }

    fn step_in_line(&mut self, byte: u8, at: usize) -> Result<Place, HttpError> {
        match self.place {
            Place::RequestStart { .. } => self.step_in_method(0, byte, at),
            Place::Method { len } => self.step_in_method(len, byte, at),
            Place::Target { len } => self.step_in_target(len, byte, at),
            Place::RequestVersion { len } => step_in_request_version(len, byte, at),
            Place::ResponseVersion { len } => step_in_response_version(len, byte, at),
            Place::StatusCode { len } => step_in_status_code(len, byte, at),
            Place::Reason => Ok(Place::Reason),
            Place::FieldStart | Place::FieldName => self.step_in_field_name(byte, at),
            Place::FieldValue => Ok(Place::FieldValue),
            Place::End => Ok(Place::End),
        }
    }

    const fn step_in_method(&self, len: usize, byte: u8, at: usize) -> Result<Place, HttpError> {
        match byte {
            b' ' if len > 0 => Ok(Place::Target { len: 0 }),
            _ if is_token_byte(byte) && len < MAX_METHOD_LEN => Ok(Place::Method { len: len + 1 }),
            _ => Err(HttpError::InvalidMethod { at }),
        }
    }

    const fn step_in_target(&self, len: usize, byte: u8, at: usize) -> Result<Place, HttpError> {
        match byte {
            b' ' if len > 0 => Ok(Place::RequestVersion { len: 0 }),
            _ if !is_target_byte(byte) => Err(HttpError::InvalidTarget { at }),
            _ if len >= self.limits.max_target_len => {
                Err(HttpError::TargetTooLong { max: self.limits.max_target_len })
            }
            _ => Ok(Place::Target { len: len + 1 }),
        }
    }

    fn step_in_field_name(&mut self, byte: u8, at: usize) -> Result<Place, HttpError> {
        let is_first = self.place == Place::FieldStart;
        match byte {
            // "A server that receives an obs-fold in a request message ... MUST either reject the message by
            // sending a 400 (Bad Request) ..." -- RFC 9112 §5.2
            b' ' | b'\t' if is_first => Err(HttpError::FoldedLine { at }),
            // "A server MUST reject, with a response status code of 400 (Bad Request), any received request
            // message that contains whitespace between a header field name and colon." -- RFC 9112 §5.1
            b' ' | b'\t' => Err(HttpError::SpaceBeforeColon { at }),
            b':' if !is_first => Ok(Place::FieldValue),
            _ if !is_token_byte(byte) => Err(HttpError::InvalidHeaderName { at }),
            _ if is_first && self.header_count >= self.limits.max_header_count => {
                Err(HttpError::TooManyHeaders { max: self.limits.max_header_count })
            }
            _ => {
                self.header_count += usize::from(is_first);
                Ok(Place::FieldName)
            }
        }
    }
}

fn step_in_request_version(len: usize, byte: u8, at: usize) -> Result<Place, HttpError> {
    match VERSION.get(len) {
        Some(&expected) if expected == byte => Ok(Place::RequestVersion { len: len + 1 }),
        Some(expected) if expected.is_ascii_digit() && byte.is_ascii_digit() => {
            Err(HttpError::UnsupportedVersion)
        }
        _ => Err(HttpError::InvalidVersion { at }),
    }
}

/// As in a request, but that HTTP/1.0 may answer too: such a response is read, if only to be shown in an
/// error.
fn step_in_response_version(len: usize, byte: u8, at: usize) -> Result<Place, HttpError> {
    match VERSION.get(len) {
        None if byte == b' ' => Ok(Place::StatusCode { len: 0 }),
        Some(&expected) if expected == byte => Ok(Place::ResponseVersion { len: len + 1 }),
        Some(_) if len + 1 == VERSION.len() && byte == b'0' => Ok(Place::ResponseVersion { len: len + 1 }),
        Some(expected) if expected.is_ascii_digit() && byte.is_ascii_digit() => {
            Err(HttpError::UnsupportedVersion)
        }
        _ => Err(HttpError::InvalidStatusLine { at }),
    }
}

const fn step_in_status_code(len: usize, byte: u8, at: usize) -> Result<Place, HttpError> {
    match (len, byte) {
        (0, b'1'..=b'9') | (1..=2, b'0'..=b'9') => Ok(Place::StatusCode { len: len + 1 }),
        (3, b' ') => Ok(Place::Reason),
        _ => Err(HttpError::InvalidStatusLine { at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_bytewise(scanner: &mut HeadScanner, bytes: &[u8]) -> Result<Option<usize>, (usize, HttpError)> {
        for len in 1..=bytes.len() {
            match scanner.find(&bytes[..len]) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => return Err((len, error)),
            }
        }
        Ok(None)
    }

    #[test]
    fn each_byte_is_looked_at_once() {
        let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
        head.resize(16 * 1024 - 4, b'x');
        head.extend_from_slice(b"\r\n\r\n");
        let mut scanner = HeadScanner::request(HeadLimits::default());
        assert_eq!(scan_bytewise(&mut scanner, &head), Ok(Some(16 * 1024)));
        assert_eq!(scanner.step_count, 16 * 1024);
    }

    #[test]
    fn what_follows_the_head_is_not_looked_at() {
        let mut scanner = HeadScanner::request(HeadLimits::default());
        let received = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x82\x00\n\n";
        assert_eq!(scanner.find(received), Ok(Some(received.len() - 4)));
        assert_eq!(scanner.header_count, 1);
    }

    #[test]
    fn a_buffer_that_shrank_is_no_panic() {
        let mut scanner = HeadScanner::request(HeadLimits::default());
        assert_eq!(scanner.find(b"GET / HT"), Ok(None));
        assert_eq!(scanner.find(b"GE"), Ok(None));
    }

    /// The last byte of each is the one that must be refused, and not a byte later.
    #[test]
    fn requests_are_refused_at_the_first_wrong_byte() {
        let cases: &[(&[u8], HttpError)] = &[
            (b"\x16", HttpError::ControlByte { byte: 0x16, at: 0 }),
            (b" ", HttpError::InvalidMethod { at: 0 }),
            (b"\x80", HttpError::InvalidMethod { at: 0 }),
            (b"{", HttpError::InvalidMethod { at: 0 }),
            (b"\n", HttpError::BareLineFeed { at: 0 }),
            (b"\r\r", HttpError::BareCarriageReturn { at: 0 }),
            (b"\r\n\r\n", HttpError::EmptyLines),
            (b"G\r\n", HttpError::InvalidMethod { at: 2 }),
            (b"GET\t", HttpError::InvalidMethod { at: 3 }),
            (b"GET  ", HttpError::InvalidTarget { at: 4 }),
            (b"GET \r\n", HttpError::InvalidTarget { at: 5 }),
            (b"GET /#", HttpError::InvalidTarget { at: 5 }),
            (b"GET /\x7f", HttpError::ControlByte { byte: 0x7f, at: 5 }),
            (b"GET /\xc3", HttpError::InvalidTarget { at: 5 }),
            (b"GET /\r\n", HttpError::UnsupportedVersion),
            (b"GET /\n", HttpError::BareLineFeed { at: 5 }),
            (b"GET / \r\n", HttpError::InvalidVersion { at: 7 }),
            (b"GET / h", HttpError::InvalidVersion { at: 6 }),
            (b"GET / HTTP/0", HttpError::UnsupportedVersion),
            (b"GET / HTTP/1.0", HttpError::UnsupportedVersion),
            (b"PRI * HTTP/2", HttpError::UnsupportedVersion),
            (b"GET / HTTP/1.1 ", HttpError::InvalidVersion { at: 14 }),
            (b"GET / HTTP/1.1\n", HttpError::BareLineFeed { at: 14 }),
            (b"GET / HTTP/1.1\r\n ", HttpError::FoldedLine { at: 16 }),
            (b"GET / HTTP/1.1\r\n:", HttpError::InvalidHeaderName { at: 16 }),
            (b"GET / HTTP/1.1\r\nA\r\n", HttpError::MissingColon { at: 18 }),
            (b"GET / HTTP/1.1\r\nA ", HttpError::SpaceBeforeColon { at: 17 }),
            (b"GET / HTTP/1.1\r\nA\t", HttpError::SpaceBeforeColon { at: 17 }),
            (b"GET / HTTP/1.1\r\nA\xe4", HttpError::InvalidHeaderName { at: 17 }),
            (b"GET / HTTP/1.1\r\nA:\0", HttpError::ControlByte { byte: 0, at: 18 }),
            (b"GET / HTTP/1.1\r\nA: b\n", HttpError::BareLineFeed { at: 20 }),
            (b"GET / HTTP/1.1\r\nA: b\rc", HttpError::BareCarriageReturn { at: 20 }),
            (b"GET / HTTP/1.1\r\nA: b\r\n\t", HttpError::FoldedLine { at: 22 }),
            (b"GET / HTTP/1.1\r\nA: b\r\n\n", HttpError::BareLineFeed { at: 22 }),
        ];
        for (bytes, error) in cases {
            let mut scanner = HeadScanner::request(HeadLimits::default());
            assert_eq!(
                scan_bytewise(&mut scanner, bytes),
                Err((bytes.len(), *error)),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn responses_are_refused_at_the_first_wrong_byte() {
        let cases: &[(&[u8], HttpError)] = &[
            (b"\r\n", HttpError::InvalidStatusLine { at: 1 }),
            (b"x", HttpError::InvalidStatusLine { at: 0 }),
            (b"\x15", HttpError::ControlByte { byte: 0x15, at: 0 }),
            (b"HTTP/2", HttpError::UnsupportedVersion),
            (b"HTTP/1.2", HttpError::UnsupportedVersion),
            (b"HTTP/1.10", HttpError::InvalidStatusLine { at: 8 }),
            (b"HTTP/1.1 0", HttpError::InvalidStatusLine { at: 9 }),
            (b"HTTP/1.1 10\r\n", HttpError::InvalidStatusLine { at: 12 }),
            (b"HTTP/1.1 1010", HttpError::InvalidStatusLine { at: 12 }),
            (b"HTTP/1.1 101 a\n", HttpError::BareLineFeed { at: 14 }),
            (b"HTTP/1.1 101 a\r\n b", HttpError::FoldedLine { at: 16 }),
        ];
        for (bytes, error) in cases {
            let mut scanner = HeadScanner::response(HeadLimits::default());
            let seen = scan_bytewise(&mut scanner, bytes).unwrap_err();
            assert_eq!(seen.1, *error, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_tab_and_bytes_beyond_ascii_may_stand_in_a_value() {
        let mut scanner = HeadScanner::request(HeadLimits::default());
        let head = b"GET / HTTP/1.1\r\nA:\tb\t\xe4\xff\r\n\r\n";
        assert_eq!(scan_bytewise(&mut scanner, head), Ok(Some(head.len())));
    }

    #[test]
    fn a_method_of_32_bytes_passes_and_of_33_does_not() {
        let mut scanner = HeadScanner::request(HeadLimits::default());
        assert_eq!(scanner.find(&[b'A'; 32]), Ok(None));
        assert_eq!(scanner.find(&[b'A'; 33]), Err(HttpError::InvalidMethod { at: 32 }));
    }
}
