//! Why a request came to nothing.

use std::{fmt, io};

use crate::handshake::HandshakeError;
use crate::http::Status;

/// Why a server has no connection. The client was answered where it could be, and TCP ended.
///
/// ```
/// use std::io::Cursor;
/// use talkback::blocking::Untimed;
/// use talkback::handshake::HandshakeError;
/// use talkback::server::AcceptError;
///
/// let request = Cursor::new(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
/// let error = talkback::accept(Untimed(request)).unwrap_err();
/// assert!(matches!(error, AcceptError::Handshake(HandshakeError::NotAnUpgrade)));
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum AcceptError {
    /// The request can't be upgraded; the client was told why.
    Handshake(HandshakeError),
    /// The caller's own code refused with this status.
    Refused(Status),
    /// The request was not complete within
    /// [`Accept::handshake_timeout`](super::Accept::handshake_timeout); answered 408.
    Timeout,
    /// The client ended TCP before its request was complete.
    Disconnected,
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Refused(status) => write!(f, "the request was refused with {status}"),
            Self::Timeout => f.write_str("the request was not complete in time"),
            Self::Disconnected => f.write_str("the client ended the connection during the handshake"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Handshake(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Refused(_) | Self::Timeout | Self::Disconnected => None,
        }
    }
}

impl From<HandshakeError> for AcceptError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
