//! Why a connection ends: RFC 6455 §5.5.1 and §7.4.

use core::fmt;

use super::{FrameError, MAX_CONTROL_LEN, check_utf8};

/// A close code that may stand in a close frame.
///
/// 1005, 1006 and 1015, which mean "none came", and the ranges nobody may send can't be
/// made: code that holds a `CloseCode` need not check it.
///
/// ```
/// use talkback::frame::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(4001).map(CloseCode::value), Some(4001));
/// assert_eq!(CloseCode::new(1006), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that can't be accepted, such as binary where text is wanted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: text that isn't UTF-8, or data that can't be inflated.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a policy was violated, and no other code says it better.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message, or frame, beyond the limit.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension that the server didn't agree to.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met a condition it can't handle.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; connect again after a random 5 to 30 s.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, or this connection was too slow.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code with this value; `None` where it must not be sent: 0 to 999, 1004 to 1006,
    /// 1015 to 2999, 5000 and above. 3000 to 3999 are for libraries and frameworks, 4000 to
    /// 4999 for you (RFC 6455 §7.4.2).
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match value {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(value)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The payload of a close frame that has one: a code, and a reason for people and logs.
///
/// ```
/// use talkback::frame::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::GOING_AWAY, "back in a minute");
/// assert_eq!(frame.to_string(), "1001 back in a minute");
/// // A reason of more than 123 bytes is cut at the edge of a character.
/// assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"é".repeat(62)).reason().len(), 122);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloseFrame {
    code: CloseCode,
    /// At most [`CloseFrame::MAX_REASON_LEN`] bytes.
    reason: String,
}

impl CloseFrame {
    /// The most bytes that a reason can have: a control frame has 125, the code takes two.
    pub const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

    /// A close with this code and reason. A reason of more than 123 bytes is cut at the
    /// edge of a character. Allocates where the reason isn't empty.
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let mut end = reason.len().min(Self::MAX_REASON_LEN);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { code, reason: reason.get(..end).unwrap_or_default().to_owned() }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason; empty where none was given.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Reads the payload of a close frame; `None` where it is empty, which is allowed and
    /// says nothing (an API would show 1005).
    ///
    /// # Errors
    /// [`FrameError::CloseTooShort`], [`FrameError::InvalidCloseCode`],
    /// [`FrameError::InvalidUtf8`].
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() { Ok(None) } else { Err(FrameError::CloseTooShort) };
        };
        let value = u16::from_be_bytes(*code);
        let code = CloseCode::new(value).ok_or(FrameError::InvalidCloseCode { code: value })?;
        Ok(Some(Self { code, reason: check_utf8(reason)?.to_owned() }))
    }

    /// Appends the payload of the close frame, at most 125 bytes.
    pub fn encode(&self, out: &mut impl bytes::BufMut) {
        out.put_u16(self.code.value());
        out.put_slice(self.reason.as_bytes());
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, reason } = self;
        if reason.is_empty() { code.fmt(f) } else { write!(f, "{code} {reason}") }
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_on_the_wire() {
        let valid: Vec<u16> = (0..=u16::MAX).filter(|&code| CloseCode::new(code).is_some()).collect();
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(valid, expected);
    }

    #[test]
    fn decode_inverts_encode() {
        for reason in ["", "bye", "zażółć", &"x".repeat(123)] {
            let frame = CloseFrame::new(CloseCode::NORMAL, reason);
            let mut payload = Vec::new();
            frame.encode(&mut payload);
            assert_eq!(CloseFrame::decode(&payload), Ok(Some(frame)));
        }
    }

    #[test]
    fn bad_payloads() {
        assert_eq!(CloseFrame::decode(b""), Ok(None));
        assert_eq!(CloseFrame::decode(b"\x03"), Err(FrameError::CloseTooShort));
        assert_eq!(CloseFrame::decode(b"\x03\xee"), Err(FrameError::InvalidCloseCode { code: 1006 }));
        assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(FrameError::InvalidUtf8));
    }

    #[test]
    fn reasons_are_cut_at_a_character() {
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(124)).reason().len(), 123);
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"😀".repeat(40)).reason().len(), 120);
    }
}
