//! Frames: bytes to values and back (RFC 6455 §5 and §7.4). No state, no I/O.

mod close;
mod header;
mod mask;
mod opcode;
mod utf8;

use core::fmt;

pub use close::{CloseCode, CloseFrame};
pub use header::{FrameHeader, MAX_CONTROL_LEN, MAX_HEADER_LEN};
pub(crate) use header::{HEADER_ROOM, HeaderBytes};
pub(crate) use mask::copy_masked;
pub use mask::{MaskKey, apply_mask};
pub use opcode::OpCode;
pub use utf8::Utf8Decoder;
pub(crate) use utf8::check as check_utf8;

/// What is wrong with a frame, looked at by itself.
///
/// ```
/// use talkback::frame::{FrameError, FrameHeader};
///
/// let reserved = FrameHeader::decode(&[0x83, 0x00]);
/// assert_eq!(reserved, Err(FrameError::ReservedOpCode { bits: 3 }));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// RSV2 or RSV3 is set, which no extension here gives a meaning (RFC 6455 §5.2).
    ReservedBits,
    /// An opcode of 3 to 7 or 11 to 15.
    ReservedOpCode {
        /// The opcode on the wire.
        bits: u8,
    },
    /// A close, ping or pong without FIN (RFC 6455 §5.5).
    FragmentedControl,
    /// A close, ping or pong that announces more than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// A payload length that would have fitted a shorter form (RFC 6455 §5.2).
    LengthNotMinimal,
    /// A 64-bit payload length whose top bit is set (RFC 6455 §5.2).
    LengthTopBit,
    /// Text, or the reason of a close, that isn't UTF-8 (RFC 6455 §8.1).
    InvalidUtf8,
    /// A close with a payload of one byte (RFC 6455 §5.5.1).
    CloseTooShort,
    /// A close code that must not be on the wire: 0 to 999, 1004 to 1006, 1015 to 2999,
    /// 5000 and above (RFC 6455 §7.4).
    InvalidCloseCode {
        /// The code on the wire.
        code: u16,
    },
}

impl FrameError {
    /// The code to close the connection with.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 => CloseCode::INVALID_DATA,
            Self::ReservedBits
            | Self::ReservedOpCode { .. }
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthTopBit
            | Self::CloseTooShort
            | Self::InvalidCloseCode { .. } => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("a reserved bit is set"),
            Self::ReservedOpCode { bits } => write!(f, "opcode {bits} is reserved"),
            Self::FragmentedControl => f.write_str("a control frame is fragmented"),
            Self::ControlTooLong => f.write_str("a control frame is longer than 125 bytes"),
            Self::LengthNotMinimal => f.write_str("a payload length is not in its shortest form"),
            Self::LengthTopBit => f.write_str("a payload length has its top bit set"),
            Self::InvalidUtf8 => f.write_str("text is not UTF-8"),
            Self::CloseTooShort => f.write_str("a close frame has a payload of one byte"),
            Self::InvalidCloseCode { code } => write!(f, "close code {code} must not be sent"),
        }
    }
}

impl core::error::Error for FrameError {}
