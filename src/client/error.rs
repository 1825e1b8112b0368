//! Why there is no connection.

use std::{fmt, io};

use super::UrlError;
use super::tcp::TcpError;
use crate::handshake::{BuildError, ResponseError};

/// Why a client could not connect. Nothing is left open.
///
/// ```
/// use talkback::client::{ConnectError, UrlError};
///
/// let error = talkback::connect("localhost:8080").unwrap_err();
/// assert!(matches!(error, ConnectError::Url(UrlError::MissingScheme)));
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum ConnectError {
    /// The address can't be used. Nothing was sent.
    Url(UrlError),
    /// A header or subprotocol can't be used. Nothing was sent.
    Build(BuildError),
    /// The host's address wasn't found, or every address refused.
    Io(io::Error),
    /// No TCP connection within [`Connect::connect_timeout`](super::Connect::connect_timeout).
    ConnectTimeout,
    /// No response within [`Connect::handshake_timeout`](super::Connect::handshake_timeout).
    HandshakeTimeout,
    /// The server ended TCP before its response was complete.
    Disconnected,
    /// The server's response opens no connection.
    Response(ResponseError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Build(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::ConnectTimeout => f.write_str("no TCP connection in time"),
            Self::HandshakeTimeout => f.write_str("no response to the handshake in time"),
            Self::Disconnected => f.write_str("the server ended the connection during the handshake"),
            Self::Response(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Build(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Response(error) => Some(error),
            Self::ConnectTimeout | Self::HandshakeTimeout | Self::Disconnected => None,
        }
    }
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<TcpError> for ConnectError {
    fn from(error: TcpError) -> Self {
        match error {
            TcpError::Timeout => Self::ConnectTimeout,
            TcpError::Io(error) => Self::Io(error),
        }
    }
}

impl From<BuildError> for ConnectError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<ResponseError> for ConnectError {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
