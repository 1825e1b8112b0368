//! Why there are no more events.

use std::sync::Arc;
use std::{fmt, io};

use super::UrlError;
use super::tcp::TcpError;
use crate::blocking::HeadError;
use crate::http::{BodyError, HeaderError, HttpError, Response};
use crate::sse::{MEDIA_TYPE, ParseError};

/// Why an event source has ended, or could not begin.
///
/// [`EventSource::recv`](super::EventSource::recv) connects again after what
/// [is a network error](Self::is_network_error), and returns the others.
///
/// ```
/// use talkback::client::{EventSource, EventSourceError, UrlError};
///
/// let error = EventSource::connect("https://localhost/events").unwrap_err();
/// assert!(matches!(error, EventSourceError::Url(UrlError::TlsNotBuiltIn)));
/// assert!(!error.is_network_error());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum EventSourceError {
    /// The address can't be used. Nothing was sent.
    Url(UrlError),
    /// A header's name or value has bytes that it can't have, such as CR, LF or NUL. Nothing was sent.
    Header(HeaderError),
    /// A header that the event source sets itself, see [`Subscribe::header`](super::Subscribe::header).
    /// Nothing was sent.
    ReservedHeader,
    /// The last event id, of the caller or of the server, can't be sent: it has control characters.
    InvalidLastEventId,
    /// The host's address wasn't found, every address refused, or the stream failed.
    Io(Arc<io::Error>),
    /// No TCP connection within [`Subscribe::connect_timeout`](super::Subscribe::connect_timeout).
    ConnectTimeout,
    /// No response within [`Subscribe::response_timeout`](super::Subscribe::response_timeout).
    ResponseTimeout,
    /// Nothing came for [`Subscribe::idle_timeout`](super::Subscribe::idle_timeout).
    IdleTimeout,
    /// The server ended the stream, or TCP before its response was complete.
    Disconnected,
    /// What came is no acceptable HTTP response.
    Http(HttpError),
    /// The framing of the response's body is broken, or the body was cut off.
    Body(BodyError),
    /// Another status than 200 and 204, or a redirect that leads nowhere: the response, with up to 4 KiB of
    /// its body.
    Refused(Box<Response>),
    /// The content isn't `text/event-stream`, or is encoded: the response, without its body.
    ContentType(Box<Response>),
    /// A redirect leads to what can't be used.
    Redirect(UrlError),
    /// There are more redirects than [`Subscribe::max_redirect_count`](super::Subscribe::max_redirect_count).
    TooManyRedirects {
        /// The limit.
        max: u32,
    },
    /// A line, an event or an id is too long.
    Parse(ParseError),
    /// `count` attempts in a row failed, as many as
    /// [`Subscribe::max_attempt_count`](super::Subscribe::max_attempt_count) allows.
    TooManyAttempts {
        /// How many. With `Some(0)`: 0 where a stream that had lived ended, 1 where the first attempt failed.
        count: u32,
        /// Why the last one failed, or why the stream before them ended.
        last: Box<Self>,
    },
}

impl EventSourceError {
    /// Whether it is what the standard calls a network error, after which another attempt may succeed.
    ///
    /// WHATWG HTML §9.2.3
    #[must_use]
    pub const fn is_network_error(&self) -> bool {
        match self {
            // "reestablish the connection, unless the user agent knows that to be futile" -- WHATWG HTML
            // §9.2.3
            Self::Body(BodyError::UnknownTransferEncoding) => false,
            Self::Io(_)
            | Self::ConnectTimeout
            | Self::ResponseTimeout
            | Self::IdleTimeout
            | Self::Disconnected
            | Self::Http(_)
            | Self::Body(_) => true,
            Self::Url(_)
            | Self::Header(_)
            | Self::ReservedHeader
            | Self::InvalidLastEventId
            | Self::Refused(_)
            | Self::ContentType(_)
            | Self::Redirect(_)
            | Self::TooManyRedirects { .. }
            | Self::Parse(_)
            | Self::TooManyAttempts { .. } => false,
        }
    }
}

impl fmt::Display for EventSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::ReservedHeader => f.write_str("this header is set by the event source itself"),
            Self::InvalidLastEventId => f.write_str("the last event id has control characters"),
            Self::Io(error) => error.fmt(f),
            Self::ConnectTimeout => f.write_str("no TCP connection in time"),
            Self::ResponseTimeout => f.write_str("no response in time"),
            Self::IdleTimeout => f.write_str("the server was silent for too long"),
            Self::Disconnected => f.write_str("the server ended the connection"),
            Self::Http(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
            Self::Refused(response) => write!(f, "the server answered {}", response.status()),
            Self::ContentType(response) => {
                write!(f, "the server answered {}, but not with a plain {MEDIA_TYPE}", response.status())
            }
            Self::Redirect(error) => write!(f, "redirected: {error}"),
            Self::TooManyRedirects { max } => write!(f, "more than {max} redirects"),
            Self::Parse(error) => error.fmt(f),
            Self::TooManyAttempts { count, last } => write!(f, "{count} attempts in a row failed: {last}"),
        }
    }
}

impl std::error::Error for EventSourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(error) | Self::Redirect(error) => Some(error),
            Self::Header(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Body(error) => Some(error),
            Self::Parse(error) => Some(error),
            Self::TooManyAttempts { last, .. } => Some(last),
            Self::ReservedHeader
            | Self::InvalidLastEventId
            | Self::ConnectTimeout
            | Self::ResponseTimeout
            | Self::IdleTimeout
            | Self::Disconnected
            | Self::Refused(_)
            | Self::ContentType(_)
            | Self::TooManyRedirects { .. } => None,
        }
    }
}

impl From<HeaderError> for EventSourceError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl From<io::Error> for EventSourceError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<TcpError> for EventSourceError {
    fn from(error: TcpError) -> Self {
        match error {
            TcpError::Timeout => Self::ConnectTimeout,
            TcpError::Io(error) => error.into(),
        }
    }
}

impl From<HeadError> for EventSourceError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Http(error) => Self::Http(error),
            HeadError::Closed => Self::Disconnected,
            HeadError::Timeout => Self::ResponseTimeout,
            HeadError::Io(error) => error.into(),
        }
    }
}

impl From<BodyError> for EventSourceError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ParseError> for EventSourceError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}
