//! What can be wrong with a head, and whose fault it is.

use std::{error, fmt};

use super::Status;

/// What the peer did wrong in a head: the first wrong byte, or the first rule that the whole head breaks.
///
/// A server answers it with [`HttpError::status`] and closes; a client only closes. Offsets (`at`) count
/// bytes from the start of the head.
///
/// ```
/// use talkback::http::{HeadLimits, HttpError, Request, Status};
///
/// let error = Request::decode(b"GET / HTTP/1.1\n", HeadLimits::default()).unwrap_err();
/// assert_eq!(error, HttpError::BareLineFeed { at: 14 });
/// assert_eq!(error.status(), Status::BAD_REQUEST);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The head does not end within `max` bytes.
    HeadTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// The head has more than `max` header fields.
    TooManyHeaders {
        /// The limit, in fields.
        max: usize,
    },
    /// The target of the request is longer than `max` bytes.
    TargetTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// The version is a well-formed one that is not spoken here: HTTP/1.0 or 0.9 of a request, HTTP/2.0.
    UnsupportedVersion,
    /// What stands in the version's place is no version.
    InvalidVersion {
        /// Where the wrong byte is.
        at: usize,
    },
    /// The request does not begin with a method and one space.
    InvalidMethod {
        /// Where the wrong byte is.
        at: usize,
    },
    /// The target holds a byte that it must not (a fragment, or not visible ASCII), or is empty.
    InvalidTarget {
        /// Where the wrong byte is.
        at: usize,
    },
    /// The target is in a form that the method does not have, or its authority is malformed.
    InvalidTargetForm,
    /// The response does not begin with a version, three digits and a reason.
    InvalidStatusLine {
        /// Where the wrong byte is.
        at: usize,
    },
    /// More empty lines before the request than the one that is allowed.
    EmptyLines,
    /// A line feed without a carriage return before it.
    BareLineFeed {
        /// Where it is.
        at: usize,
    },
    /// A carriage return without a line feed behind it.
    BareCarriageReturn {
        /// Where it is.
        at: usize,
    },
    /// A control byte; only a tab may stand in a value.
    ControlByte {
        /// The byte.
        byte: u8,
        /// Where it is.
        at: usize,
    },
    /// A line that begins with white space, which once continued the line before.
    FoldedLine {
        /// Where it begins.
        at: usize,
    },
    /// White space between a header's name and its colon.
    SpaceBeforeColon {
        /// Where it is.
        at: usize,
    },
    /// A byte that no header name may have, or a name that is empty.
    InvalidHeaderName {
        /// Where the byte is.
        at: usize,
    },
    /// A header line that ends before its colon.
    MissingColon {
        /// Where it ends.
        at: usize,
    },
    /// A head that the parser refuses for a reason that is none of the others.
    Malformed,
    /// The request has no Host.
    MissingHost,
    /// The Host is not a host with an optional port, or stands there twice.
    InvalidHost,
    /// The target bears an authority that is not the one of Host.
    HostMismatch,
    /// A Content-Length that is not digits alone, is too large to count, or differs from another one.
    InvalidContentLength,
    /// Content-Length and Transfer-Encoding together: two opinions on where the body ends.
    LengthWithTransferEncoding,
    /// A header that may stand once only stands there `count` times.
    RepeatedHeader {
        /// How often it stands there.
        count: usize,
    },
    /// A header that is needed as text has bytes beyond ASCII.
    NotAscii,
    /// An element of a list of tokens is not a token.
    InvalidToken,
}

impl HttpError {
    /// The status to answer with: 400, 414, 431 or 505, and 502 for what only a response can get wrong.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::HeadTooLong { .. } | Self::TooManyHeaders { .. } => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong { .. } => Status::URI_TOO_LONG,
            Self::UnsupportedVersion => Status::HTTP_VERSION_NOT_SUPPORTED,
            Self::InvalidStatusLine { .. } => Status::BAD_GATEWAY,
            Self::InvalidVersion { .. }
            | Self::InvalidMethod { .. }
            | Self::InvalidTarget { .. }
            | Self::InvalidTargetForm
            | Self::EmptyLines
            | Self::BareLineFeed { .. }
            | Self::BareCarriageReturn { .. }
            | Self::ControlByte { .. }
            | Self::FoldedLine { .. }
            | Self::SpaceBeforeColon { .. }
            | Self::InvalidHeaderName { .. }
            | Self::MissingColon { .. }
            | Self::Malformed
            | Self::MissingHost
            | Self::InvalidHost
            | Self::HostMismatch
            | Self::InvalidContentLength
            | Self::LengthWithTransferEncoding
            | Self::RepeatedHeader { .. }
            | Self::NotAscii
            | Self::InvalidToken => Status::BAD_REQUEST,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLong { max } => write!(formatter, "head does not end within {max} bytes"),
            Self::TooManyHeaders { max } => write!(formatter, "more than {max} header fields"),
            Self::TargetTooLong { max } => write!(formatter, "target longer than {max} bytes"),
            Self::UnsupportedVersion => write!(formatter, "not HTTP/1.1"),
            Self::InvalidVersion { at } => write!(formatter, "malformed HTTP version at byte {at}"),
            Self::InvalidMethod { at } => write!(formatter, "malformed method at byte {at}"),
            Self::InvalidTarget { at } => write!(formatter, "malformed target at byte {at}"),
            Self::InvalidTargetForm => write!(formatter, "target in a form that the method does not have"),
            Self::InvalidStatusLine { at } => write!(formatter, "malformed status line at byte {at}"),
            Self::EmptyLines => write!(formatter, "empty lines before the request"),
            Self::BareLineFeed { at } => write!(formatter, "line feed without carriage return at byte {at}"),
            Self::BareCarriageReturn { at } => {
                write!(formatter, "carriage return without line feed at byte {at}")
            }
            Self::ControlByte { byte, at } => write!(formatter, "control byte {byte:#04x} at byte {at}"),
            Self::FoldedLine { at } => write!(formatter, "line begins with white space at byte {at}"),
            Self::SpaceBeforeColon { at } => write!(formatter, "white space before the colon at byte {at}"),
            Self::InvalidHeaderName { at } => write!(formatter, "malformed header name at byte {at}"),
            Self::MissingColon { at } => write!(formatter, "header line without a colon ends at byte {at}"),
            Self::Malformed => write!(formatter, "malformed head"),
            Self::MissingHost => write!(formatter, "no Host header"),
            Self::InvalidHost => write!(formatter, "malformed or repeated Host header"),
            Self::HostMismatch => write!(formatter, "the target's authority differs from Host"),
            Self::InvalidContentLength => write!(formatter, "malformed or contradictory Content-Length"),
            Self::LengthWithTransferEncoding => {
                write!(formatter, "Content-Length together with Transfer-Encoding")
            }
            Self::RepeatedHeader { count } => {
                write!(formatter, "header stands {count} times, may stand once")
            }
            Self::NotAscii => write!(formatter, "header value is not visible ASCII"),
            Self::InvalidToken => write!(formatter, "list element is not a token"),
        }
    }
}

impl error::Error for HttpError {}

/// Why a header was not added to a head that is being built: the caller's fault, and nothing was written.
///
/// ```
/// use talkback::http::{HeaderError, Headers};
///
/// let mut headers = Headers::new();
/// let error = headers.append("X-Name", "a\r\nSet-Cookie: b").unwrap_err();
/// assert_eq!(error, HeaderError::InvalidValue { at: 1 });
/// assert!(headers.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token.
    InvalidName,
    /// The value holds a carriage return, a line feed, NUL or another control byte.
    InvalidValue {
        /// The offset of the byte in the value.
        at: usize,
    },
    /// Content-Length and Transfer-Encoding follow from the body and are not the caller's to set.
    Reserved,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => write!(formatter, "header name is not a token"),
            Self::InvalidValue { at } => write!(formatter, "control byte in a header value at byte {at}"),
            Self::Reserved => write!(formatter, "the body's length is not set by a header"),
        }
    }
}

impl error::Error for HeaderError {}
