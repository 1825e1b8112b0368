//! What a server of a room can do wrong.

use std::fmt;

use crate::frame::CloseCode;

/// What the server did is not what a room does. The client tells it so by a close, and comes back: it is at
/// its own place in the log, and nothing is lost.
///
/// ```
/// use talkback::frame::CloseCode;
/// use talkback::room::ServerFault;
///
/// assert_eq!(ServerFault::InvalidJson.close_code(), CloseCode::INVALID_DATA);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFault {
    /// A binary message: all are text.
    Binary,
    /// A message that is no JSON object.
    InvalidJson,
    /// An object of a known kind without what belongs into it.
    InvalidObject,
    /// A message that was sent was neither acknowledged nor refused within
    /// [`RoomClient::answer_timeout`](super::RoomClient::answer_timeout). It is sent again.
    Unanswered,
    /// A publication, or a place, of another log, without a gap before it.
    UntoldEpoch {
        /// The epoch of the log that the client reads.
        known: u64,
        /// The other one.
        epoch: u64,
    },
    /// Publications were left out, without a gap that says so.
    Skipped {
        /// The number of the next publication.
        next: u64,
        /// What came.
        seq: u64,
    },
}

impl ServerFault {
    /// The code to close the connection with: RFC 6455 §7.4.1.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Binary => CloseCode::UNSUPPORTED_DATA,
            Self::InvalidJson | Self::InvalidObject => CloseCode::INVALID_DATA,
            Self::Unanswered | Self::UntoldEpoch { .. } | Self::Skipped { .. } => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => f.write_str("the server sent a binary message"),
            Self::InvalidJson => f.write_str("the server sent what is no JSON object"),
            Self::InvalidObject => f.write_str("the server sent a malformed object"),
            Self::Unanswered => f.write_str("the server left a message without an answer"),
            Self::UntoldEpoch { known, epoch } => {
                write!(f, "the server went from log {known:016x} to {epoch:016x} without a gap")
            }
            Self::Skipped { next, seq } => {
                write!(f, "the server went on at {seq} instead of {next} without a gap")
            }
        }
    }
}

impl std::error::Error for ServerFault {}
