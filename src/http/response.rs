//! Responses: built and written by a server, read by a client.

use std::borrow::Cow;

use super::framing::Framing;
use super::head::HeadScanner;
use super::headers::encode_field;
use super::{HeadLimits, HeaderError, Headers, HttpError, Status};

/// The versions of HTTP that a response may come in.
///
/// ```
/// use talkback::http::{HeadLimits, Response, Version};
///
/// let received = b"HTTP/1.0 200 OK\r\n\r\n";
/// let (response, _head_len) = Response::decode(received, HeadLimits::default())?.expect("a whole head");
/// assert_eq!(response.version(), Version::Http10);
/// # Ok::<(), talkback::http::HttpError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0, which has no upgrades.
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A response with a body of known length.
///
/// A server builds one and writes it with [`encode`](Self::encode). A client reads the head with a
/// [`ResponseDecoder`], and adds as much of the body as it cares for with [`body`](Self::body).
///
/// RFC 9112 §4
///
/// ```
/// use talkback::http::{Response, Status};
///
/// let mut output = Vec::new();
/// Response::new(Status::METHOD_NOT_ALLOWED).header("Allow", "GET")?.body("no\n").encode(&mut output);
/// assert_eq!(output, b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 3\r\n\r\nno\n");
/// # Ok::<(), talkback::http::HeaderError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    version: Version,
    status: Status,
    /// Has no control byte, and is ASCII.
    reason: Cow<'static, str>,
    headers: Headers,
    body: Vec<u8>,
}

impl Response {
    /// A response with the standard reason phrase, no headers and an empty body.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self {
            version: Version::Http11,
            status,
            reason: Cow::Borrowed(status.reason()),
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// A refusal: `why` and a line feed as plain text, and `Connection: close`. The caller closes the
    /// connection behind it.
    #[must_use]
    pub fn refusal(status: Status, why: &str) -> Self {
        let mut response = Self::new(status).body(format!("{why}\n"));
        response.headers.push("Content-Type", b"text/plain; charset=utf-8");
        response.headers.push("Connection", b"close");
        response
    }

    /// Adds a header behind those that are there; copies both.
    ///
    /// # Errors
    /// [`HeaderError::Reserved`] for Content-Length and Transfer-Encoding, [`HeaderError::InvalidName`] if
    /// the name is not a token, [`HeaderError::InvalidValue`] if the value holds a control byte other than a
    /// tab.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        if is_framing(name) {
            return Err(HeaderError::Reserved);
        }
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Adds a header that is made to be valid; one that isn't is left out.
    #[must_use]
    pub(crate) fn valid_header(mut self, name: &str, value: &str) -> Self {
        debug_assert!(!is_framing(name), "{name} is written by itself");
        self.headers.append(name, value).unwrap_or_default();
        self
    }

    /// Sets the body, in place of the one before.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Reads a response's head from the start of `received`, together with the head's length; its body is
    /// still empty.
    ///
    /// For bytes that are all there; while they still arrive, a [`ResponseDecoder`] spares looking at them
    /// again.
    ///
    /// `None` if the head is not whole yet, and not wrong so far.
    ///
    /// # Errors
    /// As [`ResponseDecoder::decode`].
    pub fn decode(received: &[u8], limits: HeadLimits) -> Result<Option<(Self, usize)>, HttpError> {
        ResponseDecoder::new(limits).decode(received)
    }

    /// The version that the response came in; one that is built here is HTTP/1.1.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The reason phrase, for people; empty if there was none, or none in ASCII.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The header fields; without Content-Length in a response that is being built.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// What the body holds, as far as it was set.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The length that the head of a received response announced, in bytes.
    ///
    /// `None` if it announced none: the body then ends with the connection, or is chunked.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        // It was checked when the head was decoded.
        Framing::decode(&self.headers).ok()?.content_length
    }

    /// Writes the whole response behind what is in `output`: status line, headers, Content-Length, body.
    ///
    /// A status that has no body (1xx, 204, 304) gets neither a Content-Length nor the body.
    pub fn encode(&self, output: &mut Vec<u8>) {
        self.encode_lines(output);
        if self.status.is_bodiless() {
            output.extend_from_slice(b"\r\n");
        } else {
            encode_field("Content-Length", self.body.len().to_string().as_bytes(), output);
            output.extend_from_slice(b"\r\n");
            output.extend_from_slice(&self.body);
        }
    }

    /// Writes the head alone, for a body in chunks (RFC 9112 §7.1) that the caller writes behind it.
    pub fn encode_chunked_head(&self, output: &mut Vec<u8>) {
        self.encode_lines(output);
        encode_field("Transfer-Encoding", b"chunked", output);
        output.extend_from_slice(b"\r\n");
    }

    fn encode_lines(&self, output: &mut Vec<u8>) {
        // "A server MUST send the space that separates the status-code from the reason-phrase even when the
        // reason-phrase is absent" -- RFC 9112 §4
        let line = format!("HTTP/1.1 {} {}\r\n", self.status.code(), self.reason);
        output.extend_from_slice(line.as_bytes());
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_framing(name)) {
            encode_field(name, value, output);
        }
    }

    fn parse(head: &[u8], header_count: usize) -> Result<Self, HttpError> {
        let mut slots = vec![httparse::EMPTY_HEADER; header_count];
        let mut parsed = httparse::Response::new(&mut slots);
        let Ok(httparse::Status::Complete(_)) = parsed.parse(head) else { return Err(HttpError::Malformed) };
        let headers = Headers::from_parsed(parsed.headers);
        Framing::decode(&headers)?;
        Ok(Self {
            version: if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 },
            status: parsed.code.and_then(Status::new).ok_or(HttpError::Malformed)?,
            reason: Cow::Owned(parsed.reason.unwrap_or_default().to_owned()),
            headers,
            body: Vec::new(),
        })
    }
}

/// The headers that follow from the body: a wrong one would let a body be read as the next response.
fn is_framing(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("Transfer-Encoding")
}

/// Reads a response's head while its bytes arrive, looking at each byte once.
///
/// After every read, [`decode`](Self::decode) gets everything received since the response's start. Holds no
/// bytes itself.
///
/// ```
/// use talkback::http::{HeadLimits, ResponseDecoder, Status};
///
/// let mut decoder = ResponseDecoder::new(HeadLimits::default());
/// assert!(decoder.decode(b"HTTP/1.1 101 Swi")?.is_none());
/// let received = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00";
/// let (response, head_len) = decoder.decode(received)?.expect("a whole head");
/// assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS);
/// assert_eq!(&received[head_len..], b"\x81\x00");
/// # Ok::<(), talkback::http::HttpError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResponseDecoder {
    scanner: HeadScanner,
}

impl ResponseDecoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { scanner: HeadScanner::response(limits) }
    }

    /// Looks at what is new in `received`, which is everything since the response's start, and reads the head
    /// once it is whole.
    ///
    /// Returns the response, its body still empty, and the length of its head; what follows in `received` is
    /// left to the caller. The decoder is then as new. Copies the head's text, once.
    ///
    /// `None` if the head is not whole yet, and not wrong so far.
    ///
    /// # Errors
    /// Raised at the first wrong byte, whatever follows; the same again for every later call.
    /// - [`HttpError::HeadTooLong`], [`HttpError::TooManyHeaders`]: past a limit.
    /// - [`HttpError::UnsupportedVersion`]: neither HTTP/1.0 nor HTTP/1.1.
    /// - [`HttpError::InvalidContentLength`], [`HttpError::LengthWithTransferEncoding`]: the body's end is
    ///   not clear.
    /// - The others: not the syntax of RFC 9112.
    pub fn decode(&mut self, received: &[u8]) -> Result<Option<(Response, usize)>, HttpError> {
        self.scanner.decode(received, Response::parse)
    }
}
