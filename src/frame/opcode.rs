//! What a frame carries: RFC 6455 §5.2, opcode.

/// The opcode of a frame. The ten reserved values don't exist here: a frame that bears one
/// is an error of the peer.
///
/// ```
/// use talkback::frame::OpCode;
///
/// assert_eq!(OpCode::from_bits(0x9), Some(OpCode::Ping));
/// assert_eq!(OpCode::from_bits(0x3), None);
/// assert!(OpCode::Ping.is_control());
/// ```
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 6455 §11.8: another opcode would take a new version of the protocol"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpCode {
    /// A further fragment of the message under way.
    Continuation = 0x0,
    /// The first, or only, fragment of a text message.
    Text = 0x1,
    /// The first, or only, fragment of a binary message.
    Binary = 0x2,
    /// The connection is being closed: RFC 6455 §5.5.1.
    Close = 0x8,
    /// Asks for a pong: RFC 6455 §5.5.2.
    Ping = 0x9,
    /// Answers a ping, or comes unasked: RFC 6455 §5.5.3.
    Pong = 0xa,
}

impl OpCode {
    /// The opcode of the low four bits of a frame's first byte; `None` where they are
    /// reserved (3 to 7, 11 to 15, and what doesn't fit four bits).
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    /// The four bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether it is one of close, ping and pong, which may stand between the fragments of
    /// a message, but are never fragmented themselves (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }
}
