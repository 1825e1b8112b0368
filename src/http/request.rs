//! Requests, as a server reads them.

use std::ops::Range;

use super::framing::Framing;
use super::head::HeadScanner;
use super::target::Target;
use super::{Authority, HeadLimits, Headers, HttpError, query};

/// The head of an HTTP/1.1 request, checked, with its own copy of the text.
///
/// One that exists has exactly one valid Host, a target in a form that its method allows, and at most one way
/// to tell where its body ends. Made by [`Request::decode`], or by a [`RequestDecoder`] while bytes still
/// arrive.
///
/// RFC 9112 §3
///
/// ```
/// use talkback::http::{HeadLimits, Request};
///
/// let received = b"GET /socket?room=tea HTTP/1.1\r\nHost: chat.example\r\n\r\n\x81\x80";
/// let (request, head_len) = Request::decode(received, HeadLimits::default())?.expect("a whole head");
/// assert_eq!((request.method(), request.path(), request.query()), ("GET", "/socket", Some("room=tea")));
/// assert_eq!(request.authority().host(), "chat.example");
/// assert_eq!(&received[head_len..], b"\x81\x80");
/// # Ok::<(), talkback::http::HttpError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    target: String,
    /// Of `target`; empty where an absolute target has no path.
    path: Range<usize>,
    /// Of `target`, without the question mark.
    query: Option<Range<usize>>,
    host: String,
    port: Option<u16>,
    framing: Framing,
    headers: Headers,
}

impl Request {
    /// Reads a request from the start of `received`, together with the length of its head.
    ///
    /// For bytes that are all there; while they still arrive, a [`RequestDecoder`] spares looking at them
    /// again. What follows the head is left to the caller. Copies the head's text.
    ///
    /// `None` if the head is not whole yet, and not wrong so far.
    ///
    /// # Errors
    /// As [`RequestDecoder::decode`].
    pub fn decode(received: &[u8], limits: HeadLimits) -> Result<Option<(Self, usize)>, HttpError> {
        RequestDecoder::new(limits).decode(received)
    }

    /// The method, in the case in which it was sent: `GET` is one, `get` is another.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The target's path, not decoded and without the query; `/` where an absolute target has none, `*` for
    /// `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.target.get(self.path.clone()) {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// The target's query, not decoded, without the question mark; `None` if there is no question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.query.clone()?)
    }

    /// The first value of that name in the query, decoded: `+` is a space, `%` escapes are UTF-8, with U+FFFD
    /// for what is not.
    ///
    /// An escape that is malformed stands for itself, as in a browser's `URLSearchParams`. `None` if the name
    /// is not there.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<String> {
        query::value(self.query()?, name)
    }

    /// The host and port that the request is for, as Host says; an absolute target's authority is the same.
    #[must_use]
    pub const fn authority(&self) -> Authority<'_> {
        Authority::from_parts(self.host.as_str(), self.port)
    }

    /// The header fields, Host and all.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The length of the body in bytes; `None` if there is no Content-Length.
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        self.framing.content_length
    }

    /// Whether a body follows the head: a Content-Length above 0, or any Transfer-Encoding.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.framing.has_transfer_encoding || self.framing.content_length.is_some_and(|length| length > 0)
    }

    fn parse(head: &[u8], header_count: usize) -> Result<Self, HttpError> {
        let mut slots = vec![httparse::EMPTY_HEADER; header_count];
        let mut parsed = httparse::Request::new(&mut slots);
        let Ok(httparse::Status::Complete(_)) = parsed.parse(head) else { return Err(HttpError::Malformed) };
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(HttpError::Malformed);
        };

        let headers = Headers::from_parsed(parsed.headers);
        let parts = Target::decode(method, target).ok_or(HttpError::InvalidTargetForm)?;
        let authority = Authority::decode(host(&headers)?).ok_or(HttpError::InvalidHost)?;
        // The target's authority is the one that counts (RFC 9112 §3.2.2); two that differ are two readings
        // of one request.
        if parts.authority.is_some_and(|(other, default_port)| !other.is_same(authority, default_port)) {
            return Err(HttpError::HostMismatch);
        }
        Ok(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            path: parts.path,
            query: parts.query,
            host: authority.host().to_owned(),
            port: authority.port(),
            framing: Framing::decode(&headers)?,
            headers,
        })
    }
}

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
/// Host header field and to any request message that contains more than one Host header field line or a Host
/// header field with an invalid field value." -- RFC 9112 §3.2
fn host(headers: &Headers) -> Result<&str, HttpError> {
    headers.only("Host").map_err(|_| HttpError::InvalidHost)?.ok_or(HttpError::MissingHost)
}

/// Reads a request while its bytes arrive, looking at each byte once.
///
/// After every read, [`decode`](Self::decode) gets everything received since the request's start, one line in
/// the caller's loop. Holds no bytes itself.
///
/// ```
/// use talkback::http::{HeadLimits, RequestDecoder};
///
/// let stream = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// let mut decoder = RequestDecoder::new(HeadLimits::default());
/// let mut received = Vec::new();
/// let request = loop {
///     received.push(stream[received.len()]); // a very slow client
///     if let Some((request, _head_len)) = decoder.decode(&received)? {
///         break request;
///     }
/// };
/// assert_eq!(request.path(), "/");
/// # Ok::<(), talkback::http::HttpError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RequestDecoder {
    scanner: HeadScanner,
}

impl RequestDecoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { scanner: HeadScanner::request(limits) }
    }

    /// Looks at what is new in `received`, which is everything since the request's start, and reads the
    /// request once it is whole.
    ///
    /// Returns the request and the length of its head; what follows in `received` is left to the caller. The
    /// decoder is then as new, and expects the next request behind this one's body. Copies the head's text,
    /// once.
    ///
    /// `None` if the head is not whole yet, and not wrong so far.
    ///
    /// # Errors
    /// Raised at the first wrong byte, whatever follows; the same again for every later call.
    /// - [`HttpError::HeadTooLong`], [`HttpError::TooManyHeaders`], [`HttpError::TargetTooLong`]: past a
    ///   limit.
    /// - [`HttpError::UnsupportedVersion`]: any but HTTP/1.1.
    /// - [`HttpError::MissingHost`], [`HttpError::InvalidHost`], [`HttpError::HostMismatch`]: no host, or no
    ///   single one.
    /// - [`HttpError::InvalidContentLength`], [`HttpError::LengthWithTransferEncoding`]: the body's end is
    ///   not clear.
    /// - The others: not the syntax of RFC 9112.
    pub fn decode(&mut self, received: &[u8]) -> Result<Option<(Request, usize)>, HttpError> {
        self.scanner.decode(received, Request::parse)
    }
}
