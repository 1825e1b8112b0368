//! What can go wrong after the handshake, by whose fault.

use core::fmt;

use crate::frame::{CloseCode, FrameError};

/// The peer broke the protocol, or a limit of ours.
///
/// The connection can't go on: [`Protocol`](super::Protocol) has queued a close with
/// [`close_code`](Self::close_code), nothing more is read, and every later call returns
/// this error again.
///
/// ```
/// use talkback::frame::CloseCode;
/// use talkback::protocol::ProtocolError;
///
/// let error = ProtocolError::MessageTooBig { len: 2_000, max: 1_000 };
/// assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
/// assert_eq!(error.to_string(), "a message of 2000 bytes is over the limit of 1000");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolError {
    /// A frame that is wrong by itself.
    Frame(FrameError),
    /// A client sent a frame without a mask (RFC 6455 §5.1).
    Unmasked,
    /// A server sent a frame with a mask (RFC 6455 §5.1).
    Masked,
    /// RSV1 is set where it has no meaning: compression was not agreed on, or the frame isn't
    /// the first of a message (RFC 6455 §5.2, RFC 7692 §6.1).
    UnexpectedRsv1,
    /// Compressed data that is corrupt or incomplete (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A continuation, and no message is under way (RFC 6455 §5.4).
    StrayContinuation,
    /// A new message before the end of the one under way (RFC 6455 §5.4).
    InterleavedMessage,
    /// A frame announces more bytes than allowed.
    FrameTooBig {
        /// What it announces.
        len: u64,
        /// What is allowed.
        max: u64,
    },
    /// A message has, or announces, more bytes than allowed.
    MessageTooBig {
        /// What it would have with the frame announced last.
        len: u64,
        /// What is allowed.
        max: u64,
    },
    /// A message has more frames than allowed.
    TooManyFragments {
        /// How many are allowed.
        max: u32,
    },
}

impl ProtocolError {
    /// The code to close the connection with: RFC 6455 §7.4.1.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(error) => error.close_code(),
            Self::InvalidDeflate => CloseCode::INVALID_DATA,
            Self::Unmasked
            | Self::Masked
            | Self::UnexpectedRsv1
            | Self::StrayContinuation
            | Self::InterleavedMessage => CloseCode::PROTOCOL_ERROR,
            Self::FrameTooBig { .. } | Self::MessageTooBig { .. } | Self::TooManyFragments { .. } => {
                CloseCode::MESSAGE_TOO_BIG
            }
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Unmasked => f.write_str("a frame from a client is not masked"),
            Self::Masked => f.write_str("a frame from a server is masked"),
            Self::UnexpectedRsv1 => f.write_str("a frame is marked as compressed where it can't be"),
            Self::InvalidDeflate => f.write_str("compressed data is corrupt"),
            Self::StrayContinuation => f.write_str("a continuation frame continues nothing"),
            Self::InterleavedMessage => f.write_str("a message begins inside another"),
            Self::FrameTooBig { len, max } => write!(f, "a frame of {len} bytes is over the limit of {max}"),
            Self::MessageTooBig { len, max } => {
                write!(f, "a message of {len} bytes is over the limit of {max}")
            }
            Self::TooManyFragments { max } => write!(f, "a message has more than {max} frames"),
        }
    }
}

impl core::error::Error for ProtocolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Frame(error) = self { Some(error) } else { None }
    }
}

impl From<FrameError> for ProtocolError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// What the caller asked to be sent can't be. Nothing of it was queued, and the connection
/// is as it was.
///
/// ```
/// use talkback::protocol::{Config, Protocol, Role, SendError};
///
/// let mut server = Protocol::new(Role::Server, Config::default());
/// server.outbound().close(None)?;
/// assert_eq!(server.outbound().send("too late"), Err(SendError::Closing));
/// # Ok::<(), SendError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// A close was queued already, by the caller, or in answer to the peer's.
    Closing,
    /// More output waits to be sent than allowed: send it, then try again; or drop the
    /// message; or close with [`CloseCode::TRY_AGAIN_LATER`].
    Full {
        /// Bytes that wait.
        len: u64,
        /// Bytes that may wait.
        max: u64,
    },
    /// A message was begun fragment by fragment, and its last one has not been sent.
    Unfinished,
    /// A fragment is text where the message is binary, or the other way round.
    MixedKinds,
    /// A ping or pong of more than 125 bytes.
    ControlTooLong {
        /// How many it has.
        len: usize,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => f.write_str("the connection is closing"),
            Self::Full { len, max } => write!(f, "{len} bytes wait to be sent, the limit is {max}"),
            Self::Unfinished => f.write_str("a fragmented message is not finished"),
            Self::MixedKinds => f.write_str("a message can't have both text and binary fragments"),
            Self::ControlTooLong { len } => {
                write!(f, "a ping or pong of {len} bytes is over the limit of 125")
            }
        }
    }
}

impl core::error::Error for SendError {}
