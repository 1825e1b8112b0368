//! Why a client is not, or no longer, connected to its room.

use std::sync::Arc;
use std::{fmt, io};

use super::ServerFault;
use crate::blocking::Error;
use crate::client::ConnectError;
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::ResponseError;
use crate::http::{Response, Status};

/// Why the connection to a room was lost, or there is none.
///
/// [`RoomReader::recv`](super::RoomReader::recv) comes back after those that are
/// [retryable](Self::is_retryable), and returns the others. Cloning it is cheap.
///
/// ```
/// use talkback::client::{ConnectError, UrlError};
/// use talkback::room::{ClientId, RoomClient, RoomClientError};
///
/// let error = RoomClient::new("http://localhost/", ClientId::new("ada")?).open().unwrap_err();
/// assert!(!error.is_retryable());
/// let RoomClientError::Connect(error) = error else { panic!("{error}") };
/// assert!(matches!(*error, ConnectError::Url(UrlError::UnknownScheme)));
/// # Ok::<(), talkback::room::IdError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RoomClientError {
    /// There was no connection: among other reasons, the server refused it.
    Connect(Arc<ConnectError>),
    /// The connection broke, fell silent, or the server broke the protocol of WebSocket.
    Lost(Arc<Error>),
    /// The server closed the connection; `None`: without saying why.
    Closed(Option<CloseFrame>),
    /// The server did what a room doesn't.
    Server(ServerFault),
    /// `count` attempts in a row failed, as many as
    /// [`RoomClient::max_attempt_count`](super::RoomClient::max_attempt_count) allows.
    TooManyAttempts {
        /// How many. With `Some(0)`: 0 where a connection that had lived ended, 1 where the first attempt failed.
        count: u32,
        /// Why the last one failed, or why the connection before them ended.
        last: Box<Self>,
    },
}

impl RoomClientError {
    /// Whether another attempt may succeed.
    ///
    /// Not after what says that the fault is ours: an address that can't be used; a status of 4xx other than
    /// 408 and 429; a close with 1002, 1003, 1007, 1008, 1009 or 1010.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => match &**error {
                ConnectError::Url(_) | ConnectError::Build(_) => false,
                ConnectError::Response(ResponseError::Refused(response)) => !is_our_fault(response.status()),
                ConnectError::Io(_)
                | ConnectError::ConnectTimeout
                | ConnectError::HandshakeTimeout
                | ConnectError::Disconnected
                | ConnectError::Response(_) => true,
            },
            Self::Closed(Some(close)) => !blames_us(close.code()),
            Self::Lost(_) | Self::Closed(None) | Self::Server(_) => true,
            Self::TooManyAttempts { .. } => false,
        }
    }

    /// The response of a server that refused the connection.
    pub(super) fn response(&self) -> Option<&Response> {
        let Self::Connect(error) = self else { return None };
        let ConnectError::Response(ResponseError::Refused(response)) = &**error else { return None };
        Some(response)
    }
}

fn is_our_fault(status: Status) -> bool {
    (400..500).contains(&status.code()) && !matches!(status.code(), 408 | 429)
}

fn blames_us(code: CloseCode) -> bool {
    [
        CloseCode::PROTOCOL_ERROR,
        CloseCode::UNSUPPORTED_DATA,
        CloseCode::INVALID_DATA,
        CloseCode::POLICY_VIOLATION,
        CloseCode::MESSAGE_TOO_BIG,
        CloseCode::MANDATORY_EXTENSION,
    ]
    .contains(&code)
}

impl fmt::Display for RoomClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Lost(error) => error.fmt(f),
            Self::Closed(Some(close)) => write!(f, "the server closed the connection: {close}"),
            Self::Closed(None) => f.write_str("the server closed the connection"),
            Self::Server(fault) => fault.fmt(f),
            Self::TooManyAttempts { count, last } => write!(f, "{count} attempts in a row failed: {last}"),
        }
    }
}

impl std::error::Error for RoomClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(&**error),
            Self::Lost(error) => Some(&**error),
            Self::Server(fault) => Some(fault),
            Self::TooManyAttempts { last, .. } => Some(last),
            Self::Closed(_) => None,
        }
    }
}

impl From<ConnectError> for RoomClientError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Arc::new(error))
    }
}

impl From<io::Error> for RoomClientError {
    fn from(error: io::Error) -> Self {
        ConnectError::Io(error).into()
    }
}

impl From<Error> for RoomClientError {
    fn from(error: Error) -> Self {
        Self::Lost(Arc::new(error))
    }
}

impl From<ServerFault> for RoomClientError {
    fn from(fault: ServerFault) -> Self {
        Self::Server(fault)
    }
}
