//! How a blocking call can fail.

use std::{fmt, io};

use crate::protocol::{ProtocolError, SendError};

/// What a deadline was for.
///
/// ```
/// use talkback::blocking::{Error, Wait};
///
/// assert_eq!(Error::Timeout(Wait::Idle).to_string(), "the peer was silent for too long");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// `set_recv_timeout`: no message came. The connection is as it was: call again.
    Recv,
    /// `Config::idle_timeout`: nothing came, not even a pong.
    Idle,
    /// `Config::write_timeout`: the peer took nothing of what was written.
    Write,
    /// `Config::close_timeout`: our close was not answered.
    Close,
}

/// Why a call on an open connection failed.
///
/// After [`Protocol`](Self::Protocol), [`Disconnected`](Self::Disconnected), most of
/// [`Timeout`](Self::Timeout) and most of [`Io`](Self::Io) the connection is over, TCP is
/// ended, and each later call returns the same. Where [`is_retryable`](Self::is_retryable)
/// says so, and after [`Send`](Self::Send), it goes on.
///
/// ```
/// use std::io;
/// use talkback::blocking::{Error, Wait};
///
/// assert!(Error::Io(io::ErrorKind::WouldBlock.into()).is_retryable());
/// assert!(Error::Timeout(Wait::Recv).is_retryable());
/// assert!(!Error::Disconnected.is_retryable());
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// The peer broke the protocol or a limit. It was told so by a close.
    Protocol(ProtocolError),
    /// The message can't be sent now. Nothing of it was.
    Send(SendError),
    /// TCP ended, or was reset, without a close: what other APIs call 1006.
    Disconnected,
    /// A deadline passed.
    Timeout(Wait),
    /// The stream failed.
    Io(io::Error),
}

impl Error {
    /// Whether nothing was lost and the same call can be made again: the stream said
    /// `WouldBlock`, or no message came in time.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout(wait) => *wait == Wait::Recv,
            Self::Io(error) => error.kind() == io::ErrorKind::WouldBlock,
            Self::Protocol(_) | Self::Send(_) | Self::Disconnected => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Disconnected => f.write_str("the connection was lost"),
            Self::Timeout(Wait::Recv) => f.write_str("no message came in time"),
            Self::Timeout(Wait::Idle) => f.write_str("the peer was silent for too long"),
            Self::Timeout(Wait::Write) => f.write_str("the peer took nothing for too long"),
            Self::Timeout(Wait::Close) => f.write_str("the peer did not answer the close in time"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Disconnected | Self::Timeout(_) => None,
        }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<io::Error> for Error {
    /// An end of the stream, however the system calls it, is [`Error::Disconnected`].
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::WriteZero
            | io::ErrorKind::UnexpectedEof => Self::Disconnected,
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    /// For [`MessageReader`](super::MessageReader) and [`MessageWriter`](super::MessageWriter),
    /// whose traits ask for it; the error is the source.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(error) => error.kind(),
            Error::Timeout(Wait::Recv) => io::ErrorKind::WouldBlock,
            Error::Timeout(_) => io::ErrorKind::TimedOut,
            Error::Disconnected => io::ErrorKind::UnexpectedEof,
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            Error::Send(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// An error that ended a connection, to be told again by each later call.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Protocol(ProtocolError),
    Disconnected,
    Timeout(Wait),
    Io(io::ErrorKind),
}

impl Failure {
    /// What to keep of `error`; `None` where the connection goes on.
    pub(super) fn of(error: &Error) -> Option<Self> {
        if error.is_retryable() {
            return None;
        }
        Some(match error {
            Error::Protocol(error) => Self::Protocol(error.clone()),
            Error::Send(_) => return None,
            Error::Disconnected => Self::Disconnected,
            Error::Timeout(wait) => Self::Timeout(*wait),
            Error::Io(error) => Self::Io(error.kind()),
        })
    }

    pub(super) fn error(&self) -> Error {
        match self {
            Self::Protocol(error) => Error::Protocol(error.clone()),
            Self::Disconnected => Error::Disconnected,
            Self::Timeout(wait) => Error::Timeout(*wait),
            Self::Io(kind) => Error::Io((*kind).into()),
        }
    }
}
